"""What an object file defines and needs: LLVM ends the process when it is given one that it cannot link."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator

from .errors import NativeError

_HEADER = struct.Struct("<4sBBB9xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_MAGIC, _CLASS_64, _LITTLE_ENDIAN = b"\x7fELF", 2, 1
_RELOCATABLE = 1
_MACHINES = {"x86_64": 62, "aarch64": 183, "riscv64": 243}
_SYMBOL_TABLE, _NO_DATA = 2, 8
_UNDEFINED, _LOCAL, _WEAK = 0, 0, 2


def symbols(code: bytes) -> tuple[set[str], set[str]]:
    """The global names that an object file defines, and those that it needs (ELF-64 object file format, 1.5).

    Raises
    ------
    NativeError:
        It is no object file for this machine, or incomplete.
    """
    try:
        found = list(_symbols(code))
    except (struct.error, IndexError, UnicodeDecodeError):
        raise NativeError("an object file is incomplete or damaged") from None
    return {name for name, defined in found if defined}, {name for name, defined in found if not defined}


def _symbols(code: bytes) -> Iterator[tuple[str, bool]]:
    sections = _sections(code)
    for kind, offset, size, link in sections:
        if kind != _SYMBOL_TABLE:
            continue
        _, begin, length, _ = sections[link]
        names = code[begin : begin + length]
        for at in range(offset, offset + size, _SYMBOL.size):
            name, info, _, section, _, _ = _SYMBOL.unpack_from(code, at)
            if info >> 4 != _LOCAL and not (section == _UNDEFINED and info >> 4 == _WEAK):
                yield names[name : names.index(0, name)].decode(), section != _UNDEFINED


def _sections(code: bytes) -> list[tuple[int, int, int, int]]:
    """Kind, offset, size and link of each section."""
    if len(code) < _HEADER.size or code[:4] != _MAGIC:
        raise NativeError(f"not an object file: it begins with {code[:4]!r}, not {_MAGIC!r}")
    _, bits, order, _, kind, machine, *_ = header = _HEADER.unpack_from(code)
    if (bits, order, kind, machine) != (_CLASS_64, _LITTLE_ENDIAN, _RELOCATABLE, _MACHINES.get(platform.machine())):
        raise NativeError(f"not an object file for {platform.machine()}: machine {machine}, type {kind}")
    table, count = header[9], header[15]
    found = []
    for place in range(count):
        _, kind, _, _, offset, size, link, _, _, _ = _SECTION.unpack_from(code, table + place * _SECTION.size)
        if kind != _NO_DATA and offset + size > len(code):
            raise NativeError(f"an object file is incomplete: section {place} ends at {offset + size} of {len(code)}")
        found.append((kind, offset, size, link))
    return found
