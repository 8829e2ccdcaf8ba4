"""The register block that a host sees, and the numbers in it. 32-bit registers on AXI4-Lite, byte addresses."""

from __future__ import annotations

from enum import IntEnum

from .config import BYTE_BITS, Config

MAGIC = int.from_bytes(b"DVTL", "little")
"""What `Register.MAGIC` reads, so that a host knows what it talks to."""


class Register(IntEnum):
    """Byte addresses. Counters follow from `COUNTER_BASE`, the configuration's fields from `CONFIG_BASE`."""

    MAGIC = 0x00
    """Read: the bytes DVTL."""
    FINGERPRINT_LOW = 0x04
    """Read: bits 31..0 of the configuration's fingerprint."""
    FINGERPRINT_HIGH = 0x08
    """Read: bits 63..32."""
    CONTROL = 0x0C
    """Write: see `Control`. Reads as 0."""
    STATUS = 0x10
    """Read: see `Status`."""
    ERROR = 0x14
    """Read: cause in bits 7..0 (`Cause`), unit in bits 9..8 (`Unit`); 0 when there was no error."""
    ERROR_INDEX = 0x18
    """Read: index in the program of the instruction that the error belongs to."""
    PROGRAM = 0x1C
    """Read, and write while idle: byte address of the first instruction, a multiple of 16."""
    LENGTH = 0x20
    """Read, and write while idle: instructions of the program."""
    WATCHDOG = 0x24
    """Read and write: stop after this many cycles in which no unit made progress; 0 is never."""
    DRAM_BASE = 0x28
    """Read, and write while idle: added, modulo 2**32, to every address on the machine's bus; a multiple of 4096."""


COUNTER_BASE = 0x40
CONFIG_BASE = 0xC0
REGISTER_BITS = 32
REGISTER_BYTES = REGISTER_BITS // BYTE_BITS
REGISTER_SPACE = 0x100
"""Bytes of the block's address space."""
ERROR_CAUSE_BITS = 8
"""Width of the cause in `Register.ERROR`; it begins at bit 0."""
ERROR_UNIT_LSB = ERROR_CAUSE_BITS
ERROR_UNIT_BITS = 2
PROGRAM_INDEX_BITS = 24
"""Width of `Register.LENGTH` and of every instruction's index: no program is longer than 2**24 - 1."""


class Control(IntEnum):
    """Bits of `Register.CONTROL`."""

    START = 1
    """Begin the program at `PROGRAM`. Ignored unless the machine is idle."""
    RESET = 2
    """Stop, wait for what is in flight on the bus, and become idle with registers and counters at zero."""
    ACKNOWLEDGE = 4
    """Lower the interrupt: a machine that is done or stopped becomes idle; counters and error stay readable."""


class Status(IntEnum):
    """Values of `Register.STATUS`."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    """The program ended. The interrupt is high."""
    STOPPED = 3
    """An error ended the program; nothing of it is in flight any more. The interrupt is high."""
    DRAINING = 4
    """Stopping: waiting for what is in flight on the bus. The interrupt rises when that makes no progress for
    `WATCHDOG` cycles: the memory does not answer, and only a reset of the whole system helps."""


class Cause(IntEnum):
    """Why a program was stopped."""

    NONE = 0
    ILLEGAL = 1
    """The instruction's encoding is undefined, or LENGTH instructions went by without FINISH."""
    AXI_READ = 2
    """A read was answered with SLVERR or DECERR."""
    AXI_WRITE = 3
    """A write was answered with SLVERR or DECERR."""
    WATCHDOG = 4
    """No progress for `WATCHDOG` cycles: a token that never comes, or a memory that does not answer."""


class Activity(IntEnum):
    """What a unit does in a cycle, as its observation port and the timelines show it."""

    IDLE = 0
    BUSY = 1
    WAIT_PREV = 2
    """No token from the previous unit, or no room for one to it."""
    WAIT_NEXT = 3
    """The same with the next unit."""
    WAIT_MEMORY = 4
    WAIT_HAZARD = 5
    """A port of the accumulators is taken by compute."""


class Counter(IntEnum):
    """Counters of the last program, in this order from `COUNTER_BASE`, four bytes each. They stop at 2**32 - 1."""

    CYCLES = 0
    """From start to the end of the program."""
    INSTRUCTIONS = 1
    """Instructions that were handed to the units."""
    GEMM = 2
    """Cycles in which the array was given a product."""
    ALU = 3
    """Cycles in which the ALU was given work."""
    COMPUTE_WAIT_LOAD = 4
    """Cycles in which compute had an instruction, but not the token from load or no room for one to it."""
    COMPUTE_WAIT_STORE = 5
    """The same with store."""
    LOAD_BUSY = 6
    """Cycles in which load wrote an entry of a buffer or took a beat from memory."""
    LOAD_WAIT_COMPUTE = 7
    """Cycles in which load had nothing else to do but wait for compute's token, or for room for one to it."""
    LOAD_WAIT_MEMORY = 8
    """Cycles in which load waited for data."""
    LOAD_WAIT_HAZARD = 9
    """Cycles in which compute's use of the accumulators' write port kept load waiting."""
    STORE_BUSY = 10
    """Cycles in which output processing took an accumulator vector's lanes or handed a beat to memory."""
    STORE_WAIT_COMPUTE = 11
    """The same of store."""
    STORE_WAIT_MEMORY = 12
    """Cycles in which store waited for parameters, a residual, or for memory to take its data."""
    STORE_WAIT_HAZARD = 13
    """Cycles in which compute's use of the accumulators' read port kept store waiting."""
    READ_BEATS = 14
    """Beats of data read from memory, instructions included."""
    WRITE_BEATS = 15
    """Beats of data written."""


def counter_address(counter: Counter) -> int:
    return COUNTER_BASE + REGISTER_BYTES * counter


def config_registers(config: Config) -> dict[int, tuple[str, int]]:
    """Address, name and value of the read-only registers that hold the configuration's fields."""
    from dataclasses import asdict

    return {CONFIG_BASE + REGISTER_BYTES * place: item for place, item in enumerate(asdict(config).items())}
