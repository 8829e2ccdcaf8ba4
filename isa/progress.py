"""How long work tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much (0 where that is not known)."""


def silent(what: str, done: int, total: int) -> None:
    """The progress of work that nobody watches."""
