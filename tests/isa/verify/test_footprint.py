"""What kernels touch, against the loops of their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.instructions import Alu, AluOp, AluSource, Buffer, Gemm, MicroOp
from dovetail.isa.verify.footprint import expand
from dovetail.isa.verify.kernel import KernelRangeError, touched

TINY = load_config("tiny")
micro_ops = st.builds(MicroOp, st.integers(0, 12), st.integers(0, 12), st.integers(0, 8))
steps = st.sampled_from([0, 0, 1, 1, 2, 3, 7])
loops = {
    "outer": st.integers(1, 4),
    "inner": st.integers(1, 4),
    **{f"{what}_{loop}": steps for what in ("dst", "src") for loop in ("outer", "inner")},
}
gemms = st.builds(
    Gemm, overwrite=st.booleans(), uop_begin=st.just(0), uop_count=st.just(1), wgt_outer=steps, wgt_inner=steps, **loops
)
alus = st.builds(
    Alu,
    op=st.sampled_from(AluOp),
    source=st.sampled_from(AluSource),
    uop_begin=st.just(0),
    uop_count=st.just(1),
    **loops,
)


def walk(instruction: Gemm | Alu, kernel: list[MicroOp]) -> tuple[dict[Buffer, set[int]], set[int]]:
    """Entries read before they are written, and accumulators written, step by step."""
    reads: dict[Buffer, set[int]] = {buffer: set() for buffer in Buffer}
    writes: set[int] = set()

    def read(buffer: Buffer, entry: int) -> None:
        if buffer is not Buffer.ACC or entry not in writes:
            reads[buffer].add(entry)

    for i in range(instruction.outer):
        for j in range(instruction.inner):
            for u, micro_op in enumerate(kernel):
                d = micro_op.dst + i * instruction.dst_outer + j * instruction.dst_inner
                s = micro_op.src + i * instruction.src_outer + j * instruction.src_inner
                if isinstance(instruction, Gemm):
                    read(Buffer.INP, s)
                    read(Buffer.WGT, micro_op.wgt + i * instruction.wgt_outer + j * instruction.wgt_inner)
                    if not (instruction.overwrite and u == 0):
                        read(Buffer.ACC, d)
                else:
                    if instruction.source is not AluSource.IMM:
                        read(Buffer.INP if instruction.source is AluSource.INP else Buffer.ACC, s)
                    if instruction.op is not AluOp.MOV:
                        read(Buffer.ACC, d)
                writes.add(d)
    return reads, writes


@given(gemms | alus, st.lists(micro_ops, min_size=1, max_size=4))
@settings(max_examples=500, deadline=None)
def test_kernels_touch_what_their_loops_do(instruction, kernel):
    words = np.array([micro_op.encode(TINY) for micro_op in kernel], dtype=np.uint64)
    reads, writes = walk(instruction, kernel)
    deepest = {Buffer.INP: TINY.inp_depth, Buffer.WGT: TINY.wgt_depth, Buffer.ACC: TINY.acc_depth}
    fits = all(
        max(reads[buffer] | (writes if buffer is Buffer.ACC else set()), default=0) < deepest[buffer]
        for buffer in deepest
    )
    try:
        found = touched(instruction, words, TINY)
    except KernelRangeError:
        assert not fits
        return
    assert fits
    assert set(expand(found.writes).tolist()) == writes
    for buffer in deepest:
        mine = [expand(entries).tolist() for of, entries in found.reads if of is buffer]
        assert {entry for entries in mine for entry in entries} == reads[buffer]
        assert all(entries == sorted(set(entries)) for entries in mine)


@given(gemms, st.lists(micro_ops, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_trips_that_do_not_move_add_nothing(instruction, kernel):
    """However long the loops, the work is bounded by the buffers."""
    words = np.array([micro_op.encode(TINY) for micro_op in kernel], dtype=np.uint64)
    once = replace(instruction, outer=1, dst_outer=0, src_outer=0, wgt_outer=0)
    try:
        expected = touched(once, words, TINY)
    except KernelRangeError:
        return
    assert repr(touched(replace(once, outer=4095), words, TINY)) == repr(expected)
