"""The instruction set in plain Python, one element at a time, straight from the docstrings."""

from __future__ import annotations

import random
from collections.abc import Sequence

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
    MicroOp,
    Param,
    Post,
    Queue,
    Store,
    Sync,
    Unit,
    rne,
    saturate32,
)


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class SlowModel:
    """DRAM and buffers as lists of Python integers. Units run in a random order that the tokens allow."""

    def __init__(self, config: Config, memory: bytes) -> None:
        self.config = c = config
        self.memory = bytearray(memory)
        self.inp = [[0] * (c.batch * c.block_in) for _ in range(c.inp_depth)]
        self.wgt = [[0] * (c.block_out * c.block_in) for _ in range(c.wgt_depth)]
        self.acc = [[0] * (c.batch * c.block_out) for _ in range(c.acc_depth)]
        self.uop = [[0] for _ in range(c.uop_depth)]
        self.records: list[tuple[int, int, int]] = []
        self.post = Post()

    def run(self, instructions: Sequence[Instruction], rng: random.Random) -> None:
        end = next(i for i, instruction in enumerate(instructions) if isinstance(instruction, Finish))
        todo = {unit: [x for x in instructions[:end] if x.unit == unit] for unit in list(Unit)[:3]}
        tokens = dict.fromkeys(Queue, 0)
        while any(todo.values()):
            ready = [unit for unit, list_ in todo.items() if list_ and all(tokens[q] for q in list_[0].pops())]
            assert ready, "deadlock"
            instruction = todo[rng.choice(ready)].pop(0)
            for queue in instruction.pops():
                tokens[queue] -= 1
            execute = {Load: self.load, Store: self.store, Param: self.param, Post: self.set_post, Gemm: self.gemm}
            execute |= {Alu: self.alu, Sync: lambda _: None}
            execute[type(instruction)](instruction)
            for queue in instruction.pushes():
                tokens[queue] += 1
        assert not any(tokens.values()), "tokens left over"

    def integer(self, address: int, size: int) -> int:
        assert address + size <= len(self.memory)
        return int.from_bytes(self.memory[address : address + size], "little", signed=True)

    def load(self, x: Load) -> None:
        c = self.config
        array, size = {
            Buffer.INP: (self.inp, 1),
            Buffer.WGT: (self.wgt, 1),
            Buffer.ACC: (self.acc, 4),
            Buffer.UOP: (self.uop, c.uop_bytes),
        }[x.buffer]
        at = x.sram
        for row in range(-x.pad_top, x.rows + x.pad_bottom):
            for col in range(-x.pad_left, x.cols + x.pad_right):
                for place in range(len(array[at])):
                    if 0 <= row < x.rows and 0 <= col < x.cols:
                        entry = x.dram + (row * x.stride + col) * len(array[at]) * size
                        array[at][place] = self.integer(entry + place * size, size)
                    else:
                        array[at][place] = x.pad_value
                at += 1

    def store(self, x: Store) -> None:
        c = self.config
        lanes = c.batch * c.block_out
        size = 4 if x.format == Format.RAW else 1
        for row in range(x.rows):
            for col in range(x.cols):
                vector = self.acc[x.sram + row * x.sram_stride + col]
                for lane in range(lanes):
                    address = x.dram + ((row * x.stride + col) * lanes + lane) * size
                    assert address + size <= len(self.memory)
                    value = vector[lane] if size == 4 else self.finish_element(x, address, lane, vector[lane])
                    self.memory[address : address + size] = value.to_bytes(size, "little", signed=True)

    def finish_element(self, x: Store, address: int, lane: int, value: int) -> int:
        p = self.post
        bias, multiplier, shift = self.records[lane % self.config.block_out]
        v = saturate32(value + bias)
        q = saturate32(rne(v * multiplier, shift))
        r = 0
        if x.residual:
            residual = self.integer((address + p.residual_offset) % 2**32, 1)
            r = saturate32(rne((residual - p.res_zero) * p.res_multiplier, p.res_shift))
        y = rne(q + r, p.fraction) + p.zero_point
        return min(max(y, p.minimum), p.maximum)

    def param(self, x: Param) -> None:
        self.records = []
        for o in range(self.config.block_out):
            at = x.dram + 16 * o
            self.records.append((self.integer(at, 4), self.integer(at + 4, 4), self.memory[at + 8] & 63))

    def set_post(self, x: Post) -> None:
        self.post = x

    def loops(self, x: Gemm | Alu) -> list[tuple[bool, int, int, int]]:
        steps = []
        for i in range(x.outer):
            for j in range(x.inner):
                for u in range(x.uop_begin, x.uop_begin + x.uop_count):
                    micro_op = MicroOp.decode(self.uop[u][0] % 2**64, self.config)
                    dst = micro_op.dst + i * x.dst_outer + j * x.dst_inner
                    src = micro_op.src + i * x.src_outer + j * x.src_inner
                    wgt = micro_op.wgt + (i * x.wgt_outer + j * x.wgt_inner if isinstance(x, Gemm) else 0)
                    steps.append((u == x.uop_begin, dst, src, wgt))
        return steps

    def gemm(self, x: Gemm) -> None:
        c = self.config
        for first, dst, src, wgt in self.loops(x):
            inp, tile = self.inp[src], self.wgt[wgt]
            for b in range(c.batch):
                for o in range(c.block_out):
                    terms = (inp[b * c.block_in + i] * tile[o * c.block_in + i] for i in range(c.block_in))
                    old = 0 if x.overwrite and first else self.acc[dst][b * c.block_out + o]
                    self.acc[dst][b * c.block_out + o] = signed(old + sum(terms), 32)

    def alu(self, x: Alu) -> None:
        c = self.config
        for _, dst, src, _ in self.loops(x):
            for b in range(c.batch):
                for o in range(c.block_out):
                    lane = b * c.block_out + o
                    match x.source:
                        case AluSource.IMM:
                            y = x.imm
                        case AluSource.INP:
                            y = self.inp[src][b * c.block_in + o] if o < c.block_in else 0
                        case AluSource.ACC:
                            y = self.acc[src][lane]
                    old = self.acc[dst][lane]
                    result = {
                        AluOp.MOV: y,
                        AluOp.ADD: old + y,
                        AluOp.SUB: old - y,
                        AluOp.MIN: min(old, y),
                        AluOp.MAX: max(old, y),
                        AluOp.SHR: old >> (y & 31),
                        AluOp.SHL: old << (y & 31),
                    }[x.op]
                    self.acc[dst][lane] = signed(result, 32)
