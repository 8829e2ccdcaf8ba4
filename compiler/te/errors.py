"""What can be wrong with a tensor expression or a schedule. Every message is one line: where, what, why, and the way
out."""

from __future__ import annotations

from dovetail.compiler.errors import CompileError

from .caller import user_location


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
