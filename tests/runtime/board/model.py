"""The board's end of the link in plain Python, byte by byte, with the functional simulator as its machine."""

from __future__ import annotations

import binascii
import random
import struct
from collections import deque
from collections.abc import Callable

import numpy as np

from dovetail.isa.config import Config
from dovetail.isa.program import INSTRUCTION_BYTES, Program, ProgramError
from dovetail.isa.registers import (
    MAGIC,
    Cause,
    Control,
    Counter,
    Register,
    Status,
    config_registers,
    counter_address,
)
from dovetail.runtime.board.transport import TransportLost
from dovetail.sim.functional import FunctionalError, FunctionalSimulator

HEADER = struct.Struct("<BBHII")
OK, MALFORMED, REFUSED, DAMAGED = range(4)
CYCLES = 1234
"""What every program takes here."""


class Machine:
    """The register block; programs end as soon as they start, unless the machine `hangs`."""

    def __init__(self, config: Config, memory: np.ndarray) -> None:
        self.memory = memory
        self.config = config
        self.simulator = FunctionalSimulator(config, memory)
        self.hangs = self.drains = False
        self.starts = 0
        self.reset()
        self.fixed = {
            Register.MAGIC: MAGIC,
            Register.FINGERPRINT_LOW: config.fingerprint & 0xFFFFFFFF,
            Register.FINGERPRINT_HIGH: config.fingerprint >> 32,
        } | {address: value for address, (_, value) in config_registers(config).items()}

    def reset(self) -> None:
        self.values = {int(register): 0 for register in Register}

    def read(self, address: int) -> int:
        return self.fixed.get(address, self.values.get(address, 0))

    def write(self, address: int, value: int) -> None:
        if address != Register.CONTROL:
            if self.values[Register.STATUS] == Status.IDLE:
                self.values[address] = value
        elif value & Control.RESET:
            self.reset()
        elif value & Control.ACKNOWLEDGE:
            self.values[Register.STATUS] = Status.IDLE
        elif value & Control.START and self.values[Register.STATUS] == Status.IDLE:
            self.start()

    def start(self) -> None:
        self.starts += 1
        begin, length = self.values[Register.PROGRAM], self.values[Register.LENGTH]
        self.values[Register.STATUS] = Status.RUNNING
        if self.hangs:
            return
        self.values[Register.STATUS] = Status.DONE
        try:
            words = self.memory[begin : begin + length * INSTRUCTION_BYTES].tobytes()
            result = self.simulator.run(Program.decode(words, self.config).instructions)
        except (FunctionalError, ProgramError):
            self.values |= {Register.STATUS: Status.STOPPED, Register.ERROR: Cause.WATCHDOG | 1 << 8}
            return
        self.values[counter_address(Counter.CYCLES)] = CYCLES
        self.values[counter_address(Counter.READ_BEATS)] = result.dram_read_bytes // self.config.bus_bytes
        self.values[counter_address(Counter.WRITE_BEATS)] = result.dram_write_bytes // self.config.bus_bytes


class BoardModel:
    """Bytes of the line in, bytes of the line out."""

    def __init__(self, config: Config, memory_bytes: int = 1 << 16) -> None:
        self.memory = np.zeros(memory_bytes, np.uint8)
        self.machine = Machine(config, self.memory)
        self.fingerprint = config.fingerprint
        self.version = 1
        self.requests = 0
        self.contents = bytearray()
        self.escaped = self.broken = False
        self.register_tag: int | None = None

    def receive(self, data: bytes) -> bytes:
        answers = bytearray()
        for byte in data:
            if byte == 0xC0:
                if self.contents or self.escaped:
                    answers += self.answer(bytes(self.contents), self.broken or self.escaped)
                self.contents.clear()
                self.escaped = self.broken = False
            elif self.escaped:
                self.broken |= byte not in (0xDC, 0xDD)
                self.contents.append(0xC0 if byte == 0xDC else 0xDB)
                self.escaped = False
            elif byte == 0xDB:
                self.escaped = True
            else:
                self.contents.append(byte)
        return bytes(answers)

    def answer(self, contents: bytes, broken: bool) -> bytes:
        body, check = contents[:-4], contents[-4:]
        if broken or len(body) < HEADER.size or struct.pack("<I", binascii.crc32(body)) != check:
            return self.framed(0, DAMAGED, 0)
        self.requests += 1
        op, zero, tag, address, length = HEADER.unpack_from(body)
        status, payload = self.execute(op, zero, tag, address, length, body[HEADER.size :])
        return self.framed(op, status, tag, payload)

    def execute(self, op: int, zero: int, tag: int, address: int, length: int, given: bytes) -> tuple[int, bytes]:
        expected = length if op in (3, 5) else 0
        if zero or op not in range(1, 6) or len(given) != expected:
            return MALFORMED, b""
        if op == 1:
            self.register_tag = None
            return OK, struct.pack("<IIIQ", self.version, self.memory.size, 65_000_000, self.fingerprint)
        if op in (2, 3):
            if address % 16 or length % 16 or not 0 < length <= 1024 - address % 1024:
                return MALFORMED, b""
            if address + length > self.memory.size:
                return REFUSED, b""
            if op == 2:
                return OK, self.memory[address : address + length].tobytes()
            self.memory[address : address + length] = np.frombuffer(given, np.uint8)
            return OK, b""
        if length != 4 or address % 4 or address >= 256:
            return MALFORMED, b""
        if op == 4:
            return OK, struct.pack("<I", self.machine.read(address))
        if tag != self.register_tag:
            self.machine.write(address, *struct.unpack("<I", given))
        self.register_tag = tag
        return OK, b""

    def framed(self, op: int, status: int, tag: int, payload: bytes = b"") -> bytes:
        body = struct.pack("<BBH", op, status, tag) + payload
        line = bytearray([0xC0])
        for byte in body + struct.pack("<I", binascii.crc32(body)):
            line += {0xC0: b"\xdb\xdc", 0xDB: b"\xdb\xdd"}.get(byte, bytes([byte]))
        return bytes([*line, 0xC0])


Mangle = Callable[[bytes], bytes]
"""What the line makes of bytes."""


def intact(data: bytes) -> bytes:
    return data


class Wire:
    """A line to a model, on which time is computed: nothing waits. It is also the clock, see `now`."""

    name = "wire"

    def __init__(
        self, model: BoardModel, *, there: Mangle = intact, back: Mangle = intact, byte_seconds: float = 1 / 300_000
    ) -> None:
        self.model, self.there, self.back, self.byte_seconds = model, there, back, byte_seconds
        self.time = self.free = 0.0
        self.arriving: deque[tuple[float, bytes]] = deque()
        self.closed = False

    def now(self) -> float:
        return self.time

    def write(self, data: bytes) -> None:
        arrived = max(self.time, self.free) + len(data) * self.byte_seconds
        answer = self.back(self.model.receive(self.there(data)))
        last = self.arriving[-1][0] if self.arriving else 0.0
        self.free = arrived
        if answer:
            self.arriving.append((max(arrived, last) + len(answer) * self.byte_seconds, answer))

    def read(self, seconds: float) -> bytes:
        if not self.arriving or self.arriving[0][0] > self.time + seconds:
            self.time += seconds
            return b""
        at, data = self.arriving.popleft()
        self.time = max(self.time, at)
        return data

    def close(self) -> None:
        self.closed = True


class Noise:
    """Corrupts, drops and repeats bytes, alone and in runs, at random."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random, self.rate, self.faults = random.Random(seed), rate, 0

    def __call__(self, data: bytes) -> bytes:
        result, at = bytearray(), 0
        while at < len(data):
            clean = int(self.random.expovariate(self.rate)) if self.rate else len(data)
            result += data[at : at + clean]
            at += clean
            if at >= len(data):
                break
            self.faults += 1
            run = self.random.choice((1, 1, 1, self.random.randrange(2, 60)))
            span = data[at : at + run]
            match self.random.randrange(4):
                case 0:
                    result += bytes(byte ^ self.random.randrange(1, 256) for byte in span)
                case 1:
                    pass
                case 2:
                    result += span + span
                case 3:
                    result += self.random.randbytes(run) + span
            at += run
        return bytes(result)


class Scissors:
    """Cuts the cable after so many bytes, of both directions together: with an error, or so that nothing comes."""

    def __init__(self, after: int | None = None, *, silent: bool = False) -> None:
        self.after, self.silent, self.passed = after, silent, 0

    def __call__(self, data: bytes) -> bytes:
        left = len(data) if self.after is None else max(0, self.after - self.passed)
        self.passed += len(data)
        if left < len(data) and not self.silent:
            raise TransportLost("the cable was cut")
        return data[:left]
