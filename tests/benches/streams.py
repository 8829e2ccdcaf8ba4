"""What every bench uses: ports by their path, streams, a watch over them, tokens, clock and reset."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import cocotb
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.task import Task
from cocotb.triggers import ClockCycles, RisingEdge

PERIOD = 10
"""Nanoseconds of a cycle."""


class Ports:
    """The ports of an interface by their path: ``Ports(dut, "load").acc.en`` is ``load__acc__en``."""

    def __init__(self, dut: Any, path: str) -> None:
        self._dut, self._path = dut, path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}__{name}"
        handle = getattr(self._dut, path, None)
        return Ports(self._dut, path) if handle is None else handle


class Stream:
    """One stream of an interface; payloads are integers, or mappings where `layout` gives the fields."""

    def __init__(self, ports: Any, layout: data.StructLayout | None = None) -> None:
        self.valid, self.ready, self.payload = ports.valid, ports.ready, ports.payload
        self.name = ports._path
        self.fields = {} if layout is None else {name: (field.offset, field.width) for name, field in layout}

    def drive(self, values: int | Mapping[str, int]) -> None:
        if not isinstance(values, int):
            values = sum(int(values[name]) << offset for name, (offset, _) in self.fields.items())
        self.payload.value = values

    def word(self) -> int:
        """The payload as one number."""
        return int(self.payload.value)

    def sample(self) -> Any:
        word = self.word()
        if not self.fields:
            return word
        return {name: word >> offset & ((1 << width) - 1) for name, (offset, width) in self.fields.items()}


def chance(probability: float) -> bool:
    return random.random() < probability


class Bench:
    """Clock, reset and background tasks of one test.

    Parameters
    ----------
    eagerness:
        Probability, in each cycle, that a handshake which could take place does.
    clock, resets:
        The design's inputs by name; the reset is low to reset if its name ends in n.
    """

    def __init__(self, dut: Any, *, eagerness: float = 1.0, clock: str = "clk", resets: str = "rst") -> None:
        self.dut, self.eagerness = dut, eagerness
        self.clock, self.resets, self.active = getattr(dut, clock), getattr(dut, resets), not resets.endswith("n")
        self.edge = RisingEdge(self.clock)
        self.tasks: list[Task[Any]] = []
        Clock(self.clock, PERIOD, unit="ns").start(start_high=False)

    def start(self, *processes: Coroutine[Any, Any, Any]) -> list[Task[Any]]:
        """Run processes in the background, until the next reset."""
        tasks = [cocotb.start_soon(process) for process in processes]
        self.tasks += tasks
        return tasks

    async def reset(self, *inputs: Any) -> None:
        """End all background tasks and reset the design, with `inputs` low."""
        for task in self.tasks:
            task.cancel()
        self.tasks = []
        for signal in inputs:
            signal.value = 0
        self.resets.value = self.active
        await ClockCycles(self.clock, 2)
        self.resets.value = not self.active

    def willing(self) -> bool:
        return random.random() < self.eagerness

    async def pause(self) -> None:
        while not self.willing():
            await self.edge

    async def put(self, stream: Stream, payload: int | Mapping[str, int]) -> None:
        """Offer one payload, after a pause, until it is taken."""
        await self.pause()
        stream.drive(payload)
        stream.valid.value = 1
        await self.edge
        while not stream.ready.value:
            await self.edge
        stream.valid.value = 0

    async def get(self, stream: Stream) -> Any:
        """Take one payload, after a pause."""
        await self.pause()
        stream.ready.value = 1
        await self.edge
        while not stream.valid.value:
            await self.edge
        stream.ready.value = 0
        return stream.sample()

    async def watch(self, stream: Any) -> None:
        """The stream law: once valid, valid and payload hold until the transfer."""
        held: int | None = None
        while True:
            await self.edge
            valid, payload = bool(stream.valid.value), stream.word()
            if held is not None:
                assert valid, f"{stream.name}: valid fell before the transfer"
                assert payload == held, f"{stream.name}: the payload changed before the transfer"
            held = payload if valid and not stream.ready.value else None

    async def until(self, condition: Callable[[], Any], *, limit: int = 20_000) -> int:
        """Wait for the first clock edge at which `condition` holds; the cycles that it took."""
        for cycle in range(limit):
            await self.edge
            if condition():
                return cycle
        raise AssertionError(f"nothing came of it in {limit} cycles")


class Tokens:
    """The far ends of a unit's token queues: tokens, and room for them, come and go at random.

    Attributes
    ----------
    pops: dict[str, int]
        Tokens taken, by the name of the interface.
    """

    def __init__(self, bench: Bench, takes: Mapping[str, Any], gives: Mapping[str, Any]) -> None:
        self.bench, self.takes, self.gives = bench, takes, gives
        self.pops = dict.fromkeys(takes, 0)
        self.reserved = dict.fromkeys(gives, 0)

    @property
    def inputs(self) -> list[Any]:
        return [take.available for take in self.takes.values()] + [give.room for give in self.gives.values()]

    async def serve(self, pushed: Callable[[str], None]) -> None:
        """Exchange tokens; `pushed` is called with the name of the queue for each that is given."""
        offered = dict.fromkeys([*self.takes, *self.gives], False)
        while True:
            await self.bench.edge
            for name, take in self.takes.items():
                if take.pop.value:
                    assert offered[name], f"{name}: pop without a token"
                    self.pops[name] += 1
                take.available.value = offered[name] = self.bench.willing()
            for name, give in self.gives.items():
                if give.push.value:
                    assert self.reserved[name], f"{name}: push without a place"
                    self.reserved[name] -= 1
                    pushed(name)
                if give.reserve.value:
                    assert offered[name], f"{name}: reserve without room"
                    self.reserved[name] += 1
                give.room.value = offered[name] = self.bench.willing()
