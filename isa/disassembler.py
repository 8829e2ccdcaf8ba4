"""Instructions and programs as text that the assembler turns back into equal ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from .config import Config, load_config, preset_names
from .instructions import Instruction
from .peers import peers
from .program import Program
from .syntax import SYNTAX, Arrow, Group, Kernel, Name, Operand, Option, Place

BYTES_A_LINE = 32


def format_instruction(instruction: Instruction) -> str:
    """The line of text for `instruction`. One with illegal fields has a text too, for messages that name it."""
    line = SYNTAX[type(instruction)]
    words = [instruction.opcode.name.lower()]
    words += [_operand(part, instruction) for part in line.operands]
    for option in line.options:
        words += _option(option, instruction)
    for verb in ("pop", "push"):
        if named := peers(instruction, verb):
            words.append(f"{verb}({','.join(named)})")
    return " ".join(words)


def disassemble(program: Program) -> str:
    """The text of a whole program, each instruction with its index in a comment."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    yield f".config {_config(program.config)}"
    yield f".dram_bytes {program.dram_bytes}"
    for segment in program.segments:
        yield f".segment {json.dumps(segment.name)} {segment.address:#x}"
        for at in range(0, len(segment.data), BYTES_A_LINE):
            yield f".bytes {segment.data[at : at + BYTES_A_LINE].hex()}"
    for index, instruction in enumerate(program.instructions):
        yield f"{format_instruction(instruction)}  ; {index}"


def _config(config: Config) -> str:
    for name in preset_names():
        if load_config(name) == config:
            return name
    return " ".join(f"{name}={value}" for name, value in dataclasses.asdict(config).items())


def _operand(part: Operand, instruction: Instruction) -> str:
    match part:
        case Arrow():
            return "<-"
        case Name(field):
            return _named(instruction, field)
        case Place(field, "dram"):
            return f"dram[{getattr(instruction, field):#x}]"
        case Place(field, space):
            return f"{space or _named(instruction, 'buffer')}[{getattr(instruction, field)}]"
        case Kernel(begin, count):
            first = getattr(instruction, begin)
            return f"uop[{first}:{first + getattr(instruction, count)}]"


def _option(part: Option, instruction: Instruction) -> list[str]:
    defaults = {field.name: field.default for field in dataclasses.fields(instruction)}
    if isinstance(part, Group):
        values = [getattr(instruction, field) for field in part.fields]
        if values == [defaults[field] for field in part.fields]:
            return []
        return [f"{part.name}=({','.join(str(value) for value in values)})"]
    value = getattr(instruction, part.field)
    if value == defaults[part.field]:
        return []
    if value is True:
        return [part.field]
    return [f"{part.field}={value:#x}" if part.hexadecimal else f"{part.field}={value}"]


def _named(instruction: Instruction, field: str) -> str:
    """The name of an enumeration's member, or the number that is none's."""
    enum: type[IntEnum] = instruction.specs()[field].enum or IntEnum
    value: Any = getattr(instruction, field)
    return enum(value).name.lower() if value in list(enum) else str(value)
