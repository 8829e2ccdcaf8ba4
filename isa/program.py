"""A program: instructions for one configuration, the data they need, and the file that holds both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from .accesses import DRAM_LIMIT, dram_reach
from .config import BYTE_BITS, INSTRUCTION_BITS, Config, ConfigError, config_from_mapping
from .container import Container
from .instructions import Instruction, decode
from .layout import EncodingError
from .registers import PROGRAM_INDEX_BITS

INSTRUCTION_BYTES = INSTRUCTION_BITS // BYTE_BITS
MAX_INSTRUCTIONS = (1 << PROGRAM_INDEX_BITS) - 1


class ProgramError(ValueError):
    """A program, or a file that should hold one, is unusable."""


FILE = Container(
    magic=b"DVTLPROG",
    version=1,
    what="program file",
    error=ProgramError,
    max_header_bytes=1 << 20,
    max_payload_bytes=DRAM_LIMIT + MAX_INSTRUCTIONS * INSTRUCTION_BYTES,
)


@dataclass(frozen=True)
class Segment:
    """Bytes that must lie in DRAM at `address` before the program starts: micro-ops, weights, parameters."""

    name: str
    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Program:
    """Instructions for one configuration.

    Parameters
    ----------
    config:
        The machine that the program is for.
    instructions:
        In program order; the last should be `Finish`.
    segments:
        What DRAM must hold before the program starts. Segments do not overlap and no two have the same name.
    dram_bytes:
        Memory that the program needs, from address 0 on. 0 stands for all that instructions and segments reach.

    Raises
    ------
    ProgramError:
        Too many instructions, segments that overlap or share a name, or a segment beyond `dram_bytes`.
    """

    config: Config
    instructions: tuple[Instruction, ...]
    segments: tuple[Segment, ...] = ()
    dram_bytes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "instructions", tuple(self.instructions))
        object.__setattr__(self, "segments", tuple(self.segments))
        if len(self.instructions) > MAX_INSTRUCTIONS:
            raise ProgramError(f"{len(self.instructions)} instructions; a program holds at most {MAX_INSTRUCTIONS}")
        end = _check_segments(self.segments)
        if not 0 <= self.dram_bytes <= DRAM_LIMIT:
            raise ProgramError(f"dram_bytes is {self.dram_bytes}; it must be between 0 and {DRAM_LIMIT}")
        if self.dram_bytes == 0:
            reach = max(end, dram_reach(self.instructions, self.config))
            object.__setattr__(self, "dram_bytes", min(reach, DRAM_LIMIT))
        elif self.dram_bytes < end:
            raise ProgramError(f"dram_bytes is {self.dram_bytes}; the segments reach {end}")

    def __len__(self) -> int:
        return len(self.instructions)

    def encode(self) -> bytes:
        """The instruction words as they lie in DRAM: 16 bytes each, little-endian.

        Raises
        ------
        ProgramError:
            A field's value is not legal.
        """
        return self._words

    @cached_property
    def _words(self) -> bytes:
        words = bytearray()
        for index, instruction in enumerate(self.instructions):
            try:
                words += instruction.encode(self.config).to_bytes(INSTRUCTION_BYTES, "little")
            except EncodingError as error:
                raise ProgramError(f"instruction {index}: {error}") from None
        return bytes(words)

    @classmethod
    def decode(cls, data: bytes, config: Config, *, segments: tuple[Segment, ...] = (), dram_bytes: int = 0) -> Program:
        """The program whose instruction words are `data`.

        Raises
        ------
        ProgramError:
            `data` is not a whole number of instructions, or one of them is undefined.
        """
        if len(data) % INSTRUCTION_BYTES:
            raise ProgramError(f"{len(data)} bytes of instructions; it must be a multiple of {INSTRUCTION_BYTES}")
        try:
            instructions = tuple(
                decode(int.from_bytes(data[at : at + INSTRUCTION_BYTES], "little"), config, f"instruction {index}")
                for index, at in enumerate(range(0, len(data), INSTRUCTION_BYTES))
            )
        except EncodingError as error:
            raise ProgramError(str(error)) from None
        return cls(config, instructions, segments, dram_bytes)

    def require_config(self, config: Config, where: str = "program") -> None:
        """Raise `ProgramError`, which names the fields, unless the program is for `config`."""
        differences = self.config.differences(config)
        if differences:
            raise ProgramError(f"{where}: made for another configuration: {'; '.join(differences)}")

    def to_bytes(self) -> bytes:
        """The content of a program file, which `from_bytes` reads."""
        header = {
            "config": dataclasses.asdict(self.config),
            "fingerprint": f"{self.config.fingerprint:016x}",
            "instructions": len(self.instructions),
            "segments": [[segment.name, segment.address, len(segment.data)] for segment in self.segments],
            "dram_bytes": self.dram_bytes,
        }
        return FILE.pack(header, self.encode(), *[segment.data for segment in self.segments])

    @classmethod
    def from_bytes(cls, data: bytes, config: Config | None = None, where: str = "program") -> Program:
        """The program in the content of a program file.

        Parameters
        ----------
        config:
            The configuration that the program must be for; without it any will do.
        where:
            What error messages begin with: a file's name.

        Raises
        ------
        ProgramError:
            The content is no program file, incomplete, damaged, of another version or for another configuration.
        """
        header, payload = FILE.unpack(data, where)
        try:
            program = _from_header(header, bytes(payload))
        except (ProgramError, ConfigError) as error:
            raise ProgramError(f"{where}: {error}") from None
        if config is not None:
            program.require_config(config, where)
        return program

    def save(self, path: str | Path) -> None:
        """Write a program file as `replace_file` does. Raises `ProgramError` when the file cannot be written."""
        FILE.write(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | Path, config: Config | None = None) -> Program:
        """Read a program file. Raises what `from_bytes` does, and `ProgramError` when the file cannot be read."""
        return cls.from_bytes(FILE.read(path), config, str(path))


def _check_segments(segments: tuple[Segment, ...]) -> int:
    """Where the last segment ends."""
    names = set()
    for segment in segments:
        if segment.name in names:
            raise ProgramError(f"segment {segment.name!r} is there twice")
        names.add(segment.name)
        if segment.address < 0 or segment.end > DRAM_LIMIT:
            raise ProgramError(
                f"segment {segment.name!r} covers bytes {segment.address:#x} to {segment.end:#x}; "
                f"the limit is {DRAM_LIMIT:#x}"
            )
    ordered = sorted((segment for segment in segments if segment.data), key=lambda segment: segment.address)
    for low, high in pairwise(ordered):
        if high.address < low.end:
            raise ProgramError(f"segments {low.name!r} and {high.name!r} overlap at byte {high.address:#x}")
    return max((segment.end for segment in segments), default=0)


def _from_header(header: dict[str, object], payload: bytes) -> Program:
    values = header.get("config")
    if not isinstance(values, dict):
        raise ProgramError("the header has no configuration")
    config = config_from_mapping(values, "configuration")
    fingerprint = f"{config.fingerprint:016x}"
    if header.get("fingerprint") != fingerprint:
        raise ProgramError(
            f"fingerprint {header.get('fingerprint')!r} is not that of the configuration's fields "
            f"({fingerprint!r}): made by another version of the instruction set"
        )
    count, dram_bytes = _natural(header.get("instructions"), "instructions"), header.get("dram_bytes")
    words = payload[: count * INSTRUCTION_BYTES]
    if len(words) != count * INSTRUCTION_BYTES:
        raise ProgramError(f"the header claims {count} instructions; {len(payload)} bytes follow")
    segments = tuple(_segments(header.get("segments"), payload[len(words) :]))
    return Program.decode(words, config, segments=segments, dram_bytes=_natural(dram_bytes, "dram_bytes"))


def _segments(rows: object, data: bytes) -> Iterator[Segment]:
    if not isinstance(rows, list):
        raise ProgramError("the header has no list of segments")
    at = 0
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str):
            raise ProgramError(f"a segment is a name, an address and a length, not {str(row)[:60]}")
        address, size = _natural(row[1], "a segment's address"), _natural(row[2], "a segment's length")
        if at + size > len(data):
            raise ProgramError(f"segment {row[0]!r} claims {size} bytes; {len(data) - at} are left")
        yield Segment(row[0], address, data[at : at + size])
        at += size
    if at != len(data):
        raise ProgramError(f"{len(data) - at} bytes belong to no segment")


def _natural(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        raise ProgramError(f"{what} must be a natural number, not {str(value)[:60]}")
    return value
