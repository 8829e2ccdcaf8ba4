from __future__ import annotations

from dovetail.isa import document
from dovetail.isa.config import load_config
from dovetail.isa.instructions import INSTRUCTIONS
from dovetail.isa.registers import Cause, Counter, Register
from dovetail.isa.verify import RULES


def test_the_page_is_current(capsys):
    assert document.main(["--check"]) == 0, capsys.readouterr().err


def test_every_definition_is_on_the_page():
    text = document.page()
    for kind in INSTRUCTIONS:
        section = text.split(f"### {kind.opcode.name}\n")[1].split("\n### ")[0]
        for field in kind.layout(load_config("default")).fields:
            assert f"| `{field.name}` |" in section
    for member in [*Register, *Cause, *Counter]:
        assert f"| `{member.name}` |" in text
    for rule in RULES:
        assert f"| `{rule}` |" in text


def test_a_page_that_is_not_current_is_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(document, "PAGE", tmp_path / "isa.md")
    assert document.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/isa.md is not current; run python -m dovetail.isa.document\n"
    assert document.main([]) == 0
    assert document.main(["--check"]) == 0
