"""GEMM, ALU and the buffers that they work on: the loops of the instructions' docstrings, written out in NumPy."""

from __future__ import annotations

import numpy as np

from dovetail.isa.config import Config
from dovetail.isa.instructions import Alu, AluOp, AluSource, Gemm, Instruction, MicroOp, Sync, Unit


class Model:
    """Buffers as arrays, and what an instruction does to them."""

    def __init__(self, config: Config, rng: np.random.Generator) -> None:
        self.config = config
        c = config
        self.inp = rng.integers(-128, 128, (c.inp_depth, c.batch, c.block_in), dtype=np.int8)
        self.wgt = rng.integers(-128, 128, (c.wgt_depth, c.block_out, c.block_in), dtype=np.int8)
        self.acc = rng.integers(-(2**31), 2**31, (c.acc_depth, c.batch, c.block_out)).astype(np.int32)
        few = rng.integers(1, c.acc_depth)
        self.uops = [
            MicroOp(int(rng.integers(few)), int(rng.integers(c.inp_depth)), int(rng.integers(c.wgt_depth)))
            for _ in range(c.uop_depth)
        ]

    def execute(self, instruction: Instruction) -> set[int]:
        """Execute one instruction; the accumulators that it wrote."""
        written: set[int] = set()
        if not isinstance(instruction, Gemm | Alu):
            return written
        c, x = self.config, instruction
        for i in range(x.outer):
            for j in range(x.inner):
                for u in range(x.uop_begin, x.uop_begin + x.uop_count):
                    uop = self.uops[u % c.uop_depth]
                    d = (uop.dst + i * x.dst_outer + j * x.dst_inner) % c.acc_depth
                    written.add(d)
                    s = uop.src + i * x.src_outer + j * x.src_inner
                    if isinstance(x, Gemm):
                        w = (uop.wgt + i * x.wgt_outer + j * x.wgt_inner) % c.wgt_depth
                        product = self.inp[s % c.inp_depth].astype(np.int32) @ self.wgt[w].T.astype(np.int32)
                        self.acc[d] = product if x.overwrite and u == x.uop_begin else self.acc[d] + product
                    else:
                        self.acc[d] = self._alu(x, self.acc[d], self._operand(x, s))
        return written

    def _operand(self, x: Alu, s: int) -> np.ndarray:
        c = self.config
        if x.source is AluSource.IMM:
            return np.full((c.batch, c.block_out), x.imm, dtype=np.int32)
        if x.source is AluSource.ACC:
            return self.acc[s % c.acc_depth].copy()
        operand = np.zeros((c.batch, c.block_out), dtype=np.int32)
        lanes = min(c.block_in, c.block_out)
        operand[:, :lanes] = self.inp[s % c.inp_depth][:, :lanes]
        return operand

    @staticmethod
    def _alu(x: Alu, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        amount = right & 31
        return {
            AluOp.MOV: right,
            AluOp.ADD: left + right,
            AluOp.SUB: left - right,
            AluOp.MIN: np.minimum(left, right),
            AluOp.MAX: np.maximum(left, right),
            AluOp.SHR: left >> amount,
            AluOp.SHL: left << amount,
        }[x.op]


def random_instruction(config: Config, rng: np.random.Generator) -> Instruction:
    count = int(rng.integers(1, 7))
    shared = dict(
        uop_begin=int(rng.integers(config.uop_depth - count)),
        uop_count=count,
        outer=int(rng.integers(1, 4)),
        inner=int(rng.integers(1, 5)),
        **{name: int(rng.integers(4)) for name in ("dst_outer", "dst_inner", "src_outer", "src_inner")},
    )
    if rng.random() < 0.6:
        factors = {name: int(rng.integers(4)) for name in ("wgt_outer", "wgt_inner")}
        return Gemm(overwrite=bool(rng.integers(2)), **shared, **factors)
    if rng.random() < 0.1:
        return Sync(target=Unit.COMPUTE)
    return Alu(
        op=AluOp(rng.integers(len(AluOp))),
        source=AluSource(rng.integers(len(AluSource))),
        imm=int(rng.integers(-(2**15), 2**15)),
        **shared,
    )


def pack(array: np.ndarray) -> int:
    """An entry of a buffer as the RTL holds it."""
    return int.from_bytes(array.tobytes(), "little")
