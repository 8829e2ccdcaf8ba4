"""The file of a deployable module: plan, programs, object code and weights.

What a file says is checked before anything is allocated or run, and a damaged one is refused. Its object code, though,
is native code that runs with the rights of the process: load modules from where you would start programs from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import Config, ConfigError, config_from_mapping
from .container import Container
from .module import Library, ModuleError, Plan
from .module_check import check_module, check_params
from .program import Program, ProgramError
from .records import RecordError, from_json, to_json

Params = dict[str, NDArray[Any]]

FILE = Container(
    magic=b"DVTLMODL",
    version=1,
    what="module file",
    error=ModuleError,
    max_header_bytes=1 << 24,
    max_payload_bytes=1 << 36,
)


def save(path: str | os.PathLike[str], plan: Plan, library: Library, params: Mapping[str, NDArray[Any]]) -> None:
    """Write a module file; one that is there already is replaced as a whole or not at all.

    Raises
    ------
    ModuleError:
        What `to_bytes` raises, or the file cannot be written.
    """
    FILE.write(path, to_bytes(plan, library, params))


def load(path: str | os.PathLike[str]) -> tuple[Plan, Library, Params]:
    """Read a module file; see `from_bytes`. Raises `ModuleError` also when the file cannot be read."""
    return from_bytes(FILE.read(path), str(path))


def to_bytes(plan: Plan, library: Library, params: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of a module file.

    Parameters
    ----------
    params:
        An array for each of the plan's constants.

    Raises
    ------
    ModuleError:
        They do not fit each other; see `module_check`.
    """
    check_module(plan, library)
    check_params(plan, params)
    programs = [program.to_bytes() for program in library.programs]
    arrays = [np.ascontiguousarray(params[constant.name]) for constant in plan.constants]
    described = to_json(plan)
    try:
        from_json(Plan, described, "plan", {Config: _config})
    except RecordError as error:
        raise ModuleError(str(error)) from None
    header = {
        "plan": described,
        "fingerprint": None if plan.config is None else f"{plan.config.fingerprint:016x}",
        "programs": [len(program) for program in programs],
        "objects": [[name, len(code)] for name, code in library.objects.items()],
    }
    return FILE.pack(header, *programs, *library.objects.values(), *[array.tobytes() for array in arrays])


def from_bytes(data: bytes, where: str = "module") -> tuple[Plan, Library, Params]:
    """What `to_bytes` wrote; the arrays are copies.

    Parameters
    ----------
    where:
        What messages begin with: a file's name.

    Raises
    ------
    ModuleError:
        The content is no module file, incomplete, damaged, of another version, or says what cannot be.
    """
    header, payload = FILE.unpack(data, where)
    try:
        return _from_header(header, payload)
    except (ModuleError, RecordError, ProgramError, ConfigError) as error:
        raise ModuleError(f"{where}: {error}") from None


def _from_header(header: dict[str, object], payload: memoryview) -> tuple[Plan, Library, Params]:
    plan = from_json(Plan, header.get("plan"), "plan", {Config: _config})
    fingerprint = None if plan.config is None else f"{plan.config.fingerprint:016x}"
    if header.get("fingerprint") != fingerprint:
        raise ModuleError(
            f"fingerprint {str(header.get('fingerprint'))[:40]!r} is not that of the configuration's fields "
            f"({fingerprint!r}): made by another version of the instruction set"
        )
    pieces = _Pieces(payload)
    programs = tuple(
        Program.from_bytes(bytes(pieces.take(f"programs[{place}]", size)), where=f"programs[{place}]")
        for place, size in enumerate(_list(header, "programs"))
    )
    objects: dict[str, bytes] = {}
    for place, row in enumerate(_list(header, "objects")):
        if not isinstance(row, list) or len(row) != 2 or not isinstance(row[0], str) or row[0] in objects:
            raise ModuleError(f"objects[{place}] must be a new name and a size")
        objects[row[0]] = bytes(pieces.take(f"objects[{place}]", row[1]))
    library = Library(programs, objects)
    check_module(plan, library)
    params = {
        constant.name: np.frombuffer(pieces.take(f"constant {constant.name!r}", constant.nbytes), constant.dtype)
        .reshape(constant.shape)
        .copy()
        for constant in plan.constants
    }
    pieces.end()
    return plan, library, params


def _config(value: object, where: str) -> Config:
    if not isinstance(value, dict):
        raise RecordError(f"{where} must be an object")
    return config_from_mapping(value, where)


def _list(header: dict[str, object], name: str) -> list[Any]:
    value = header.get(name)
    if not isinstance(value, list):
        raise ModuleError(f"the header has no list of {name}")
    return value


class _Pieces:
    """Takes the payload apart."""

    def __init__(self, payload: memoryview) -> None:
        self._payload, self._at = payload, 0

    def take(self, what: str, size: object) -> memoryview:
        left = len(self._payload) - self._at
        if type(size) is not int or not 0 <= size <= left:
            raise ModuleError(f"{what} claims {str(size)[:40]} bytes; {left} are left")
        self._at += size
        return self._payload[self._at - size : self._at]

    def end(self) -> None:
        left = len(self._payload) - self._at
        if left:
            raise ModuleError(f"{left} bytes belong to nothing")
