"""What the functional simulator refuses, each in one line."""

from __future__ import annotations


class FunctionalError(RuntimeError):
    """A program cannot be executed. Effects of instructions before the offending one may remain."""


class DeadlockError(FunctionalError):
    """Units wait for tokens, or for room for tokens, that never come."""


class EndError(FunctionalError):
    """The program ends without FINISH."""


class OutOfRangeError(FunctionalError):
    """An instruction reaches beyond a buffer or beyond DRAM."""
