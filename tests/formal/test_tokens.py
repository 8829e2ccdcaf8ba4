"""Token queues, for every behaviour of a producer and a consumer that keep to their signatures."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from dovetail.hw.interfaces import TokenGive, TokenTake
from dovetail.hw.tokens import TokenQueue

from .prove import prove

pytestmark = pytest.mark.formal


class Properties(wiring.Component):
    """A queue, what may be done to it, and what is claimed of it."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__({"give": Out(TokenGive()).flip(), "take": Out(TokenTake()).flip()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = TokenQueue(self.depth)
        connect(m, flipped(self.give), queue.give)
        connect(m, queue.take, flipped(self.take))

        pushed, popped, reserved = Signal(16), Signal(16), Signal(16)
        m.d.sync += [
            pushed.eq(pushed + queue.give.push),
            popped.eq(popped + queue.take.pop),
            reserved.eq(reserved + queue.give.reserve),
        ]
        room, available = queue.give.room, queue.take.available
        outstanding = Signal(16)
        level = Signal(16)
        m.d.comb += [
            Assume(~queue.give.reserve | room),
            Assume(~queue.give.push | (outstanding != 0)),
            Assume(~queue.take.pop | available),
            outstanding.eq(reserved - pushed),
            level.eq(pushed - popped),
            Assert(outstanding <= self.depth),
            # No token is lost or made up, none is handed out that was not pushed, and the places are never exceeded.
            Assert(queue.level == level),
            Assert(queue.level <= self.depth),
            Assert(queue.reserved == outstanding + level),
            Assert(queue.reserved <= self.depth),
            Assert(available == (queue.level != 0)),
            Assert(room == (queue.reserved < self.depth)),
            Cover(queue.level == self.depth),
            Cover((popped == self.depth + 1) & (queue.level == 0)),
        ]
        return m


@pytest.mark.parametrize("depth", [1, 4, 16])
def test_token_queues_lose_nothing_and_never_overflow(depth: int, tmp_path: Path) -> None:
    prove(Properties(depth), tmp_path, depth=6)


def test_the_assumptions_leave_full_and_emptied_queues_reachable(tmp_path: Path) -> None:
    prove(Properties(4), tmp_path, mode="cover", depth=20)
