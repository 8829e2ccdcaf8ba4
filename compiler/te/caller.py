"""The user's code as the language sees it: where it called, and the name to which it assigns the result."""

from __future__ import annotations

import linecache
import re
import sys
from itertools import islice
from keyword import iskeyword
from types import FrameType, TracebackType

_OWN = ("dovetail.compiler.te", "dovetail.compiler.tir")
_TARGET = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::[^=]*)?=\s*")


def user_location() -> str:
    """``file:line`` of the innermost call that is not the language's own; empty if there is none."""
    frame = _user_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""


def location_of(traceback: TracebackType | None) -> str:
    """``file:line`` at which the user's code raised; `user_location` if the language itself did."""
    found = ""
    while traceback is not None:
        if not _is_own(traceback.tb_frame):
            found = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found or user_location()


def assigned_name(function: str, fallback: str) -> str:
    """The variable to which the user's code assigns what `function` returns; `fallback` where it does not say."""
    frame = _user_frame()
    if frame is None:
        return fallback
    number, _, column, _ = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    if number is None or column is None:
        return fallback
    # Columns are offsets into the line as UTF-8.
    line = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).encode()
    statement, call = line[:column].decode().rpartition(";")[2], line[column:].decode()
    target = _TARGET.fullmatch(statement)
    if target is None or iskeyword(target[1]) or not re.match(rf"([A-Za-z_]\w*\.)*{function}\(", call):
        return fallback
    return target[1]


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_own(frame):
        frame = frame.f_back
    return frame


def _is_own(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    return any(module == name or module.startswith(name + ".") for name in _OWN)
