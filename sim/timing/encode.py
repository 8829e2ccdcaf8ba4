"""A program as the steps read it: numbers that the units would derive from its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.hw.interfaces import load_lanes
from dovetail.isa.config import Config
from dovetail.isa.instructions import (
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Finish,
    Format,
    Gemm,
    Instruction,
    Load,
    Param,
    Post,
    Store,
    Unit,
    entry_bytes,
    store_bytes,
    uop_fields,
)

from .compiled import registers

LOADS, STORES, PARAMS, POSTS, WORKS, SYNCS, FINISHES = range(7)
"""Kinds of instructions."""

ENTRY = registers(
    *("kind", "unit", "pop_prev", "pop_next", "push_prev", "push_next"),
    *("addr", "rows", "row_bytes", "pitch"),
    *("buffer", "sram", "cols", "lanes", "place_step", "last_place", "head", "gap", "tail"),
    *("has_head", "has_gap", "has_tail", "first_micro_op", "micro_ops"),
    *("is_raw", "residual_addr", "with_residual"),
    *("is_gemm", "overwrite", "two_slots", "uop_begin", "uop_count", "outer", "inner"),
    *("dst_outer", "dst_inner", "src_outer", "src_inner"),
)
"""An instruction. Loads count padding in entries; the last three of a block in memory are bytes."""
KINDS = {Load: LOADS, Store: STORES, Param: PARAMS, Post: POSTS, Gemm: WORKS, Alu: WORKS, Finish: FINISHES}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A program up to its FINISH.

    Attributes
    ----------
    entries: `ENTRY` [instructions]
    queues: int64 [3, instructions + 1]
        The instructions of each unit, in order.
    micro_ops: int64 [2, all that are loaded]
        Their accumulators and sources, in the order of the LOADs.
    """

    entries: npt.NDArray[Any]
    queues: npt.NDArray[np.int64]
    micro_ops: npt.NDArray[np.int64]


def encode(instructions: Sequence[Instruction], config: Config, memory: npt.NDArray[np.uint8]) -> Encoded:
    """The numbers of a program that the static verifier accepts; its micro-ops are read of `memory`, uint8 [bytes]."""
    entries = np.zeros(len(instructions), ENTRY)
    queues = np.zeros((3, len(instructions) + 1), np.int64)
    words: list[npt.NDArray[np.uint64]] = []
    loaded = 0
    counts = [0, 0, 0]
    residual_offset = 0
    for number, instruction in enumerate(instructions):
        entry = entries[number]
        entry["kind"], entry["unit"] = KINDS.get(type(instruction), SYNCS), instruction.unit
        for flag in ("pop_prev", "pop_next", "push_prev", "push_next"):
            entry[flag] = getattr(instruction, flag)
        match instruction:
            case Load():
                _load(entry, instruction, config)
                if instruction.buffer is Buffer.UOP:
                    words.append(_words(instruction, config, memory))
                    entry["first_micro_op"], entry["micro_ops"] = loaded, len(words[-1])
                    loaded += len(words[-1])
            case Store():
                _store(entry, instruction, config, residual_offset)
            case Param():
                entry["addr"], entry["rows"], entry["row_bytes"] = instruction.dram, 1, config.param_bytes
            case Post():
                residual_offset = instruction.residual_offset
            case Gemm() | Alu():
                _work(entry, instruction)
        if instruction.unit is not Unit.FETCH:
            queues[instruction.unit, counts[instruction.unit]] = number
            counts[instruction.unit] += 1
        if isinstance(instruction, Finish):
            entries = entries[: number + 1]
            break
    fields = uop_fields(config)
    all_words = np.concatenate([np.zeros(0, np.uint64), *words])
    dst = all_words & np.uint64((1 << fields["dst"]) - 1)
    src = all_words >> np.uint64(fields["dst"]) & np.uint64((1 << fields["src"]) - 1)
    return Encoded(entries, queues, np.stack([dst, src]).astype(np.int64))


def _load(entry: Any, load: Load, config: Config) -> None:
    size, bus = entry_bytes(config, load.buffer), config.bus_bytes
    width = load.pad_left + load.cols + load.pad_right
    entry["addr"], entry["rows"], entry["row_bytes"] = load.dram, load.rows, load.cols * size
    entry["pitch"], entry["cols"], entry["buffer"], entry["sram"] = (
        load.stride * size,
        load.cols,
        load.buffer,
        load.sram,
    )
    entry["lanes"], entry["place_step"] = load_lanes(config, size), size % bus
    entry["last_place"] = bus - min(bus, size)
    entry["head"] = width * load.pad_top + load.pad_left
    entry["gap"] = load.pad_left + load.pad_right
    entry["tail"] = width * load.pad_bottom + load.pad_right
    for run in ("head", "gap", "tail"):
        entry[f"has_{run}"] = entry[run] > 0


def _words(load: Load, config: Config, memory: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """What a LOAD of micro-ops writes; padding has the bits of its value."""
    size = config.uop_bytes
    starts = [load.dram + row * load.stride * size for row in range(load.rows)]
    rows = [memory[at : at + load.cols * size].view(f"<u{size}").astype(np.uint64) for at in starts]
    padding = np.uint64(load.pad_value & (1 << config.uop_bits) - 1)
    sides = ((load.pad_top, load.pad_bottom), (load.pad_left, load.pad_right))
    return np.pad(np.stack(rows), sides, constant_values=padding).reshape(-1)


def _store(entry: Any, store: Store, config: Config, residual_offset: int) -> None:
    size = store_bytes(config, store.format)
    entry["addr"], entry["rows"], entry["cols"] = store.dram, store.rows, store.cols
    entry["row_bytes"], entry["pitch"] = store.cols * size, store.stride * size
    entry["is_raw"], entry["with_residual"] = store.format is Format.RAW, store.residual
    entry["residual_addr"] = (store.dram + residual_offset) % (1 << 32)


def _work(entry: Any, work: Gemm | Alu) -> None:
    for name in ("uop_begin", "uop_count", "outer", "inner", "dst_outer", "dst_inner", "src_outer", "src_inner"):
        entry[name] = getattr(work, name)
    entry["is_gemm"] = isinstance(work, Gemm)
    if isinstance(work, Gemm):
        entry["overwrite"] = work.overwrite
    else:
        entry["two_slots"] = work.source is AluSource.ACC or work.op in (AluOp.SHR, AluOp.SHL)
