"""The instructions: their fields, what they mean, and how they are encoded.

This is the definition. The docstrings are the specification that the RTL and the functional simulator implement and
that ``docs/isa.md`` prints.

Three units run on their own, each executing its instructions in program order: *load*, *compute* and *store*. They
meet only through four token queues. An instruction first pops one token from each queue that its ``pop`` flags name,
then executes, and when all its effects are complete pushes one token to each queue that its ``push`` flags name. A
unit's *previous* neighbour is the one to its left in load, compute, store; its *next* neighbour the one to its right.
Instructions of one unit take effect as if each ended before the next began. Between units there is no order but that
of the tokens.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any, ClassVar, Self

from .config import ACC_BITS, DRAM_ADDRESS_BITS, INP_BITS, INSTRUCTION_BITS, WGT_BITS, Config
from .layout import EncodingError, FieldSpec, Layout, bits, place


class Unit(IntEnum):
    """Who executes an instruction."""

    LOAD = 0
    COMPUTE = 1
    STORE = 2
    FETCH = 3


class Queue(IntEnum):
    """The dependency queues, by where a token comes from and goes to."""

    LOAD_TO_COMPUTE = 0
    COMPUTE_TO_LOAD = 1
    COMPUTE_TO_STORE = 2
    STORE_TO_COMPUTE = 3


class Opcode(IntEnum):
    """Bits 3..0 of an instruction. 0 stays undefined, so that zeroed memory is no program."""

    LOAD = 1
    STORE = 2
    PARAM = 3
    POST = 4
    GEMM = 5
    ALU = 6
    SYNC = 7
    FINISH = 15


class Buffer(IntEnum):
    """The buffers that `Load` fills."""

    INP = 0
    WGT = 1
    ACC = 2
    UOP = 3


class Format(IntEnum):
    """What `Store` writes: post-processed int8, or the accumulators' int32 as they are."""

    OUT = 0
    RAW = 1


class AluOp(IntEnum):
    """Operations on int32; results wrap modulo 2**32. Shifts use the low five bits of the operand."""

    MOV = 0
    ADD = 1
    SUB = 2
    MIN = 3
    MAX = 4
    SHR = 5
    SHL = 6


class AluSource(IntEnum):
    """Where the ALU's second operand comes from."""

    IMM = 0
    INP = 1
    ACC = 2


ROWS_BITS = 12
COLS_BITS = 12
STRIDE_BITS = 16
PAD_BITS = 4
LOOP_BITS = 12
IMM_BITS = 16


def entry_bytes(config: Config, buffer: Buffer) -> int:
    """Bytes in DRAM of one entry of a buffer: an input or accumulator vector, a weight tile, a micro-op."""
    match buffer:
        case Buffer.INP:
            return config.inp_bytes
        case Buffer.WGT:
            return config.wgt_bytes
        case Buffer.ACC:
            return config.acc_bytes
        case Buffer.UOP:
            return config.uop_bytes


def element_bits(config: Config, buffer: Buffer) -> int:
    """Width of what a buffer's entry is made of; padding repeats the pad value, sign-extended, at this width."""
    return {Buffer.INP: INP_BITS, Buffer.WGT: WGT_BITS, Buffer.ACC: ACC_BITS, Buffer.UOP: config.uop_bits}[buffer]


def buffer_depth(config: Config, buffer: Buffer) -> int:
    """Entries of a buffer."""
    return {
        Buffer.INP: config.inp_depth,
        Buffer.WGT: config.wgt_depth,
        Buffer.ACC: config.acc_depth,
        Buffer.UOP: config.uop_depth,
    }[buffer]


def store_bytes(config: Config, format: Format) -> int:
    """Bytes in DRAM that `Store` writes for one accumulator vector."""
    return config.acc_bytes if format == Format.RAW else config.out_bytes


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """What all instructions share. Subclasses are the instructions."""

    opcode: ClassVar[Opcode]
    home: ClassVar[Unit]

    pop_prev: bool = bits(1, "first take a token from the previous unit's queue", default=False)
    pop_next: bool = bits(1, "first take a token from the next unit's queue", default=False)
    push_prev: bool = bits(1, "at the end give a token to the previous unit", default=False)
    push_next: bool = bits(1, "at the end give a token to the next unit", default=False)

    @property
    def unit(self) -> Unit:
        return self.home

    @classmethod
    def specs(cls) -> dict[str, FieldSpec]:
        """Field declarations in order, the opcode first."""
        head = {"opcode": FieldSpec(4, "which instruction", enum=Opcode)}
        return head | {field.name: field.metadata["bits"] for field in dataclasses.fields(cls)}

    @classmethod
    @lru_cache(maxsize=256)
    def layout(cls, config: Config) -> Layout:
        return place(cls.specs(), config)

    def pops(self) -> tuple[Queue, ...]:
        """The queues that this instruction takes a token from."""
        return _queues(self.unit, self.pop_prev, self.pop_next, incoming=True)

    def pushes(self) -> tuple[Queue, ...]:
        """The queues that this instruction gives a token to."""
        return _queues(self.unit, self.push_prev, self.push_next, incoming=False)

    def dram_alignment(self, config: Config) -> int:
        """Addresses in this instruction must be a multiple of this many bytes."""
        return 1

    def check(self, config: Config, where: str = "") -> None:
        """Raise `EncodingError` unless every field is legal."""
        where = where or self.opcode.name
        for field in self.layout(config).fields[1:]:
            field.check(int(getattr(self, field.name)), where)
        for name, neighbour in (("prev", PREVIOUS[self.unit]), ("next", NEXT[self.unit])):
            if neighbour is None:
                for flag in (f"pop_{name}", f"push_{name}"):
                    if getattr(self, flag):
                        raise EncodingError(
                            f"{where}: {flag} is 1; the {self.unit.name.lower()} unit has no {name} unit"
                        )
        align = self.dram_alignment(config)
        for name in ("dram", "residual_offset"):
            value = getattr(self, name, 0)
            if value % align:
                raise EncodingError(f"{where}: {name} is {value:#x}; it must be a multiple of {align} bytes")

    def encode(self, config: Config) -> int:
        """The 128-bit word.

        Raises
        ------
        EncodingError:
            A field's value is not legal.
        """
        self.check(config)
        word = int(self.opcode)
        for field in self.layout(config).fields[1:]:
            word |= field.insert(int(getattr(self, field.name)))
        return word

    @classmethod
    def _from_word(cls, word: int, config: Config, where: str) -> Self:
        layout = cls.layout(config)
        if word >> layout.used_bits:
            raise EncodingError(
                f"{where}: reserved bits {INSTRUCTION_BITS - 1}..{layout.used_bits} are "
                f"{word >> layout.used_bits:#x}; they must be 0"
            )
        values: dict[str, Any] = {}
        for field in layout.fields[1:]:
            value = field.extract(word)
            field.check(value, where)
            kind = field.spec.enum or (bool if field.width == 1 else int)
            values[field.name] = kind(value)
        instruction = cls(**values)
        instruction.check(config, where)
        return instruction


@dataclass(frozen=True, kw_only=True)
class Load(Instruction):
    """Move a 2-D block from DRAM into a buffer, with padding around it.

    Row r of ``rows`` is ``cols`` entries from byte ``dram + r * stride * entry_bytes``. The buffer receives
    ``pad_top + rows + pad_bottom`` rows of ``pad_left + cols + pad_right`` entries, one after the other from entry
    ``sram``. An entry of padding holds ``pad_value``, sign-extended to the element's width, in every element.
    ``dram`` is a multiple of the smaller of the entry's and the bus's bytes.
    """

    opcode = Opcode.LOAD
    home = Unit.LOAD

    buffer: Buffer = bits(2, "the buffer to fill", enum=Buffer)
    sram: int = bits(lambda c: c.sram_index_bits, "first entry to write")
    dram: int = bits(DRAM_ADDRESS_BITS, "byte address of the first row")
    rows: int = bits(ROWS_BITS, "rows that come from DRAM", nonzero=True, default=1)
    cols: int = bits(COLS_BITS, "entries of a row that come from DRAM", nonzero=True)
    stride: int = bits(STRIDE_BITS, "entries from the start of a row to the next in DRAM", default=0)
    pad_top: int = bits(PAD_BITS, "rows of padding before", default=0)
    pad_bottom: int = bits(PAD_BITS, "rows of padding after", default=0)
    pad_left: int = bits(PAD_BITS, "entries of padding before each row", default=0)
    pad_right: int = bits(PAD_BITS, "entries of padding after each row", default=0)
    pad_value: int = bits(8, "what padding holds", signed=True, default=0)

    def dram_alignment(self, config: Config) -> int:
        return min(entry_bytes(config, self.buffer), config.bus_bytes)

    @property
    def sram_entries(self) -> int:
        """Entries of the buffer that are written, from `sram` on."""
        return (self.pad_top + self.rows + self.pad_bottom) * (self.pad_left + self.cols + self.pad_right)


@dataclass(frozen=True, kw_only=True)
class Store(Instruction):
    """Move a 2-D block of accumulators to DRAM, finished on the way out.

    Row r of ``rows`` is accumulators ``sram + r * sram_stride`` and ``cols - 1`` more. It goes to byte
    ``dram + r * stride * entry_bytes``, where an entry is ``batch * block_out`` bytes for ``out`` and four times as
    many for ``raw``. ``raw`` writes int32, little-endian. ``out`` computes, for an accumulator x of output channel c,
    with the records of the last `Param` and the fields of the last `Post`:

    ::

        v = saturate32(x + bias[c])
        q = saturate32(rne(v * multiplier[c], shift[c]))
        r = saturate32(rne((residual - res_zero) * res_multiplier, res_shift))     0 without residual
        y = clamp(rne(q + r, fraction) + zero_point, minimum, maximum)

    ``rne(a, s)`` is a / 2**s rounded to the nearest integer, ties to even; nothing wraps: sums and products before a
    saturation are exact. With ``residual`` set, the int8 at ``residual_offset`` bytes (modulo 2**32) after the address
    that y goes to is added; all earlier stores of the program are complete before it is read. ``dram`` is a multiple of
    the smaller of the entry's and the bus's bytes.
    """

    opcode = Opcode.STORE
    home = Unit.STORE

    format: Format = bits(1, "out: finished int8; raw: int32", enum=Format)
    residual: bool = bits(1, "add a residual; only with out", default=False)
    sram: int = bits(lambda c: c.acc_index_bits, "first accumulator vector")
    dram: int = bits(DRAM_ADDRESS_BITS, "byte address of the first row")
    rows: int = bits(ROWS_BITS, "rows", nonzero=True, default=1)
    cols: int = bits(COLS_BITS, "accumulator vectors of a row", nonzero=True)
    stride: int = bits(STRIDE_BITS, "entries from the start of a row to the next in DRAM", default=0)
    sram_stride: int = bits(lambda c: c.acc_index_bits, "accumulators from the start of a row to the next", default=0)

    def dram_alignment(self, config: Config) -> int:
        return min(store_bytes(config, self.format), config.bus_bytes)

    def check(self, config: Config, where: str = "") -> None:
        super().check(config, where)
        if self.residual and self.format == Format.RAW:
            raise EncodingError(f"{where or 'STORE'}: residual is 1; raw stores add no residual")


@dataclass(frozen=True, kw_only=True)
class Param(Instruction):
    """Read the requantisation of one block of output channels.

    ``block_out`` records of 16 bytes from byte ``dram``, a multiple of the bus's bytes. A record is bias (int32),
    multiplier (int32) and shift (uint8, 0 to 63: the upper two bits are ignored), little-endian; its other bytes are
    ignored. They hold until the next `Param`. All earlier stores of the program are complete before they are read.
    """

    opcode = Opcode.PARAM
    home = Unit.STORE

    dram: int = bits(DRAM_ADDRESS_BITS, "byte address of the records")

    def dram_alignment(self, config: Config) -> int:
        return config.bus_bytes


@dataclass(frozen=True, kw_only=True)
class Post(Instruction):
    """Set what the outputs of a layer have in common; it holds until the next `Post`.

    ``minimum`` is not above ``maximum``.
    """

    opcode = Opcode.POST
    home = Unit.STORE

    zero_point: int = bits(8, "added to the rounded result", signed=True, default=0)
    minimum: int = bits(8, "lower bound of the result", signed=True, default=-128)
    maximum: int = bits(8, "upper bound of the result", signed=True, default=127)
    fraction: int = bits(5, "fraction bits of the sum of accumulator and residual", default=0)
    res_zero: int = bits(8, "the residual's zero point", signed=True, default=0)
    res_multiplier: int = bits(16, "the residual's multiplier", signed=True, default=0)
    res_shift: int = bits(5, "the residual's shift to the right", default=0)
    residual_offset: int = bits(DRAM_ADDRESS_BITS, "bytes from an output's address to its residual's", default=0)

    def dram_alignment(self, config: Config) -> int:
        return min(config.out_bytes, config.bus_bytes)


@dataclass(frozen=True, kw_only=True)
class Gemm(Instruction):
    """Multiply input vectors by weight tiles under a kernel of micro-ops and two loops.

    ::

        for i in range(outer):
            for j in range(inner):
                for u in range(uop_begin, uop_begin + uop_count):
                    d = uop[u].dst + i * dst_outer + j * dst_inner
                    s = uop[u].src + i * src_outer + j * src_inner
                    w = uop[u].wgt + i * wgt_outer + j * wgt_inner
                    product = inp[s] @ wgt[w].T              # batch x block_out, int32
                    acc[d] = product if overwrite and u == uop_begin else acc[d] + product

    Sums are int32 and wrap modulo 2**32 (a sum of fewer than 131072 products cannot).
    """

    opcode = Opcode.GEMM
    home = Unit.COMPUTE

    overwrite: bool = bits(1, "the first micro-op of the kernel overwrites instead of adding", default=False)
    uop_begin: int = bits(lambda c: c.uop_index_bits, "first micro-op of the kernel")
    uop_count: int = bits(lambda c: c.uop_index_bits + 1, "micro-ops of the kernel", nonzero=True)
    outer: int = bits(LOOP_BITS, "trips of the outer loop", nonzero=True, default=1)
    inner: int = bits(LOOP_BITS, "trips of the inner loop", nonzero=True, default=1)
    dst_outer: int = bits(lambda c: c.acc_index_bits, "accumulators on, each outer trip", default=0)
    dst_inner: int = bits(lambda c: c.acc_index_bits, "accumulators on, each inner trip", default=0)
    src_outer: int = bits(lambda c: c.src_index_bits, "inputs on, each outer trip", default=0)
    src_inner: int = bits(lambda c: c.src_index_bits, "inputs on, each inner trip", default=0)
    wgt_outer: int = bits(lambda c: c.wgt_index_bits, "weight tiles on, each outer trip", default=0)
    wgt_inner: int = bits(lambda c: c.wgt_index_bits, "weight tiles on, each inner trip", default=0)


@dataclass(frozen=True, kw_only=True)
class Alu(Instruction):
    """Operate on accumulators element by element, under the same micro-ops and loops as `Gemm`.

    ``acc[d] = op(acc[d], operand)``, where the operand is ``imm``, the input vector ``inp[s]`` with its elements
    sign-extended to int32, or the accumulator vector ``acc[s]``. Of an input vector, lane (b, o) is element
    (b, o) where o < ``block_in``, and 0 beyond. ``mov`` gives the operand itself. ``shr`` is arithmetic.
    """

    opcode = Opcode.ALU
    home = Unit.COMPUTE

    op: AluOp = bits(3, "the operation", enum=AluOp)
    source: AluSource = bits(2, "where the operand comes from", enum=AluSource)
    uop_begin: int = bits(lambda c: c.uop_index_bits, "first micro-op of the kernel")
    uop_count: int = bits(lambda c: c.uop_index_bits + 1, "micro-ops of the kernel", nonzero=True)
    outer: int = bits(LOOP_BITS, "trips of the outer loop", nonzero=True, default=1)
    inner: int = bits(LOOP_BITS, "trips of the inner loop", nonzero=True, default=1)
    dst_outer: int = bits(lambda c: c.acc_index_bits, "accumulators on, each outer trip", default=0)
    dst_inner: int = bits(lambda c: c.acc_index_bits, "accumulators on, each inner trip", default=0)
    src_outer: int = bits(lambda c: c.src_index_bits, "source entries on, each outer trip", default=0)
    src_inner: int = bits(lambda c: c.src_index_bits, "source entries on, each inner trip", default=0)
    imm: int = bits(IMM_BITS, "the operand, for imm", signed=True, default=0)


@dataclass(frozen=True, kw_only=True)
class Sync(Instruction):
    """Do nothing in the named unit but take and give tokens, in order with its other instructions."""

    opcode = Opcode.SYNC
    home = Unit.FETCH

    target: Unit = bits(2, "the unit", enum=Unit)

    @property
    def unit(self) -> Unit:
        return self.target

    def check(self, config: Config, where: str = "") -> None:
        super().check(config, where)
        if self.target is Unit.FETCH:
            raise EncodingError(f"{where or 'SYNC'}: target is 3 (fetch); it must be load, compute or store")


@dataclass(frozen=True, kw_only=True)
class Finish(Instruction):
    """End the program: when every unit is idle and every write complete, the machine stops and interrupts."""

    opcode = Opcode.FINISH
    home = Unit.FETCH


INSTRUCTIONS: tuple[type[Instruction], ...] = (Load, Store, Param, Post, Gemm, Alu, Sync, Finish)
BY_OPCODE = {kind.opcode: kind for kind in INSTRUCTIONS}

PREVIOUS: dict[Unit, Unit | None] = {
    Unit.LOAD: None,
    Unit.COMPUTE: Unit.LOAD,
    Unit.STORE: Unit.COMPUTE,
    Unit.FETCH: None,
}
NEXT: dict[Unit, Unit | None] = {
    Unit.LOAD: Unit.COMPUTE,
    Unit.COMPUTE: Unit.STORE,
    Unit.STORE: None,
    Unit.FETCH: None,
}
QUEUE_BETWEEN = {
    (Unit.LOAD, Unit.COMPUTE): Queue.LOAD_TO_COMPUTE,
    (Unit.COMPUTE, Unit.LOAD): Queue.COMPUTE_TO_LOAD,
    (Unit.COMPUTE, Unit.STORE): Queue.COMPUTE_TO_STORE,
    (Unit.STORE, Unit.COMPUTE): Queue.STORE_TO_COMPUTE,
}


@cache
def _queues(unit: Unit, prev: bool, next: bool, *, incoming: bool) -> tuple[Queue, ...]:
    chosen = [(prev, PREVIOUS[unit]), (next, NEXT[unit])]
    peers = [peer for flag, peer in chosen if flag and peer is not None]
    return tuple(QUEUE_BETWEEN[(peer, unit) if incoming else (unit, peer)] for peer in peers)


def decode(word: int, config: Config, where: str = "") -> Instruction:
    """The instruction that a 128-bit word encodes.

    Raises
    ------
    EncodingError:
        The opcode is undefined, a reserved bit is set or a field is not legal.
    """
    where = where or f"{word:#034x}"
    opcode = word & 15
    if opcode not in list(Opcode):
        defined = ", ".join(f"{op.value} ({op.name.lower()})" for op in Opcode)
        raise EncodingError(f"{where}: opcode is {opcode}; defined are {defined}")
    kind = BY_OPCODE[Opcode(opcode)]
    return kind._from_word(word, config, f"{where} {kind.opcode.name}")


@dataclass(frozen=True)
class MicroOp:
    """Where one step of a kernel reads and writes: indices of accumulator, source and weight tile."""

    dst: int
    src: int = 0
    wgt: int = 0

    def encode(self, config: Config) -> int:
        """The micro-op's word in DRAM: dst from bit 0, then src, then wgt; the rest is 0.

        Raises
        ------
        EncodingError:
            An index is outside its buffer.
        """
        word, lsb = 0, 0
        for name, width in uop_fields(config).items():
            value = getattr(self, name)
            if not 0 <= value < 1 << width:
                raise EncodingError(f"micro-op: {name} is {value}; it must be between 0 and {(1 << width) - 1}")
            word |= value << lsb
            lsb += width
        return word

    @classmethod
    def decode(cls, word: int, config: Config) -> MicroOp:
        """The micro-op in a word; bits above its fields are ignored."""
        values = {}
        for name, width in uop_fields(config).items():
            values[name] = word & ((1 << width) - 1)
            word >>= width
        return cls(**values)


def uop_fields(config: Config) -> dict[str, int]:
    """Names and widths of a micro-op's fields, from bit 0 up."""
    return {"dst": config.acc_index_bits, "src": config.src_index_bits, "wgt": config.wgt_index_bits}


def saturate32(value: int) -> int:
    """The int32 nearest to `value`."""
    return max(-(1 << 31), min((1 << 31) - 1, value))


def rne(value: int, shift: int) -> int:
    """`value` / 2**`shift`, rounded to the nearest integer, ties to even."""
    if shift == 0:
        return value
    quotient, rest = value >> shift, value & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    return quotient + (rest > half or (rest == half and quotient & 1))
