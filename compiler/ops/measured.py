"""Schedules that were measured: where there is one it is taken, else a model or a rule chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from dovetail.isa.config import Config

from .blocked import Blocked
from .choose import Choice, choose
from .shapes import Conv2dShape
from .transfers import Memory

if TYPE_CHECKING:
    from .cpu.knobs import Conv2dKnobs


class Lookup(Protocol):
    """The best schedules that were measured; None where none was."""

    def __hash__(self) -> int:
        """What is remembered is remembered for each."""

    def accelerator(self, shape: Blocked, config: Config, memory: Memory) -> Choice | None:
        """Of a convolution on an accelerator, with the cycles that it took."""

    def cpu(self, shape: Conv2dShape, dtype: str) -> Conv2dKnobs | None:
        """Of a convolution in float32 or int8 on this computer's processor."""


_LOOKUP: ContextVar[Lookup | None] = ContextVar("measured_schedules", default=None)


@contextmanager
def measured_schedules(lookup: Lookup | None) -> Iterator[None]:
    """Within, operators take the schedules of `lookup`, where it has one for them."""
    token = _LOOKUP.set(lookup)
    try:
        yield
    finally:
        _LOOKUP.reset(token)


def current_lookup() -> Lookup | None:
    """That of the innermost `measured_schedules`; what remembers operators remembers for which it was."""
    return _LOOKUP.get()


def best(shape: Blocked, config: Config, memory: Memory) -> Choice:
    """The schedule to take on an accelerator.

    Raises
    ------
    OperatorError:
        Not even a single output and a single tap fit.
    """
    lookup = _LOOKUP.get()
    found = lookup.accelerator(shape, config, memory) if lookup else None
    return found or choose(shape, config, memory)


def best_on_cpu(shape: Conv2dShape, dtype: str) -> Conv2dKnobs | None:
    """The schedule that was measured on this computer's processor, if any was."""
    lookup = _LOOKUP.get()
    return lookup.cpu(shape, dtype) if lookup else None
