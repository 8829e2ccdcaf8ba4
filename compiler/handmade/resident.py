"""A GEMM whose data is all on chip: how busy can the array be?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.isa.instructions import Buffer, Format, MicroOp, Unit
from dovetail.isa.program import Program

KERNEL = 8
ROWS = 8


@dataclass(frozen=True)
class ResidentGemm:
    """A program and what it must write.

    Attributes
    ----------
    program: Program
        Its segments hold all data.
    out: int
        Byte address of the sums.
    expected: int32 [rows, batch, block_out]
        The sums, by NumPy.
    gemms: int
        GEMM instructions, one directly behind the other.
    """

    program: Program
    out: int
    expected: NDArray[np.int32]
    gemms: int


def resident_gemm_program(config: Config, gemms: int = 64, seed: int = 0) -> ResidentGemm:
    """Load everything, multiply `gemms` times without waiting for anything, and store the sums raw.

    The instructions alternate between long and short ones, and every sum is added to by all of them.
    """
    rng = np.random.default_rng(seed)
    rows, kernel = min(ROWS, config.acc_depth), min(KERNEL, config.uop_depth, config.wgt_depth)
    vectors = min(rows + kernel, config.inp_depth)
    rows = vectors - kernel
    inp = rng.integers(-128, 128, (vectors, config.batch, config.block_in), np.int8)
    wgt = rng.integers(-128, 128, (kernel, config.block_out, config.block_in), np.int8)
    addresses = {name: place * 4 * AXI_BOUNDARY_BYTES for place, name in enumerate(("inp", "uop", "wgt"))}
    out = addresses["wgt"] + -(-wgt.nbytes // AXI_BOUNDARY_BYTES) * AXI_BOUNDARY_BYTES
    builder = ProgramBuilder(config)
    builder.segment("inp", addresses["inp"], inp.tobytes())
    builder.segment("wgt", addresses["wgt"], wgt.tobytes())
    place = builder.kernel([MicroOp(0, k, k) for k in range(kernel)])
    builder.load(Buffer.INP, sram=0, dram=addresses["inp"], cols=vectors)
    builder.load(Buffer.WGT, sram=0, dram=addresses["wgt"], cols=kernel)
    builder.load_kernels(addresses["uop"], push=Unit.COMPUTE)
    products = np.stack(
        [
            np.stack([inp[r + k].astype(np.int64) @ wgt[k].astype(np.int64).T for k in range(kernel)])
            for r in range(rows)
        ]
    )
    sums = np.zeros((rows, config.batch, config.block_out), np.int64)
    for number in range(gemms):
        count = kernel if number % 2 == 0 else max(1, kernel // 2)
        overwrite = number == 0
        sums = products[:, :count].sum(axis=1) + (0 if overwrite else sums)
        builder.gemm(
            (place[0], count),
            overwrite=overwrite,
            outer=rows,
            dst_outer=1,
            src_outer=1,
            pop=Unit.LOAD if number == 0 else (),
            push=Unit.STORE if number == gemms - 1 else (),
        )
    builder.store(Format.RAW, sram=0, dram=out, cols=rows, pop=Unit.COMPUTE)
    builder.finish()
    return ResidentGemm(builder.build(), out, sums.astype(np.uint32).astype(np.int32), gemms)
