"""Programs from text: one instruction a line, every field by name.

::

    .config default
    load inp[0] <- dram[0x1000] rows=4 cols=56 stride=56 pad=(1,0,1,1) push(compute)
    gemm uop[0:9] overwrite loop=(4,56) dst=(56,1) src=(58,1) pop(load) push(store)   ; to the end of the line
    store out dram[0x8000] <- acc[0] rows=4 cols=56 stride=56 sram_stride=56 pop(compute)
    finish

After the mnemonic come its operands, in order, then in any order ``name=value``, ``name=(a,b)``, a flag's bare name,
``pop(unit,...)`` and ``push(unit,...)``. What is left out has its default. ``uop[a:b]`` are the micro-ops from a to
before b. Numbers are Python's: decimal, ``0x``, ``0b``. Comments begin with ``;`` or ``#``.

Directives: ``.config NAME`` or ``.config FIELD=VALUE ...`` comes first; ``.dram_bytes N``; ``.segment "NAME" ADDRESS``,
whose data follow in lines ``.bytes HEX``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from .builder import make_instruction
from .config import Config, ConfigError, config_from_mapping, load_config
from .disassembler import disassemble, format_instruction
from .instructions import Instruction
from .layout import EncodingError
from .program import Program, ProgramError, Segment
from .syntax import BY_MNEMONIC, SYNTAX, Arrow, Group, Kernel, Line, Name, Operand, Place

__all__ = ["AssemblyError", "disassemble", "format_instruction", "parse"]

STRING = r'"(?:\\.|[^"\\])*"'
CODE = re.compile(rf'(?:{STRING}|[^"#;])*')
WORD = re.compile(rf"(?:[^\s()\[\]\"]|\([^()\[\]]*\)|\[[^()\[\]]*\]|{STRING})+")
CALL = re.compile(r"(\w+)\((.*)\)")
OPTION = re.compile(r"(\w+)=(.+)")
PLACE = re.compile(r"(\w+)\[([^\]]*)\]")
GROUP = re.compile(r"\((.*)\)")
DIRECTIVES = (".config", ".dram_bytes", ".segment", ".bytes")


class AssemblyError(ProgramError):
    """A line of assembly text is wrong. The message begins with the file's name and the line's number."""


def parse(text: str, config: Config | None = None, name: str = "text") -> Program:
    """Assemble a program.

    Parameters
    ----------
    text:
        The program, with lines as this module describes them.
    config:
        The configuration, for a text without ``.config``; with one, the two must agree.
    name:
        What messages call the text: a file's name.

    Raises
    ------
    AssemblyError:
        A line is wrong; the message is ``name:line: what``.
    """
    parser = _Parser(config)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            parser.line(line)
        except (ProgramError, EncodingError, ConfigError) as error:
            raise AssemblyError(f"{name}:{number}: {error}") from None
    try:
        return parser.program()
    except ProgramError as error:
        raise AssemblyError(f"{name}: {error}") from None


class _Parser:
    def __init__(self, config: Config | None) -> None:
        self.config = config
        self.directed = False
        self.instructions: list[Instruction] = []
        self.segments: list[tuple[str, int, bytearray]] = []
        self.dram_bytes = 0

    def line(self, line: str) -> None:
        words = _words(line)
        if not words:
            return
        head, rest = words[0], words[1:]
        if head.startswith("."):
            self._directive(head, rest)
        elif head in BY_MNEMONIC:
            self.instructions.append(_instruction(BY_MNEMONIC[head], rest, self._configured(head)))
        else:
            raise ProgramError(f"unknown instruction {head!r}; expected {', '.join(BY_MNEMONIC)} or a directive")

    def program(self) -> Program:
        segments = tuple(Segment(name, address, bytes(data)) for name, address, data in self.segments)
        return Program(self._configured("the program"), tuple(self.instructions), segments, self.dram_bytes)

    def _configured(self, what: str) -> Config:
        if self.config is None:
            raise ProgramError(f"{what} needs a configuration; begin with .config default")
        return self.config

    def _directive(self, head: str, rest: list[str]) -> None:
        match head, rest:
            case ".config", [_, *_]:
                self._configure(rest)
            case ".dram_bytes", [size]:
                self.dram_bytes = _number(size, head)
            case ".segment", [quoted, address]:
                self.segments.append((_string(quoted), _number(address, head), bytearray()))
            case ".bytes", [_, *_]:
                if not self.segments:
                    raise ProgramError(".bytes belongs to no segment; expected .segment before it")
                try:
                    self.segments[-1][2].extend(bytes.fromhex("".join(rest)))
                except ValueError:
                    raise ProgramError(".bytes expects pairs of hexadecimal digits") from None
            case ((".config" | ".dram_bytes" | ".segment" | ".bytes"), _):
                usage = {
                    ".config": "NAME or FIELD=VALUE ...",
                    ".dram_bytes": "N",
                    ".segment": '"NAME" ADDRESS',
                    ".bytes": "HEX",
                }
                raise ProgramError(f"{head} expects {usage[head]}")
            case _:
                raise ProgramError(f"unknown directive {head!r}; expected {', '.join(DIRECTIVES)}")

    def _configure(self, words: list[str]) -> None:
        if self.directed or self.instructions:
            raise ProgramError(".config must come once, before the first instruction")
        pairs = [OPTION.fullmatch(word) for word in words]
        if len(words) == 1 and pairs[0] is None:
            config = load_config(words[0])
        else:
            values: dict[str, object] = {}
            for word, pair in zip(words, pairs, strict=True):
                if pair is None:
                    raise ProgramError(f"unexpected {word!r}; .config expects one name, or FIELD=VALUE ...")
                values[pair[1]] = _number(pair[2], pair[1])
            config = config_from_mapping(values, ".config")
        if self.config is not None and (differences := config.differences(self.config)):
            raise ProgramError(f".config is not the configuration asked for: {'; '.join(differences)}")
        self.config, self.directed = config, True


def _words(line: str) -> list[str]:
    code = CODE.match(line)
    assert code is not None
    if code.end() < len(line) and line[code.end()] == '"':
        raise ProgramError(f"the string at {line[code.end() :][:20]!r} does not end")
    words, at, text = [], 0, code[0]
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word = WORD.match(text, at)
        if word is None or (word.end() < len(text) and not text[word.end()].isspace()):
            stuck = at if word is None else word.end()
            raise ProgramError(f"unexpected {text[stuck:][:20]!r}; parentheses and brackets must match")
        words.append(word[0])
        at = word.end()
    return words


def _instruction(kind: type[Instruction], words: list[str], config: Config) -> Instruction:
    line, mnemonic = SYNTAX[kind], kind.opcode.name.lower()
    fields: dict[str, Any] = {}
    for place, operand in enumerate(line.operands):
        word = words[place] if place < len(words) else "the end of the line"
        values = _operand(operand, word, kind) if place < len(words) else None
        if values is None:
            raise ProgramError(f"{mnemonic}: unexpected {word!r}; expected {_describe(operand, kind)}")
        fields |= values
    tokens: dict[str, list[str]] = {}
    for word in words[len(line.operands) :]:
        if (call := CALL.fullmatch(word)) and call[1] in ("pop", "push"):
            if call[1] in tokens:
                raise ProgramError(f"{mnemonic}: {call[1]} is given twice")
            tokens[call[1]] = [peer.strip() for peer in call[2].split(",")]
            continue
        values = _option(word, kind, line)
        if again := sorted(set(values) & set(fields)):
            raise ProgramError(f"{mnemonic}: {again[0]} is given twice")
        fields |= values
    return make_instruction(kind, config, tokens.get("pop", ()), tokens.get("push", ()), fields, mnemonic)


def _operand(part: Operand, word: str, kind: type[Instruction]) -> dict[str, Any] | None:
    """The fields that `word` gives, or None when it is no such operand."""
    if isinstance(part, Arrow):
        return {} if word == "<-" else None
    if isinstance(part, Name):
        members = _members(kind, part.field)
        return {part.field: members[word]} if word in members else None
    match = PLACE.fullmatch(word)
    if match is None:
        return None
    space, inside = match[1], match[2]
    if isinstance(part, Kernel):
        if space != "uop" or inside.count(":") != 1:
            return None
        begin, end = (_number(text, "uop") for text in inside.split(":"))
        return {part.begin: begin, part.count: end - begin}
    if part.space is None:
        buffers = _members(kind, "buffer")
        return {"buffer": buffers[space], part.field: _number(inside, space)} if space in buffers else None
    return {part.field: _number(inside, space)} if space == part.space else None


def _option(word: str, kind: type[Instruction], line: Line) -> dict[str, Any]:
    mnemonic = kind.opcode.name.lower()
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    pair = OPTION.fullmatch(word)
    expected = []
    for part in line.options:
        if isinstance(part, Group):
            expected.append(f"{part.name}=({','.join(part.fields)})")
            if pair is not None and pair[1] == part.name:
                group = GROUP.fullmatch(pair[2])
                values = [] if group is None else group[1].split(",")
                if len(values) != len(part.fields):
                    raise ProgramError(f"{mnemonic}: unexpected {word!r}; expected {expected[-1]}")
                return {field: _number(value, field) for field, value in zip(part.fields, values, strict=True)}
        elif defaults[part.field] is False:
            expected.append(part.field)
            if word == part.field:
                return {part.field: True}
        else:
            expected.append(f"{part.field}=")
            if pair is not None and pair[1] == part.field:
                return {part.field: _number(pair[2], part.field)}
    raise ProgramError(f"{mnemonic}: unexpected {word!r}; expected {', '.join([*expected, 'pop(unit)', 'push(unit)'])}")


def _describe(part: Operand, kind: type[Instruction]) -> str:
    match part:
        case Arrow():
            return "<-"
        case Name(field):
            return " or ".join(_members(kind, field))
        case Kernel():
            return "uop[begin:end]"
        case Place(_, None):
            return " or ".join(f"{buffer}[entry]" for buffer in _members(kind, "buffer"))
        case Place(_, "dram"):
            return "dram[address]"
        case Place(_, space):
            return f"{space}[entry]"


def _members(kind: type[Instruction], field: str) -> dict[str, Any]:
    enum = kind.specs()[field].enum
    assert enum is not None
    return {member.name.lower(): member for member in enum}


def _number(text: str, what: str) -> int:
    try:
        return int(text.strip(), 0)
    except ValueError:
        raise ProgramError(f"{what}: {text.strip()[:40]!r} is not a number") from None


def _string(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise ProgramError(f'.segment expects "NAME" ADDRESS, not {text[:40]!r}')
    return value
