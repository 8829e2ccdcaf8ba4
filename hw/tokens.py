"""Dependency queues. A token carries nothing, so a queue is a counter."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .interfaces import TokenGive, TokenTake, level_bits


class TokenQueue(wiring.Component):
    """A queue of at most `depth` tokens between two units.

    A producer reserves a place before it starts what will push, so that a push never waits: pipelines need not stall.

    Parameters
    ----------
    depth:
        Tokens that the queue holds.

    Members
    -------
    give: In(TokenGive)
        The producer's end.
    take: In(TokenTake)
        The consumer's end. A token is available in the cycle after its push.
    level: Out
        Tokens in the queue.
    reserved: Out
        Tokens in the queue and places reserved for more.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        bits = level_bits(depth)
        super().__init__({"give": In(TokenGive()), "take": In(TokenTake()), "level": Out(bits), "reserved": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        available, room = Signal(), Signal(init=1)
        m.d.comb += [self.take.available.eq(available), self.give.room.eq(room)]
        with m.If(self.give.push & ~self.take.pop):
            m.d.sync += [self.level.eq(self.level + 1), available.eq(1)]
        with m.Elif(self.take.pop & ~self.give.push):
            m.d.sync += [self.level.eq(self.level - 1), available.eq(self.level != 1)]
        with m.If(self.give.reserve & ~self.take.pop):
            m.d.sync += [self.reserved.eq(self.reserved + 1), room.eq(self.reserved != self.depth - 1)]
        with m.Elif(self.take.pop & ~self.give.reserve):
            m.d.sync += [self.reserved.eq(self.reserved - 1), room.eq(1)]
        return m
