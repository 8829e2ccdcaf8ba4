"""A memory controller between an AXI4 master that checks every answer and a chip that checks every command."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from amaranth.hdl import Cat
from amaranth.sim import Simulator

from dovetail.fpga.sdram.chips import SdramChip
from dovetail.fpga.sdram.controller import SdramController
from dovetail.isa.config import Config
from tests.fpga.sdram.chip_model import ChipModel, Pins

OKAY, DECERR = 0, 3
PATIENCE = 5000
"""Cycles without an answer that are too many."""


@dataclass
class Burst:
    """A burst; `strobes` of a write only.

    The cycles in which its address is taken, its first beat of data is, and its last answer: `begun`, `first`, `ended`.
    """

    addr: int
    data: list[int]
    strobes: list[int] = field(default_factory=list)
    id: int = 0
    resp: int = OKAY
    begun: int = -1
    first: int = -1
    ended: int = -1

    @property
    def write(self) -> bool:
        return bool(self.strobes)


class Picker(Protocol):
    """Where a master's bursts come from."""

    left: bool
    """There are more to come."""

    def __call__(self, write: bool, in_flight: list[Burst]) -> Burst | None:
        """The next burst of a kind, if there is one yet; `in_flight` have not been answered."""


class Master:
    """Sends bursts, several of them ahead, and compares what is read with their data.

    Parameters
    ----------
    pick:
        Gives the bursts.
    eagerness, taking:
        How likely the master is to send in a cycle, and to take an answer, on each channel.
    ahead:
        Bursts that it may have unanswered.
    """

    def __init__(
        self,
        config: Config,
        axi: Any,
        pick: Picker,
        *,
        rng: random.Random,
        eagerness: float = 1.0,
        taking: float = 1.0,
        ahead: int = 8,
    ) -> None:
        self.config, self.axi, self.pick, self.rng = config, axi, pick, rng
        self.eagerness, self.taking, self.ahead = eagerness, taking, ahead
        self.reading: dict[int, deque[tuple[Burst, deque[int]]]] = defaultdict(deque)
        self.writing: dict[int, deque[Burst]] = defaultdict(deque)
        self.in_flight: list[Burst] = []
        self.done: list[Burst] = []
        self.now = 0

    def willing(self) -> bool:
        return self.rng.random() < self.eagerness

    async def run(self, ctx: Any) -> None:
        """Until there is nothing more to pick, and all is answered."""
        axi = self.axi
        address: dict[bool, Burst | None] = {False: None, True: None}
        beats: deque[tuple[int, int, int]] = deque()
        beat: tuple[int, int, int] | None = None
        ready = {"r": False, "b": False}
        offered: dict[str, int | None] = {"r": None, "b": None}
        quiet = 0
        samples = ctx.tick().sample(
            Cat(axi.ar.ready, axi.aw.ready, axi.w.ready, axi.r.valid, axi.b.valid),
            axi.r.p.as_value(),
            axi.b.p.as_value(),
        )
        async for _, _, flags, r, b in samples:
            self.now += 1
            for write, channel in ((False, axi.ar), (True, axi.aw)):
                taken = flags >> int(write) & 1
                burst = address[write]
                if burst is not None and taken:
                    burst.begun = self.now
                    if write:
                        self.writing[burst.id].append(burst)
                        beats.extend((*pair, 0) for pair in zip(burst.data, burst.strobes, strict=True))
                        beats[-1] = (*beats[-1][:2], 1)
                    else:
                        self.reading[burst.id].append((burst, deque(burst.data)))
                if burst is None or taken:
                    burst = (
                        self.pick(write, self.in_flight)
                        if self.willing() and len(self.in_flight) < self.ahead
                        else None
                    )
                    address[write] = burst
                    ctx.set(channel.valid, burst is not None)
                    if burst is not None:
                        self.in_flight.append(burst)
                        ctx.set(channel.p.addr, burst.addr)
                        ctx.set(channel.p.len, len(burst.data) - 1)
                        ctx.set(channel.p.id, burst.id)
            if beat is None or flags & 4:
                beat = beats.popleft() if beats and self.willing() else None
                ctx.set(axi.w.valid, beat is not None)
                if beat is not None:
                    for name, value in zip(("data", "strb", "last"), beat, strict=True):
                        ctx.set(axi.w.p[name], value)
            quiet += 1
            for name, valid, value, take in (
                ("r", flags & 8, r, self.take_beat),
                ("b", flags & 16, b, self.take_answer),
            ):
                if offered[name] is not None:
                    assert valid and value == offered[name], f"{name} changes while it waits"
                offered[name] = value if valid and not ready[name] else None
                if valid and ready[name]:
                    take(value)
                    quiet = 0
                ready[name] = self.rng.random() < self.taking
                ctx.set(getattr(axi, name).ready, ready[name])
            assert quiet < PATIENCE or not self.in_flight, f"no answer for {PATIENCE} cycles to {self.in_flight}"
            if not self.in_flight and not self.pick.left:
                return

    def take_beat(self, value: int) -> None:
        bits = self.config.bus_bits
        data, resp, last, who = value & (1 << bits) - 1, value >> bits & 3, value >> bits + 2 & 1, value >> bits + 3
        assert self.reading[who], f"a beat for id {who}, which reads nothing"
        burst, left = self.reading[who][0]
        expected = left.popleft()
        assert resp == burst.resp, f"{burst.addr:#x} is answered with {resp}"
        assert last == (not left), f"last is {last} with {len(left)} beats to come"
        if resp == OKAY:
            assert data == expected, (
                f"beat {len(burst.data) - len(left) - 1} of {burst.addr:#x}: {data:x}, not {expected:x}"
            )
        if burst.first < 0:
            burst.first = self.now
        if not left:
            self.reading[who].popleft()
            self.finish(burst)

    def take_answer(self, value: int) -> None:
        resp, who = value & 3, value >> 2
        assert self.writing[who], f"an answer for id {who}, which writes nothing"
        burst = self.writing[who].popleft()
        assert resp == burst.resp, f"{burst.addr:#x} is answered with {resp}"
        self.finish(burst)

    def finish(self, burst: Burst) -> None:
        burst.ended = self.now
        self.in_flight = [other for other in self.in_flight if other is not burst]
        self.done.append(burst)


class Listed:
    """Picks from a list, in order."""

    def __init__(self, bursts: Iterable[Burst]) -> None:
        self.bursts = deque(bursts)

    @property
    def left(self) -> bool:
        return bool(self.bursts)

    def __call__(self, write: bool, in_flight: list[Burst]) -> Burst | None:
        return self.bursts.popleft() if self.bursts and self.bursts[0].write == write else None


@dataclass
class Bench:
    """A controller with its chip."""

    config: Config
    chip: SdramChip
    clock_hz: int

    def __post_init__(self) -> None:
        self.dut = SdramController(self.config, self.chip, self.clock_hz)
        self.model = ChipModel(self.chip, 1e9 / self.clock_hz)

    async def pads(self, ctx: Any) -> None:
        """Registers in the pads: outputs a cycle later; inputs at falling edges, seen two cycles later."""
        pads, model, period = self.dut.pads, self.model, self.model.period
        garbage = random.Random(0)
        fields = [pads.cke, pads.cs_n, pads.ras_n, pads.cas_n, pads.we_n, pads.ba, pads.a, pads.dqm]
        widths = [len(value) for value in fields]
        shown = deque([0, 0])
        cycle = 0
        async for _, _, packed, dq_o, dq_oe in ctx.tick().sample(Cat(*fields), pads.dq_o, pads.dq_oe):
            cycle += 1
            values = []
            for width in widths:
                values.append(packed & (1 << width) - 1)
                packed >>= width
            start, middle, end = cycle * period, (cycle + 0.5) * period, (cycle + 1) * period
            assert not (dq_oe and model.drives(start, end)), f"both sides drive dq at {start:.0f} ns"
            seen = model.dq(middle)
            model.clock(middle, Pins(*values, dq=dq_o if dq_oe else None))
            shown.append(garbage.getrandbits(self.chip.data_bits) if seen is None else seen)
            ctx.set(pads.dq_i, shown.popleft())

    def run(self, *masters: Master) -> None:
        """One master after the other."""

        async def testbench(ctx: Any) -> None:
            for master, before in zip(masters, (None, *masters), strict=False):
                master.now = before.now if before else 0
                await master.run(ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self.pads, background=True)
        simulator.add_testbench(testbench)
        simulator.run()
