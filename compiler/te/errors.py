"""What can be wrong with a tensor expression or a schedule. Every message is one line: where, what, why, and the way
out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from dovetail.compiler.errors import CompileError
from dovetail.compiler.tir.dtypes import TypeMismatch

from .caller import location_of, user_location

P = ParamSpec("P")
R = TypeVar("R")


class LanguageError(CompileError):
    """A tensor expression that has no meaning.

    Attributes
    ----------
    where:
        ``file:line`` of the user's code; the message begins with it.
    """

    def __init__(self, what: str, where: str | None = None) -> None:
        self.where = user_location() if where is None else where
        super().__init__(f"{self.where}: {what}" if self.where else what)


class ScheduleError(CompileError):
    """A step that a schedule cannot take; it leaves the schedule as it was.

    Attributes
    ----------
    where:
        ``file:line`` of the user's code; the message begins with it.
    """

    def __init__(self, what: str) -> None:
        self.where = user_location()
        super().__init__(f"{self.where}: {what}" if self.where else what)


def located(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose mismatches of types become a `LanguageError` at the user's line."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeMismatch as error:
            raise LanguageError(str(error), location_of(error.__traceback__)) from None

    return run
