"""The reference page ``docs/isa.md``, written from the definitions.

``python -m dovetail.isa.document`` writes it; with ``--check`` it says whether the page is current.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path

from . import assembler, instructions, verify
from .config import Config, load_config, preset_names
from .instructions import INSTRUCTIONS, QUEUE_BETWEEN, Instruction, MicroOp, Queue, Unit, uop_fields
from .layout import Placed
from .registers import (
    CONFIG_BASE,
    COUNTER_BASE,
    MAGIC,
    REGISTER_SPACE,
    Cause,
    Control,
    Counter,
    Register,
    Status,
    config_registers,
    counter_address,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "isa.md"
DERIVED = (
    "inp_bytes",
    "wgt_bytes",
    "acc_bytes",
    "out_bytes",
    "uop_bytes",
    "param_bytes",
    "inp_index_bits",
    "wgt_index_bits",
    "acc_index_bits",
    "uop_index_bits",
    "src_index_bits",
    "sram_index_bits",
    "uop_field_bits",
    "macs_per_cycle",
)


def page() -> str:
    """The whole page, in Markdown."""
    config = load_config("default")
    parts = [
        "# Instruction set reference",
        "Written by `python -m dovetail.isa.document` from the definitions in `isa/`; a test keeps it current. "
        "Widths and bit positions are those of the `default` configuration.",
        "## Execution",
        *_prose(inspect.getdoc(instructions), skip=2),
        *_queues(),
        "## Configurations",
        *_configurations(),
        "## Instructions",
        "An instruction is 128 bits, 16 bytes little-endian in memory. Bits above the last field must be 0. All "
        "begin with the opcode and four dependency flags; a flag for a neighbour that the unit lacks must be 0.",
        _table(
            ("opcode", "instruction", "unit"),
            ((str(kind.opcode.value), _title(kind), _unit(kind)) for kind in INSTRUCTIONS),
        ),
    ]
    for kind in INSTRUCTIONS:
        parts += _instruction(kind, config)
    parts += ["## Micro-ops", *_micro_ops(config)]
    parts += ["## Enumerations", *_enumerations()]
    parts += ["## Registers", *_registers(config)]
    parts += ["## Assembly text", *_prose(inspect.getdoc(assembler), skip=1)]
    parts += ["## What a verified program keeps", *_rules()]
    return "\n\n".join(parts) + "\n"


def _queues() -> Iterator[str]:
    ends = {queue: pair for pair, queue in QUEUE_BETWEEN.items()}
    rows = ((f"`{queue.name.lower()}`", *(end.name.lower() for end in ends[queue])) for queue in Queue)
    yield _table(("queue", "from", "to"), rows)


def _configurations() -> Iterator[str]:
    names = preset_names()
    presets = [load_config(name) for name in names]
    fields = [field.name for field in dataclasses.fields(Config)]
    yield _table(("field", *names), ((f"`{name}`", *(str(getattr(p, name)) for p in presets)) for name in fields))
    meanings = _sections(inspect.getdoc(Config) or "")
    yield "\n".join(f"- {_names(name)}: {meaning}" for name, meaning in meanings)
    yield "What follows from them:"
    rows = [(f"`{name}`", *(str(getattr(p, name)) for p in presets)) for name in DERIVED]
    yield _table(("size", *names), [*rows, ("fingerprint", *(f"`{p.fingerprint:016x}`" for p in presets))])


def _instruction(kind: type[Instruction], config: Config) -> Iterator[str]:
    layout = kind.layout(config)
    yield f"### {_title(kind)}"
    yield from _prose(inspect.getdoc(kind))
    rows = [(_bits(field), f"`{field.name}`", _legal(field, kind), field.spec.doc) for field in layout.fields]
    if layout.reserved_bits:
        rows.append((f"127..{layout.used_bits}", "", "0", "reserved"))
    yield _table(("bits", "field", "values", "meaning"), rows)


def _micro_ops(config: Config) -> Iterator[str]:
    yield from _prose(inspect.getdoc(MicroOp))
    rows, lsb = [], 0
    for name, width in uop_fields(config).items():
        rows.append((f"{lsb + width - 1}..{lsb}", f"`{name}`", f"0 to {(1 << width) - 1}"))
        lsb += width
    yield _table(("bits", "field", "values"), rows)
    yield f"A micro-op takes {config.uop_bytes} bytes, little-endian; bits above its fields are ignored."


def _enumerations() -> Iterator[str]:
    for enum in (Unit, instructions.Buffer, instructions.Format, instructions.AluOp, instructions.AluSource):
        yield f"### {enum.__name__}"
        yield from _prose(inspect.getdoc(enum))
        yield _table(("value", "name"), ((str(member.value), f"`{member.name.lower()}`") for member in enum))


def _registers(config: Config) -> Iterator[str]:
    yield (
        f"The register block takes {REGISTER_SPACE} bytes on AXI4-Lite. `MAGIC` reads {MAGIC:#010x}; counters begin at "
        f"{COUNTER_BASE:#04x}, the configuration's fields at {CONFIG_BASE:#04x}, in the order of the table above."
    )
    yield _members(Register, "address", lambda register: f"{register:#04x}")
    for enum, title in ((Control, "Control"), (Status, "Status"), (Cause, "Causes")):
        yield f"### {title}"
        yield from _prose(inspect.getdoc(enum))
        yield _members(enum, "value", str)
    yield "### Counters"
    yield from _prose(inspect.getdoc(Counter))
    yield _members(Counter, "address", lambda counter: f"{counter_address(Counter(counter)):#04x}")
    yield "### Configuration"
    rows = ((f"{address:#04x}", f"`{name}`") for address, (name, _) in config_registers(config).items())
    yield _table(("address", "field"), rows)


def _rules() -> Iterator[str]:
    yield (
        "The static verifier refuses a program unless all of this holds. A program that it accepts terminates, and its "
        "result depends on nothing but what DRAM holds when it starts."
    )
    yield _table(("rule", "promise"), ((f"`{name}`", text) for name, text in verify.RULES.items()))


def _title(kind: type[Instruction]) -> str:
    return kind.opcode.name


def _unit(kind: type[Instruction]) -> str:
    return "the named one" if kind is instructions.Sync else kind.home.name.lower()


def _bits(field: Placed) -> str:
    high = field.lsb + field.width - 1
    return str(high) if field.width == 1 else f"{high}..{field.lsb}"


def _legal(field: Placed, kind: type[Instruction]) -> str:
    if field.name == "opcode":
        return str(kind.opcode.value)
    if field.spec.enum is not None:
        return ", ".join(f"{member.value} {member.name.lower()}" for member in field.spec.enum)
    return f"{field.low} to {field.high}" if field.width > 1 else "0, 1"


def _members(enum: type[IntEnum], what: str, show: object) -> str:
    docs = _member_docs(enum)
    assert callable(show)
    return _table(
        (what, "name", "meaning"),
        ((show(member.value), f"`{member.name}`", _inline(docs.get(member.name, ""))) for member in enum),
    )


def _member_docs(enum: type[IntEnum]) -> dict[str, str]:
    """The strings that follow the members in the source."""
    definition = ast.parse(inspect.getsource(enum)).body[0]
    assert isinstance(definition, ast.ClassDef)
    docs = {}
    for member, text in zip(definition.body, definition.body[1:], strict=False):
        match member, text:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(doc))):
                docs[name] = doc
    return docs


def _sections(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and meanings of a docstring's parameters."""
    body = docstring.split("Parameters\n----------\n")[1].split("\n\n")[0]
    for entry in re.split(r"\n(?=\S)", body):
        names, meaning = entry.split(":", 1)
        yield names, _inline(meaning)


def _names(listed: str) -> str:
    return ", ".join(f"`{name.strip()}`" for name in listed.split(","))


def _prose(docstring: str | None, skip: int = 0) -> Iterator[str]:
    """Paragraphs of a docstring; what follows ``::`` becomes a block of code."""
    code = False
    for paragraph in (docstring or "").split("\n\n")[skip:]:
        if paragraph == "::":
            code = True
        elif code and paragraph.startswith("    "):
            yield f"```text\n{textwrap.dedent(paragraph)}\n```"
            code = False
        else:
            yield _inline(paragraph)


def _inline(text: str) -> str:
    parts = " ".join(text.split()).replace("``", "`").split("`")
    return "`".join(part if place % 2 else part.replace("**", r"\*\*") for place, part in enumerate(parts))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or with ``--check`` compare it; 1 when it is not current."""
    parser = argparse.ArgumentParser(prog="python -m dovetail.isa.document", description="Write docs/isa.md.")
    parser.add_argument("--check", action="store_true", help="only say whether the page is current")
    if not parser.parse_args(arguments).check:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print("docs/isa.md is not current; run python -m dovetail.isa.document", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
