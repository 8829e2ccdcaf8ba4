"""Frames: what is received of a line in any state, and what is sent."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from amaranth.sim import Simulator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dovetail.fpga.link.framing import FrameReceiver, FrameTransmitter
from dovetail.isa.link import END, ESC, ESC_END, ESC_ESC, frame
from tests.fpga.link.link_bench import Offer, contents_of

SPECIAL = st.sampled_from([END, ESC, ESC_END, ESC_ESC])
CONTENTS = st.lists(SPECIAL | st.integers(0, 255), max_size=12).map(bytes)


class Bench:
    """Puts inputs through one unit; handshakes take place with a probability of `eagerness`."""

    def __init__(self, unit: Any, source: Any, sink: Any) -> None:
        self.source, self.sink = source, sink
        self.simulator = Simulator(unit)
        self.simulator.add_clock(1e-8)
        self.simulator.add_testbench(self._bench)
        self.used = False

    def outputs(self, inputs: list[Any], *, seed: int, eagerness: float) -> list[Any]:
        self.inputs, self.random, self.eagerness = inputs, random.Random(seed), eagerness
        self.received: list[Any] = []
        if self.used:
            self.simulator.reset()
        self.used = True
        self.simulator.run()
        return self.received

    def _willing(self) -> bool:
        return self.random.random() < self.eagerness

    async def _bench(self, ctx: Any) -> None:
        sink = self.sink
        offer = Offer(self.source, deque(self.inputs))
        quiet = 0
        while quiet < 20:
            takes = bool(ctx.get(sink.valid)) and self._willing()
            ctx.set(sink.ready, takes)
            if takes:
                self.received.append(ctx.get(sink.payload))
            offer.step(ctx, self._willing)
            quiet = 0 if takes or offer.offered else quiet + 1
            await ctx.tick()


RECEIVER, TRANSMITTER = FrameReceiver(), FrameTransmitter()
RECEIVING = Bench(RECEIVER, RECEIVER.bytes, RECEIVER.contents)
SENDING = Bench(TRANSMITTER, TRANSMITTER.contents, TRANSMITTER.bytes)


def frames_of(elements: list[Any]) -> list[bytes | None]:
    frames: list[bytes | None] = []
    contents = bytearray()
    for element in elements:
        if element.end:
            frames.append(bytes(contents) if element.good else None)
            contents.clear()
        else:
            contents.append(element.data)
    return frames


@settings(max_examples=30, deadline=None)
@given(
    st.lists(CONTENTS.map(frame) | st.lists(SPECIAL | st.integers(0, 255), max_size=6).map(bytes), max_size=5),
    st.integers(0, 999),
    st.sampled_from([0.6, 1.0]),
)
@example([frame(b"ab"), b"\xdb", frame(b"cd"), frame(b"ef")], 0, 1.0)
@example([b"\xdb\xdb\xdd\xc0", b"\0\0\0\0\xc0", frame(b"")], 0, 1.0)
@example([frame(b"ab")[:-1] + b"\xdb\xc0", frame(b"cd")], 0, 1.0)
@example([b"\xdb" + frame(b"ab")[1:], frame(b"cd")[:1] + b"\xdb" + frame(b"cd")[1:]], 0, 1.0)
def test_whole_frames_are_received_between_any_others(pieces, seed, eagerness):
    line = b"".join(pieces)
    elements = RECEIVING.outputs(list(line), seed=seed, eagerness=eagerness)
    assert frames_of(elements) == list(contents_of(line))


@settings(max_examples=15, deadline=None)
@given(st.lists(CONTENTS, max_size=4), st.integers(0, 999), st.sampled_from([0.6, 1.0]))
def test_contents_are_sent_as_the_protocol_frames_them(pieces, seed, eagerness):
    elements = [{"data": byte, "end": end} for text in pieces for byte, end in [*((b, 0) for b in text), (0, 1)]]
    line = bytes(SENDING.outputs(elements, seed=seed, eagerness=eagerness))
    assert line == b"".join(map(frame, pieces))
