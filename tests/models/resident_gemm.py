"""A GEMM whose data is all on chip: how busy can the array be?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.isa.instructions import Buffer, Format, MicroOp, Unit
from dovetail.isa.program import Program

KERNEL, ROWS, GEMMS = 8, 8, 64


@dataclass(frozen=True)
class ResidentGemm:
    """A program and what it must write.

    Attributes
    ----------
    program:
        Its segments hold all data.
    out:
        Byte address of the sums.
    expected: int32 [rows, batch, block_out]
        The sums, by NumPy.
    """

    program: Program
    out: int
    expected: NDArray[np.int32]


def resident_gemm(config: Config) -> ResidentGemm:
    """Load everything, multiply `GEMMS` times without waiting for anything, and store the sums raw.

    The instructions alternate between long and short ones, and every sum is added to by all of them.
    """
    rng = np.random.default_rng(0)
    inp = rng.integers(-128, 128, (ROWS + KERNEL, config.batch, config.block_in), np.int8)
    wgt = rng.integers(-128, 128, (KERNEL, config.block_out, config.block_in), np.int8)
    inp_at, uop_at, wgt_at = (place * 4 * AXI_BOUNDARY_BYTES for place in range(3))
    out = wgt_at + -(-wgt.nbytes // AXI_BOUNDARY_BYTES) * AXI_BOUNDARY_BYTES
    builder = ProgramBuilder(config)
    builder.segment("inp", inp_at, inp.tobytes())
    builder.segment("wgt", wgt_at, wgt.tobytes())
    begin, _ = builder.kernel([MicroOp(0, k, k) for k in range(KERNEL)])
    builder.load(Buffer.INP, sram=0, dram=inp_at, cols=len(inp))
    builder.load(Buffer.WGT, sram=0, dram=wgt_at, cols=KERNEL)
    builder.load_kernels(uop_at, push=Unit.COMPUTE)
    seen = np.stack([inp[row : row + KERNEL] for row in range(ROWS)]).astype(np.int64)
    products = seen @ wgt.astype(np.int64).transpose(0, 2, 1)
    sums = np.zeros((ROWS, config.batch, config.block_out), np.int64)
    for number in range(GEMMS):
        count = KERNEL if number % 2 == 0 else KERNEL // 2
        sums += products[:, :count].sum(axis=1)
        builder.gemm(
            (begin, count),
            overwrite=number == 0,
            outer=ROWS,
            dst_outer=1,
            src_outer=1,
            pop=Unit.LOAD if number == 0 else (),
            push=Unit.STORE if number == GEMMS - 1 else (),
        )
    builder.store(Format.RAW, sram=0, dram=out, cols=ROWS, pop=Unit.COMPUTE)
    builder.finish()
    return ResidentGemm(builder.build(), out, sums.astype(np.int32))
