"""What the README shows works as shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from dovetail.cli.app import run_app
from dovetail.isa.assembler import parse
from dovetail.isa.verify import verify

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str = "") -> list[str]:
    return [
        text
        for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
        if kind == language
    ]


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0] for block in blocks() for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split(";") if part.strip().startswith("dovetail ")]
    return [shlex.split(part)[1:] for part in parts]


def test_the_example_program_assembles_and_verifies() -> None:
    programs = [block for block in blocks() if ".config" in block]
    assert len(programs) == 1
    verify(parse(programs[0]))


def test_the_python_examples_run_and_print_what_follows_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    for example in blocks("python"):
        exec(example, names)
    loops = next(block for block in blocks() if "for parallel" in block)
    assert loops in capsys.readouterr().out
    assert names["result"].exact


def test_commands_that_print_a_stage_print_it(capsys: pytest.CaptureFixture[str]) -> None:
    printing = [command for command in commands() if "--print" in command]
    assert printing
    assert [command for command in printing if run_app(command) != 0 or not capsys.readouterr().out] == []


def test_every_option_that_is_shown_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands():
        name = command[:2] if command[0] == "bench" else command[:1]
        assert run_app([*name, "--help"]) == 0, command
        known = capsys.readouterr().out
        assert [word for word in command if word.startswith("--") and word not in known] == [], command


def test_every_linked_page_exists() -> None:
    pages = re.findall(r"\]\(([^)#:]+)\)", README)
    assert pages
    assert [page for page in pages if not (ROOT / page).exists()] == []
