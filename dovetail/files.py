"""Reading what users name, and writing results so that a reader never sees half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dovetail.isa.container import replace_file

PROGRAM_SUFFIX = ".dvt"
"""Of program files."""
MODULE_SUFFIX = ".dovetail"
"""Of compiled modules."""


class InputError(ValueError):
    """A file cannot be read; the message names it."""


class OutputError(ValueError):
    """A result file cannot be written; the message names it."""


def read_text(path: Path) -> str:
    """The text of a file. Raises `InputError` when it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text: byte {error.start} is not UTF-8") from None


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` as `replace_file` does. Raises `OutputError` when it cannot be written."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


def require_writable(path: str | Path) -> None:
    """Raise `OutputError` now rather than after long work: `path`'s folder must exist and `path` be no folder."""
    path = Path(path)
    try:
        has_parent, is_folder = path.parent.is_dir(), path.is_dir()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    if not has_parent:
        raise OutputError(f"{path}: cannot be written: no folder {str(path.parent)!r}")
    if is_folder:
        raise OutputError(f"{path}: cannot be written: it is a folder")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written: the folder is read-only")


def json_text(value: Any) -> str:
    """`value` as indented JSON that ends in a newline."""
    return json.dumps(value, indent=2) + "\n"
