"""The join of two masters: whose data is whose, the bus's rules, and that nobody starves."""

from __future__ import annotations

import itertools
import random
from collections import deque
from typing import Any

import pytest
from amaranth.hdl import Cat
from amaranth.sim import Simulator

from dovetail.fpga.interconnect import LINK_ID, PATIENCE, AxiJoin
from dovetail.isa.config import Config
from tests.fpga.sdram.bench import Burst, Listed, Master
from tests.fpga.sdram.traffic import RandomTraffic

CONFIG = Config(bus_bits=64)
HALF = 1 << 16
"""The accelerator's bytes are below, the link's from here on."""


class Slave:
    """An AXI4 memory that serves reads and writes in their orders, and pauses at will."""

    def __init__(self, axi: Any, memory: bytearray, *, rng: random.Random, eagerness: float) -> None:
        self.axi, self.memory, self.rng, self.eagerness = axi, memory, rng, eagerness
        self.addresses: dict[bool, list[tuple[int, int, int]]] = {False: [], True: []}

    async def run(self, ctx: Any) -> None:
        axi, size = self.axi, CONFIG.bus_bytes
        reads: deque[tuple[int, int, int]] = deque()
        writes: deque[tuple[int, int, int]] = deque()
        at = {False: 0, True: 0}
        waiting: dict[bool, tuple[int, int, int] | None] = {False: None, True: None}
        ready = [False] * 3
        answers: deque[int] = deque()
        offered = {"r": False, "b": False}
        flags = Cat(axi.ar.valid, axi.aw.valid, axi.w.valid, axi.r.ready, axi.b.ready)
        addresses = [value for channel in (axi.ar, axi.aw) for value in (channel.p.addr, channel.p.len, channel.p.id)]
        async for _, _, valid, *values in ctx.tick().sample(
            flags, *addresses, axi.w.p.data, axi.w.p.strb, axi.w.p.last
        ):
            for write, queue in ((False, reads), (True, writes)):
                address = (values[3 * write], values[3 * write + 1], values[3 * write + 2])
                before = waiting[write]
                assert before is None or (valid >> int(write) & 1 and address == before), "an address does not hold"
                waiting[write] = address if valid >> int(write) & 1 and not ready[write] else None
                if valid >> int(write) & 1 and ready[write]:
                    queue.append(address)
                    self.addresses[write].append(address)
            if valid & 4 and ready[2]:
                data, strobes, last = values[6:]
                addr, length, who = writes[0]
                for k in range(size):
                    if strobes >> k & 1:
                        self.memory[addr + at[True] * size + k] = data >> 8 * k & 0xFF
                assert last == (at[True] == length), "data of another burst"
                at[True] += 1
                if last:
                    at[True] = 0
                    writes.popleft()
                    answers.append(who)
            if offered["r"] and valid & 8:
                offered["r"] = False
            if offered["b"] and valid & 16:
                offered["b"] = False
            if not offered["r"] and reads and self.willing():
                addr, length, who = reads[0]
                first = addr + at[False] * size
                last = at[False] == length
                ctx.set(axi.r.p.data, int.from_bytes(self.memory[first : first + size], "little"))
                ctx.set(axi.r.p.last, last)
                ctx.set(axi.r.p.id, who)
                offered["r"] = True
                at[False] = 0 if last else at[False] + 1
                if last:
                    reads.popleft()
            if not offered["b"] and answers and self.willing():
                ctx.set(axi.b.p.id, answers.popleft())
                offered["b"] = True
            # Data is taken only once its address has been: what is compared above is then sure to be known.
            ready = [self.willing(), self.willing(), self.willing() and bool(writes)]
            for channel, value in zip((axi.ar, axi.aw, axi.w), ready, strict=True):
                ctx.set(channel.ready, value)
            ctx.set(axi.r.valid, offered["r"])
            ctx.set(axi.b.valid, offered["b"])

    def willing(self) -> bool:
        return self.rng.random() < self.eagerness


def run(dut: AxiJoin, slave: Slave, *masters: Master) -> None:
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(slave.run, background=True)
    for master in masters:
        simulator.add_testbench(master.run)
    simulator.run()


@pytest.mark.parametrize(("eagerness", "seed"), [(1.0, 1), (0.5, 2)])
def test_each_master_gets_its_own(eagerness: float, seed: int) -> None:
    """Each against its own half of the memory, both at once."""
    print(f"{seed=}")
    rng = random.Random(seed)
    dut = AxiJoin(CONFIG)
    reference = bytearray(2 * HALF)
    masters = []
    for axi, base, ids in ((dut.accelerator, 0, range(LINK_ID)), (dut.link, HALF, [LINK_ID])):
        traffic = RandomTraffic(CONFIG, reference, [base + HALF // 2, base + HALF // 4], count=80, rng=rng, ids=ids)
        masters.append(Master(CONFIG, axi, traffic, rng=rng, eagerness=eagerness, taking=eagerness))
    slave = Slave(dut.memory, bytearray(2 * HALF), rng=rng, eagerness=eagerness)
    run(dut, slave, *masters)
    assert slave.memory == reference
    for addresses in slave.addresses.values():
        assert all((who == LINK_ID) == (addr >= HALF) for addr, _, who in addresses)
        assert len({who for _, _, who in addresses}) == LINK_ID + 1


@pytest.mark.parametrize("write", [False, True])
def test_the_link_waits_for_a_few_bursts_of_the_accelerator_only(write: bool) -> None:
    dut = AxiJoin(CONFIG)

    def bursts(base: int, count: int, who: int) -> list[Burst]:
        return [Burst(base + 8 * k, [0], [0xFF] if write else [], id=who) for k in range(count)]

    rng = random.Random(0)
    busy = Master(CONFIG, dut.accelerator, Listed(bursts(0, 100, 1)), rng=rng, ahead=32)
    waiting = Master(CONFIG, dut.link, Listed(bursts(HALF, 5, LINK_ID)), rng=rng, ahead=32)
    slave = Slave(dut.memory, bytearray(2 * HALF), rng=rng, eagerness=0.9)
    run(dut, slave, busy, waiting)
    order = [who for _, _, who in slave.addresses[write]]
    places = [k for k, who in enumerate(order) if who == LINK_ID]
    assert len(places) == 5
    assert places[0] >= 1
    assert all(after - before == PATIENCE + 1 for before, after in itertools.pairwise(places))
