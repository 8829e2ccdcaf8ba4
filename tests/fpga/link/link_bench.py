"""What the benches of the host link share: streams, a memory and registers with a will of their own, a reference."""

from __future__ import annotations

import random
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from amaranth.sim import Simulator

from dovetail.fpga.link.server import LinkServer
from dovetail.isa.config import Config
from dovetail.isa.link import (
    ALIGN_BYTES,
    END,
    ESC,
    ESC_END,
    ESC_ESC,
    LINK_VERSION,
    MAX_PAYLOAD_BYTES,
    Answer,
    Identity,
    LinkOp,
    LinkStatus,
    Request,
    frame,
)

MEMORY_BYTES = 4096
PATIENCE = 20_000
"""Cycles without an answer after which none will come."""
CLOCK_HZ = 66_666_667
REGISTERS_REFUSED = 0xF0
"""From this register on the bench's registers answer with an error."""


def contents_of(line: bytes) -> Iterator[bytes | None]:
    """The contents of each frame on a line from its beginning on, None for a damaged one. What has no end is none."""
    *frames, _ = line.split(bytes([END]))
    for escaped in filter(None, frames):
        whole = bytearray()
        damaged = False
        escape = False
        for byte in escaped:
            if escape:
                damaged |= byte not in (ESC_END, ESC_ESC)
                whole.append({ESC_END: END, ESC_ESC: ESC}.get(byte, byte))
                escape = False
            elif byte == ESC:
                escape = True
            else:
                whole.append(byte)
        checked, check = bytes(whole[:-4]), bytes(whole[-4:])
        good = len(check) == 4 and zlib.crc32(checked) == int.from_bytes(check, "little")
        yield checked if good and not damaged and not escape else None


@dataclass
class ReferenceBoard:
    """What a board does, from the words of the protocol."""

    config: Config
    memory: bytearray = field(default_factory=lambda: bytearray(MEMORY_BYTES))
    registers: dict[int, int] = field(default_factory=dict)
    register_writes: list[tuple[int, int]] = field(default_factory=list)
    executed: list[bytes] = field(default_factory=list)
    last: tuple[int, LinkStatus] | None = None

    def answers(self, line: bytes) -> bytes:
        """Everything that the board sends for everything that it receives."""
        return b"".join(frame(self.answer(contents)) for contents in contents_of(line))

    def answer(self, contents: bytes | None) -> bytes:
        size = Request.FORMAT.size
        if contents is None or len(contents) < size:
            return Answer(0, LinkStatus.DAMAGED, 0).encode()
        request, payload = Request(*Request.FORMAT.unpack(contents[:size])), contents[size:]
        status, data = LinkStatus.MALFORMED, b""
        if contents[1] == 0 and self.possible(request, payload):
            self.executed.append(contents)
            status, data = self.execute(request, payload)
        return Answer(request.op, status, request.tag).encode() + (data if status == LinkStatus.OK else b"")

    @staticmethod
    def possible(request: Request, payload: bytes) -> bool:
        address, length = request.address, request.length
        register = length == 4 and address % 4 == 0 and address < 256
        aligned = address % ALIGN_BYTES == 0 == length % ALIGN_BYTES
        memory = aligned and 0 < length and address % MAX_PAYLOAD_BYTES + length <= MAX_PAYLOAD_BYTES
        match request.op:
            case LinkOp.IDENTIFY:
                return address == length == len(payload) == 0
            case LinkOp.READ_MEMORY:
                return memory and not payload
            case LinkOp.WRITE_MEMORY:
                return memory and len(payload) == length
            case LinkOp.READ_REGISTER:
                return register and not payload
            case LinkOp.WRITE_REGISTER:
                return register and len(payload) == length
        return False

    def execute(self, request: Request, payload: bytes) -> tuple[LinkStatus, bytes]:
        end = request.address + request.length
        refused = LinkStatus.REFUSED, b""
        match request.op:
            case LinkOp.IDENTIFY:
                self.last = None
                return LinkStatus.OK, Identity(LINK_VERSION, MEMORY_BYTES, CLOCK_HZ, self.config.fingerprint).encode()
            case LinkOp.READ_MEMORY:
                return (LinkStatus.OK, bytes(self.memory[request.address : end])) if end <= MEMORY_BYTES else refused
            case LinkOp.WRITE_MEMORY:
                if end > MEMORY_BYTES:
                    return refused
                self.memory[request.address : end] = payload
                return LinkStatus.OK, b""
            case LinkOp.READ_REGISTER:
                if request.address >= REGISTERS_REFUSED:
                    return refused
                return LinkStatus.OK, struct.pack("<I", self.registers.get(request.address, 0))
        if self.last is None or self.last[0] != request.tag:
            status = LinkStatus.REFUSED if request.address >= REGISTERS_REFUSED else LinkStatus.OK
            self.last = request.tag, status
            (value,) = struct.unpack("<I", payload)
            self.register_writes.append((request.address, value))
            if status == LinkStatus.OK:
                self.registers[request.address] = value
        return self.last[1], b""


class Offer:
    """Transfers a queue into a stream; what was offered stays so until it is taken. `waited` counts cycles."""

    def __init__(self, channel: Any, queue: deque[Any]) -> None:
        self.channel, self.queue = channel, queue
        self.offered = self.taken = False
        self.waited = 0

    def step(self, ctx: Any, willing: Callable[[], bool]) -> None:
        """Once a cycle, when nothing that the stream's `ready` depends on changes any more until its end."""
        if self.offered and self.taken:
            self.offered = False
            ctx.set(self.channel.valid, 0)
        if not self.offered and self.queue and willing():
            self.offered = True
            ctx.set(self.channel.payload, self.queue.popleft())
            ctx.set(self.channel.valid, 1)
        self.taken = self.offered and bool(ctx.get(self.channel.ready))
        self.waited += self.offered and not self.taken


class Board:
    """A simulated `LinkServer` between a line, a memory and registers; `run` starts it afresh each time.

    Parameters
    ----------
    config:
        Gives the width of the bus.

    Attributes
    ----------
    memory, register_writes:
        As the server left them.
    bursts:
        What the server asked of the memory: direction, address, beats.
    waited:
        Cycles in which the server did not take a byte of the line.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.server = LinkServer(config, MEMORY_BYTES, CLOCK_HZ)
        self.simulator = Simulator(self.server)
        self.simulator.add_clock(1e-8)
        self.simulator.add_testbench(self._bench)
        self._used = False

    def run(self, line: bytes, *, answer_bytes: int, seed: int = 0, eagerness: float = 1.0, held: int = 0) -> bytes:
        """Send `line`; return what is answered until at least `answer_bytes` came and nothing more follows soon.

        Parameters
        ----------
        seed, eagerness:
            In each cycle a handshake that could take place does with this probability.
        held:
            Cycles before the first byte of an answer is taken.
        """
        self.line, self.answer_bytes, self.held = line, answer_bytes, held
        self.random, self.eagerness = random.Random(seed), eagerness
        self.memory = bytearray(MEMORY_BYTES)
        self.registers: dict[int, int] = {}
        self.register_writes: list[tuple[int, int]] = []
        self.bursts: list[tuple[str, int, int]] = []
        self.answers = bytearray()
        if self._used:
            self.simulator.reset()
        self._used = True
        self.simulator.run()
        return bytes(self.answers)

    async def _bench(self, ctx: Any) -> None:
        server = self.server
        axi, ctl = server.axi, server.ctl
        line = Offer(server.rx, deque(self.line))
        reads: deque[Any] = deque()
        writes: deque[Any] = deque()
        register_reads: deque[Any] = deque()
        register_writes: deque[Any] = deque()
        offers = [
            line,
            Offer(axi.r, reads),
            Offer(axi.b, writes),
            Offer(ctl.r, register_reads),
            Offer(ctl.b, register_writes),
        ]
        write: tuple[int, int] | None = None
        written, ended = bytearray(), 0
        register: int | None = None
        value: int | None = None
        cycle = quiet = 0
        while quiet < (100 if len(self.answers) >= self.answer_bytes else PATIENCE):
            cycle += 1
            quiet += 1
            for offer in offers:
                offer.step(ctx, self._willing)
            if (byte := self._take(ctx, server.tx, cycle > self.held)) is not None:
                self.answers.append(byte)
                quiet = 0
            if (read := self._take(ctx, axi.ar)) is not None:
                reads.extend(self._read(*self._burst("read", read)))
            if (asked := self._take(ctx, axi.aw, write is None)) is not None:
                write = self._burst("write", asked)
            if (beat := self._take(ctx, axi.w)) is not None:
                assert beat.strb == (1 << self.config.bus_bytes) - 1
                written += beat.data.to_bytes(self.config.bus_bytes, "little")
                ended = beat.last
            if write is not None and ended:
                assert len(written) == write[1] * self.config.bus_bytes
                writes.append({"resp": self._write(write[0], bytes(written)), "id": 3})
                write, written, ended = None, bytearray(), 0
            if (address := self._take(ctx, ctl.ar)) is not None:
                resp = 2 if address >= REGISTERS_REFUSED else 0
                register_reads.append({"data": self.registers.get(address, 0), "resp": resp})
            if (address := self._take(ctx, ctl.aw, register is None)) is not None:
                register = address
            if (data := self._take(ctx, ctl.w, value is None)) is not None:
                value = data
            if register is not None and value is not None:
                register_writes.append(self._write_register(register, value))
                register = value = None
            await ctx.tick()
        self.waited = line.waited

    def _willing(self) -> bool:
        return self.eagerness == 1.0 or self.random.random() < self.eagerness

    def _take(self, ctx: Any, channel: Any, may: bool = True) -> Any:
        """The payload that is transferred at the end of this cycle, None when there is no transfer."""
        takes = may and bool(ctx.get(channel.valid)) and self._willing()
        ctx.set(channel.ready, takes)
        return ctx.get(channel.payload) if takes else None

    def _burst(self, direction: str, asked: Any) -> tuple[int, int]:
        assert asked.id == 3
        assert asked.addr % self.config.bus_bytes == 0
        self.bursts.append((direction, asked.addr, asked.len + 1))
        return asked.addr, asked.len + 1

    def _read(self, address: int, beats: int) -> Iterator[dict[str, int]]:
        faulty = self.random.randrange(beats)
        for k in range(beats):
            at = address + k * self.config.bus_bytes
            data = self.memory[at : at + self.config.bus_bytes]
            resp = 0 if data or k != faulty else 2 + self.random.randrange(2)
            yield {"data": int.from_bytes(data, "little"), "resp": resp, "last": k == beats - 1, "id": 3}

    def _write(self, address: int, written: bytes) -> int:
        if address + len(written) > MEMORY_BYTES:
            return 2 + self.random.randrange(2)
        self.memory[address : address + len(written)] = written
        return 0

    def _write_register(self, address: int, value: int) -> int:
        self.register_writes.append((address, value))
        if address >= REGISTERS_REFUSED:
            return 2
        self.registers[address] = value
        return 0


def request(op: int, tag: int, address: int = 0, length: int = 0, payload: bytes = b"") -> bytes:
    """A request's frame."""
    return frame(Request(op, tag, address, length).encode() + payload)
