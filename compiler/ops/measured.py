"""Schedules that were measured: where there is one it is taken, else the model chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from dovetail.isa.config import Config

from .blocked import Blocked
from .choose import Choice, choose
from .transfers import Memory

Lookup = Callable[[Blocked, Config, Memory], Choice | None]
"""The best schedule that was measured, and its cycles; None where none was."""

_LOOKUP: ContextVar[Lookup | None] = ContextVar("measured_schedules", default=None)


@contextmanager
def measured_schedules(lookup: Lookup | None) -> Iterator[None]:
    """Within, operators take the schedules of `lookup`, where it has one for their shape, machine and memory."""
    token = _LOOKUP.set(lookup)
    try:
        yield
    finally:
        _LOOKUP.reset(token)


def current_lookup() -> Lookup | None:
    """That of the innermost `measured_schedules`; what remembers operators remembers for which it was."""
    return _LOOKUP.get()


def best(shape: Blocked, config: Config, memory: Memory) -> Choice:
    """The schedule to take.

    Raises
    ------
    OperatorError:
        Not even a single output and a single tap fit.
    """
    lookup = _LOOKUP.get()
    found = lookup(shape, config, memory) if lookup else None
    return found or choose(shape, config, memory)
