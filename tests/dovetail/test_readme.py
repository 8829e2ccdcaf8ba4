"""What the README shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

from dovetail.isa.assembler import parse
from dovetail.isa.verify import verify

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_example_program_assembles_and_verifies() -> None:
    blocks = [block for block in re.findall(r"```\n(.*?)```", README, re.DOTALL) if ".config" in block]
    assert len(blocks) == 1
    verify(parse(blocks[0]))


def test_every_linked_page_exists() -> None:
    pages = re.findall(r"\]\(([^)#:]+)\)", README)
    assert pages
    assert [page for page in pages if not (ROOT / page).exists()] == []
