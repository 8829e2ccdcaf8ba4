"""A program as the steps read it: the fields of its words, and what the units would derive from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.hw.interfaces import load_lanes
from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import (
    INSTRUCTIONS,
    AluOp,
    AluSource,
    Buffer,
    Format,
    Instruction,
    Opcode,
    Unit,
    entry_bytes,
    store_bytes,
    uop_fields,
)
from dovetail.isa.program import INSTRUCTION_BYTES

from .compiled import registers, step

LOADS, STORES, PARAMS, POSTS, WORKS, SYNCS, FINISHES = range(7)
"""Kinds of instructions."""

ENTRY = registers(
    *("kind", "unit", "opcode", "pop_prev", "pop_next", "push_prev", "push_next"),
    # fields of the word
    *("buffer", "sram", "dram", "rows", "cols", "stride"),
    *("pad_top", "pad_bottom", "pad_left", "pad_right", "pad_value"),
    *("format", "residual", "residual_offset", "overwrite", "op", "source", "target"),
    *("uop_begin", "uop_count", "outer", "inner", "dst_outer", "dst_inner", "src_outer", "src_inner"),
    # derived
    *("addr", "row_bytes", "pitch", "lanes", "place_step", "last_place", "head", "gap", "tail"),
    *("has_head", "has_gap", "has_tail", "first_micro_op", "micro_ops"),
    *("is_raw", "residual_addr", "with_residual", "is_gemm", "two_slots", "reads_always"),
)
"""An instruction. Loads count padding in entries: before the first row, between rows, and after the last.
`addr`, `row_bytes` and `pitch` are of a block in memory, in bytes. `reads_always`: every slot reads an accumulator, if
micro-ops of a kernel sum up in one."""
NAMES = ENTRY.names or ()
HALF = INSTRUCTION_BITS // 2
OPCODES = 16
KIND_OF = {
    Opcode.LOAD: LOADS,
    Opcode.STORE: STORES,
    Opcode.PARAM: PARAMS,
    Opcode.POST: POSTS,
    Opcode.GEMM: WORKS,
    Opcode.ALU: WORKS,
    Opcode.SYNC: SYNCS,
    Opcode.FINISH: FINISHES,
}
OP_GEMM, OP_ALU = int(Opcode.GEMM), int(Opcode.ALU)
FETCH_UNIT = int(Unit.FETCH)
RAW = int(Format.RAW)
UOP = int(Buffer.UOP)
FROM_ACC, SHIFT_RIGHT, SHIFT_LEFT = int(AluSource.ACC), int(AluOp.SHR), int(AluOp.SHL)
Words = bytes | Sequence[Instruction]
"""A program: its words as they lie in memory, or its instructions."""


class Tables:
    """Where fields lie, and sizes, of one configuration.

    Attributes
    ----------
    fields: int64 [fields, 4]
        Column of `ENTRY`, lowest bit, width, whether it is signed; sorted by opcode.
    begins: int64 [17]
        The first of each opcode's fields.
    kinds: int64 [2, 16]
        Kind and unit of each opcode.
    sizes: int64 [buffers + 2, 3]
        Bytes of an entry, its lanes, and the bus's bytes: of the buffers, then of the formats of STORE.
    """

    def __init__(self, config: Config) -> None:
        fields: list[tuple[int, int, int, int]] = []
        begins = [0]
        self.kinds = np.zeros((2, OPCODES), np.int64)
        for opcode in range(OPCODES):
            kind = next((kind for kind in INSTRUCTIONS if kind.opcode == opcode), None)
            if kind is not None:
                self.kinds[:, opcode] = KIND_OF[kind.opcode], kind.home
                fields += [
                    (NAMES.index(field.name), field.lsb, field.width, int(field.spec.signed))
                    for field in kind.layout(config).fields
                    if field.name in NAMES
                ]
            begins.append(len(fields))
        self.fields, self.begins = np.array(fields, np.int64), np.array(begins, np.int64)
        buffers = [entry_bytes(config, buffer) for buffer in Buffer]
        stored = [store_bytes(config, format) for format in Format]
        self.sizes = np.array(
            [(size, load_lanes(config, size), config.bus_bytes) for size in buffers + stored], np.int64
        )
        self.param_bytes = config.param_bytes


tables = lru_cache(maxsize=64)(Tables)


class Encoded:
    """A program up to its FINISH.

    Attributes
    ----------
    entries: `ENTRY` [instructions]
    queues: int64 [3, instructions + 1]
        The instructions of each unit, in order.
    """

    def __init__(self, program: Words, config: Config) -> None:
        """Of a program that the static verifier accepts."""
        if not isinstance(program, bytes):
            program = b"".join(i.encode(config).to_bytes(INSTRUCTION_BYTES, "little") for i in program)
        words = np.frombuffer(program, "<u8").reshape(-1, 2)
        table = tables(config)
        entries = np.zeros(len(words), ENTRY)
        extract(words, table.fields, table.begins, entries.view(np.int64).reshape(len(words), len(NAMES)))
        self.queues = np.zeros((3, len(words) + 1), np.int64)
        count = derive(entries, self.queues, np.zeros(3, np.int64), table.kinds, table.sizes, table.param_bytes)
        self.entries: npt.NDArray[Any] = entries[:count]

    def micro_ops(self, config: Config, memory: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The accumulators and sources of all that are loaded, in the order of the LOADs; int64 [2, micro-ops].

        Also notes in `entries` where those of each LOAD begin.
        """
        entries, loaded = self.entries, 0
        words = [np.zeros(0, np.uint64)]
        for number in np.flatnonzero((entries["kind"] == LOADS) & (entries["buffer"] == UOP)):
            words.append(_words(entries[number], config, memory))
            entries["first_micro_op"][number], entries["micro_ops"][number] = loaded, len(words[-1])
            loaded += len(words[-1])
        fields = uop_fields(config)
        all_words = np.concatenate(words)
        dst = all_words & np.uint64((1 << fields["dst"]) - 1)
        src = all_words >> np.uint64(fields["dst"]) & np.uint64((1 << fields["src"]) - 1)
        return np.stack([dst, src]).astype(np.int64)


@step
def extract(words: Any, fields: Any, begins: Any, raw: Any) -> None:
    """The fields of all words; `raw` has the columns of `ENTRY`."""
    for number in range(len(words)):
        low, high = words[number, 0], words[number, 1]
        opcode = np.int64(low & np.uint64(15))
        for k in range(begins[opcode], begins[opcode + 1]):
            at, width = fields[k, 1], fields[k, 2]
            if at >= HALF:
                value = high >> np.uint64(at - HALF)
            else:
                value = low >> np.uint64(at)
                if at + width > HALF:
                    value |= high << np.uint64(HALF - at)
            number_of = np.int64(value & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)))
            if fields[k, 3] and number_of >> (width - 1):
                number_of -= np.int64(1) << width
            raw[number, fields[k, 0]] = number_of


@step
def derive(entries: Any, queues: Any, counts: Any, kinds: Any, sizes: Any, param_bytes: int) -> int:
    """All else of `ENTRY`, and the units' queues; the number of instructions up to the FINISH."""
    residual_offset = 0
    for number in range(len(entries)):
        e = entries[number]
        e.kind, e.unit = kinds[0, e.opcode], kinds[1, e.opcode]
        if e.kind == LOADS:
            derive_load(e, sizes[e.buffer])
        elif e.kind == STORES:
            size = sizes[len(sizes) - 2 + e.format, 0]
            e.addr, e.row_bytes, e.pitch = e.dram, e.cols * size, e.stride * size
            e.is_raw, e.with_residual = e.format == RAW, e.residual
            e.residual_addr = (e.dram + residual_offset) % (1 << 32)
        elif e.kind == PARAMS:
            e.addr, e.rows, e.row_bytes = e.dram, 1, param_bytes
        elif e.kind == POSTS:
            residual_offset = e.residual_offset
        elif e.kind == WORKS:
            e.is_gemm = e.opcode == OP_GEMM
            shifts = e.op == SHIFT_RIGHT or e.op == SHIFT_LEFT
            e.two_slots = e.opcode == OP_ALU and (e.source == FROM_ACC or shifts)
            stays = e.uop_count == 1 and e.inner > 1 and e.dst_inner == 0
            sums = e.is_gemm and (e.overwrite or e.uop_count > 1)
            e.reads_always = not (stays or sums)
        elif e.kind == SYNCS:
            e.unit = e.target
        if e.unit != FETCH_UNIT:
            queues[e.unit, counts[e.unit]] = number
            counts[e.unit] += 1
        if e.kind == FINISHES:
            return number + 1
    return len(entries)


@step
def derive_load(e: Any, sizes: Any) -> None:
    """Of a LOAD."""
    size, lanes, bus = sizes[0], sizes[1], sizes[2]
    width = e.pad_left + e.cols + e.pad_right
    e.addr, e.row_bytes, e.pitch = e.dram, e.cols * size, e.stride * size
    e.lanes, e.place_step, e.last_place = lanes, size % bus, bus - min(bus, size)
    e.head = width * e.pad_top + e.pad_left
    e.gap = e.pad_left + e.pad_right
    e.tail = width * e.pad_bottom + e.pad_right
    e.has_head, e.has_gap, e.has_tail = e.head > 0, e.gap > 0, e.tail > 0


def _words(load: Any, config: Config, memory: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """What a LOAD of micro-ops writes; padding has the bits of its value."""
    size = config.uop_bytes
    starts = [load["dram"] + row * load["pitch"] for row in range(load["rows"])]
    rows = [memory[at : at + load["row_bytes"]].view(f"<u{size}").astype(np.uint64) for at in starts]
    padding = np.uint64(int(load["pad_value"]) & (1 << config.uop_bits) - 1)
    sides = ((load["pad_top"], load["pad_bottom"]), (load["pad_left"], load["pad_right"]))
    return np.pad(np.stack(rows), sides, constant_values=padding).reshape(-1)
