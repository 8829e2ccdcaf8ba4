"""Counters of what may still be begun."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed

from .interfaces import level_bits


class Room:
    """Counts what is in use of `limit` places, so that the sign of a register tells that none is free.

    Members
    -------
    full: Value
        All places are in use.
    used: Value
        Any place is.
    """

    def __init__(self, limit: int, *, name: str) -> None:
        self._most = limit - 1
        self._free = Signal(signed(level_bits(limit) + 1), init=self._most, name=f"{name}_free")
        self.full = self._free < 0
        self.used = self._free != self._most

    def count(self, m: Module, *, taken: Value, ended: Value) -> None:
        """In this cycle a place is `taken`, or the use of one has `ended`, or both."""
        with m.If(taken & ~ended):
            m.d.sync += self._free.eq(self._free - 1)
        with m.Elif(ended & ~taken):
            m.d.sync += self._free.eq(self._free + 1)
