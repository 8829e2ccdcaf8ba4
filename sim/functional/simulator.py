"""Executes programs on arrays that stand for DRAM and the on-chip buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.accesses import DRAM_LIMIT
from dovetail.isa.config import PARAM_RECORD_BYTES, Config
from dovetail.isa.instructions import (
    Alu,
    AluSource,
    Buffer,
    Format,
    Gemm,
    Instruction,
    Load,
    Param,
    Post,
    Store,
    Sync,
    buffer_depth,
    entry_bytes,
    store_bytes,
    uop_fields,
)

from .errors import OutOfRangeError
from .jit import kernels
from .kernels import ALU_ARGUMENTS, GEMM_ARGUMENTS, POST_ARGUMENTS, STORE_ARGUMENTS
from .order import execution_order

GEMM_VALUES = attrgetter(*GEMM_ARGUMENTS)
ALU_VALUES = attrgetter(*ALU_ARGUMENTS)
STORE_VALUES = attrgetter(*STORE_ARGUMENTS)
POST_VALUES = attrgetter(*POST_ARGUMENTS)
SHIFT_MASK = 63
PARAM_RECORD = np.dtype(
    {
        "names": ["bias", "multiplier", "shift"],
        "formats": ["<i4", "<i4", "u1"],
        "offsets": [0, 4, 8],
        "itemsize": PARAM_RECORD_BYTES,
    }
)


@dataclass
class FunctionalResult:
    """What a program did.

    Attributes
    ----------
    instructions:
        Instructions executed, FINISH not counted.
    micro_ops:
        Steps of GEMM and ALU kernels.
    macs:
        Products of `Gemm`.
    dram_read_bytes, dram_write_bytes:
        Of the entries, residuals and parameters that were moved; not of the instructions themselves.
    """

    instructions: int = 0
    micro_ops: int = 0
    macs: int = 0
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0


class FunctionalSimulator:
    """A machine without time: bit-exact on DRAM and buffers for programs that the static verifier accepts.

    Parameters
    ----------
    config:
        The machine.
    memory: uint8 [bytes]
        DRAM from address 0 on; contiguous, and changed in place.

    Attributes
    ----------
    inp: int8 [inp_depth, batch, block_in]
    wgt: int8 [wgt_depth, block_out, block_in]
    acc: int32 [acc_depth, batch, block_out]
    uop: uint32 or uint64 [uop_depth]
        The buffers. They keep their contents between runs and may be changed between them.

    Raises
    ------
    ValueError:
        `memory` is not a contiguous array of bytes.
    """

    def __init__(self, config: Config, memory: NDArray[np.uint8]) -> None:
        if memory.dtype != np.uint8 or memory.ndim != 1 or not memory.flags.c_contiguous:
            raise ValueError(f"memory must be a contiguous uint8 vector, not {memory.dtype} {memory.shape}")
        self.config = config
        self.memory = memory
        self.inp = np.zeros((config.inp_depth, config.batch, config.block_in), np.int8)
        self.wgt = np.zeros((config.wgt_depth, config.block_out, config.block_in), np.int8)
        self.acc = np.zeros((config.acc_depth, config.batch, config.block_out), np.int32)
        self.uop = np.zeros(config.uop_depth, np.dtype(f"<u{config.uop_bytes}"))
        self._bytes = {
            buffer: array.view(np.uint8).reshape(buffer_depth(config, buffer), entry_bytes(config, buffer))
            for buffer, array in self._buffers().items()
        }
        self._inp_short = np.zeros(self.inp.shape, np.int16)
        self._wgt_pairs = np.zeros((config.wgt_depth, config.block_in // 2, config.block_out, 2), np.int16)
        self._indices = np.zeros((config.uop_depth, 3), np.int32)
        self._params = np.zeros((3, config.block_out), np.int64)
        self._post = Post(minimum=0, maximum=0)
        self._result = FunctionalResult()
        self._kernels = kernels(config)
        self._execute: dict[type[Instruction], Callable[[Any, int], None]] = {
            Load: self._load,
            Store: self._store,
            Param: self._param,
            Post: self._set_post,
            Gemm: self._gemm,
            Alu: self._alu,
            Sync: lambda instruction, index: None,
        }

    def _buffers(self) -> dict[Buffer, NDArray[Any]]:
        return {Buffer.INP: self.inp, Buffer.WGT: self.wgt, Buffer.ACC: self.acc, Buffer.UOP: self.uop}

    def poison(self, rng: np.random.Generator) -> None:
        """Fill every buffer with random bits."""
        for array in self._bytes.values():
            array[...] = rng.integers(0, 256, array.shape, np.uint8)

    def run(self, instructions: Sequence[Instruction]) -> FunctionalResult:
        """Execute a program up to FINISH. Parameters and `Post` are as after a reset at its start.

        Raises
        ------
        DeadlockError, EndError:
            See `execution_order`.
        OutOfRangeError:
            An instruction reaches beyond a buffer or `memory`; it has had no effect.
        """
        self._params[...] = 0
        self._post = Post(minimum=0, maximum=0)
        self._result = FunctionalResult()
        for buffer in (Buffer.INP, Buffer.WGT, Buffer.UOP):
            self._refresh(buffer, slice(None))
        for index in execution_order(instructions, self.config):
            instruction = instructions[index]
            self._execute[type(instruction)](instruction, index)
            self._result.instructions += 1
        return self._result

    def _refresh(self, buffer: Buffer, entries: slice) -> None:
        """Bring the copies that the kernels read up to date with a buffer."""
        match buffer:
            case Buffer.INP:
                self._inp_short[entries] = self.inp[entries]
            case Buffer.WGT:
                tiles = self.wgt[entries]
                pairs = tiles.reshape(len(tiles), self.config.block_out, self.config.block_in // 2, 2)
                self._wgt_pairs[entries] = pairs.transpose(0, 2, 1, 3)
            case Buffer.UOP:
                words = self.uop[entries]
                lsb = 0
                for place, width in enumerate(uop_fields(self.config).values()):
                    self._indices[entries, place] = (words >> lsb) & ((1 << width) - 1)
                    lsb += width

    def _dram(
        self, instruction: Instruction, index: int, address: int, rows: int, cols: int, pitch: int, size: int
    ) -> NDArray[np.uint8]:
        """The bytes of a 2-D block in memory as an array [rows, cols, size]."""
        end = address + (rows - 1) * pitch + cols * size
        if end > len(self.memory):
            raise OutOfRangeError(
                f"instruction {index} {instruction.opcode.name} reaches DRAM byte {end - 1:#x}; "
                f"memory has {len(self.memory):#x} bytes"
            )
        return np.ndarray((rows, cols, size), np.uint8, self.memory, address, (pitch, size, 1))

    def _check(self, instruction: Instruction, index: int, what: str, last: int, depth: int) -> None:
        if last >= depth:
            raise OutOfRangeError(
                f"instruction {index} {instruction.opcode.name} reaches {what} entry {last}; the last is {depth - 1}"
            )

    def _load(self, load: Load, index: int) -> None:
        size = entry_bytes(self.config, load.buffer)
        count = load.sram_entries
        last = load.sram + count - 1
        self._check(load, index, load.buffer.name.lower(), last, buffer_depth(self.config, load.buffer))
        source = self._dram(load, index, load.dram, load.rows, load.cols, load.stride * size, size)
        entries = slice(load.sram, load.sram + count)
        target = self._bytes[load.buffer][entries]
        block = target.reshape(
            load.pad_top + load.rows + load.pad_bottom, load.pad_left + load.cols + load.pad_right, size
        )
        if count > load.rows * load.cols:
            self._buffers()[load.buffer].view(f"i{self._element_bytes(load.buffer)}")[entries] = load.pad_value
        block[load.pad_top : load.pad_top + load.rows, load.pad_left : load.pad_left + load.cols] = source
        self._refresh(load.buffer, entries)
        self._result.dram_read_bytes += load.rows * load.cols * size

    def _element_bytes(self, buffer: Buffer) -> int:
        return int(self._buffers()[buffer].itemsize)

    def _param(self, param: Param, index: int) -> None:
        source = self._dram(param, index, param.dram, 1, 1, 0, self.config.param_bytes)
        records = np.frombuffer(source.tobytes(), PARAM_RECORD)
        for place, name in enumerate(("bias", "multiplier", "shift")):
            self._params[place] = records[name]
        self._params[2] &= SHIFT_MASK
        self._result.dram_read_bytes += self.config.param_bytes

    def _set_post(self, post: Post, index: int) -> None:
        self._post = post

    def _store(self, store: Store, index: int) -> None:
        size = store_bytes(self.config, store.format)
        pitch = store.stride * size
        last = store.sram + (store.rows - 1) * store.sram_stride + store.cols - 1
        self._check(store, index, "acc", last, self.config.acc_depth)
        target = self._dram(store, index, store.dram, store.rows, store.cols, pitch, size)
        moved = store.rows * store.cols * size
        if store.format == Format.RAW:
            for r in range(store.rows):
                first = store.sram + r * store.sram_stride
                target[r] = self._bytes[Buffer.ACC][first : first + store.cols]
        else:
            residual = target
            if store.residual:
                address = (store.dram + self._post.residual_offset) % DRAM_LIMIT
                residual = self._dram(store, index, address, store.rows, store.cols, pitch, size)
                self._result.dram_read_bytes += moved
            args = np.array([*STORE_VALUES(store), pitch, *POST_VALUES(self._post)], np.int32)
            arrays = (self.acc, target, residual, self._params, args)
            self._kernels.out(*[array.ctypes.data for array in arrays])
        self._result.dram_write_bytes += moved

    def _gemm(self, gemm: Gemm, index: int) -> None:
        self._check(gemm, index, "uop", gemm.uop_begin + gemm.uop_count - 1, self.config.uop_depth)
        args = np.array(GEMM_VALUES(gemm), np.int32)
        arrays = (self.acc, self._inp_short, self._wgt_pairs, self._indices, args)
        verdict = self._kernels.gemm(*[array.ctypes.data for array in arrays])
        if verdict:
            self._refuse(gemm, index, verdict - 1, [("acc", "dst"), ("inp", "src"), ("wgt", "wgt")])
        steps = gemm.outer * gemm.inner * gemm.uop_count
        self._result.micro_ops += steps
        self._result.macs += steps * self.config.macs_per_cycle

    def _alu(self, alu: Alu, index: int) -> None:
        self._check(alu, index, "uop", alu.uop_begin + alu.uop_count - 1, self.config.uop_depth)
        args = np.array(ALU_VALUES(alu), np.int32)
        arrays = (self.acc, self.inp, self._indices, args)
        verdict = self._kernels.alu(*[array.ctypes.data for array in arrays])
        if verdict:
            source = "inp" if alu.source == AluSource.INP else "acc"
            self._refuse(alu, index, verdict - 1, [("acc", "dst"), (source, "src")])
        self._result.micro_ops += alu.outer * alu.inner * alu.uop_count

    def _refuse(self, instruction: Gemm | Alu, index: int, place: int, reached: list[tuple[str, str]]) -> None:
        buffer, name = reached[place]
        kernel = self._indices[instruction.uop_begin : instruction.uop_begin + instruction.uop_count, place]
        last = int(kernel.max())
        last += (instruction.outer - 1) * getattr(instruction, f"{name}_outer")
        last += (instruction.inner - 1) * getattr(instruction, f"{name}_inner")
        depth = {"acc": self.config.acc_depth, "inp": self.config.inp_depth, "wgt": self.config.wgt_depth}[buffer]
        self._check(instruction, index, buffer, last, depth)
