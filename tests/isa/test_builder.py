from __future__ import annotations

import pytest

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import load_config
from dovetail.isa.instructions import (
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Finish,
    Format,
    Gemm,
    Load,
    MicroOp,
    Param,
    Post,
    Store,
    Sync,
    Unit,
)
from dovetail.isa.program import ProgramError, Segment

TINY = load_config("tiny")


@pytest.fixture
def builder():
    return ProgramBuilder(TINY)


def test_methods_append_what_they_are_named_after(builder):
    kernel = builder.kernel([MicroOp(1, 2, 3), MicroOp(4)])
    assert builder.load_kernels(0x40, push=Unit.COMPUTE) == 0
    assert builder.load(Buffer.INP, sram=0, dram=0, cols=2, pad_left=1) == 1
    builder.gemm(kernel, overwrite=True, inner=2, pop=Unit.LOAD, push=[Unit.LOAD, Unit.STORE])
    builder.alu(AluOp.ADD, AluSource.IMM, kernel, imm=-3)
    builder.param(0x80)
    builder.post(minimum=0)
    builder.store(Format.OUT, sram=0, dram=0x100, cols=2, pop=Unit.COMPUTE)
    builder.sync(Unit.LOAD, pop=Unit.COMPUTE)
    builder.finish()
    program = builder.build()
    assert program.instructions == (
        Load(buffer=Buffer.UOP, sram=0, dram=0x40, cols=2, push_next=True),
        Load(buffer=Buffer.INP, sram=0, dram=0, cols=2, pad_left=1),
        Gemm(overwrite=True, uop_begin=0, uop_count=2, inner=2, pop_prev=True, push_prev=True, push_next=True),
        Alu(op=AluOp.ADD, source=AluSource.IMM, uop_begin=0, uop_count=2, imm=-3),
        Param(dram=0x80),
        Post(minimum=0),
        Store(format=Format.OUT, sram=0, dram=0x100, cols=2, pop_prev=True),
        Sync(target=Unit.LOAD, pop_next=True),
        Finish(),
    )
    words = [1 | 2 << 6 | 3 << 12, 4]
    assert program.segments == (
        Segment("micro-ops 0..1", 0x40, b"".join(word.to_bytes(4, "little") for word in words)),
    )
    assert program.dram_bytes == 0x108


def test_equal_kernels_share_their_place(builder):
    first = builder.kernel([MicroOp(1), MicroOp(2)])
    second = builder.kernel([MicroOp(2)])
    assert builder.kernel([MicroOp(1), MicroOp(2)]) == first == (0, 2)
    assert second == (2, 1)
    assert builder.micro_op_count == 3
    builder.load_kernels(0)
    builder.kernel([MicroOp(9)])
    builder.load_kernels(0)
    assert builder.instructions[-1] == Load(buffer=Buffer.UOP, sram=3, dram=12, cols=1)
    assert builder.build().segments[1].address == 12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.load(Buffer.INP, sram=0, dram=0), "instruction 0 LOAD: cols is missing"),
        (lambda b: b.load(Buffer.INP, sram=0, dram=0, columns=1),
         "instruction 0 LOAD: unknown field 'columns'; the fields are "),
        (lambda b: b.load(Buffer.INP, sram=0, dram=0, cols=1.5),
         "instruction 0 LOAD: cols must be an integer, not 1.5"),
        (lambda b: b.load(9, sram=0, dram=0, cols=1), "instruction 0 LOAD: buffer is 9; defined are 0 (inp), "),
        (lambda b: b.load(Buffer.INP, sram=0, dram=0, cols=1, push=Unit.STORE),
         "instruction 0 LOAD: push(store): load exchanges tokens with compute"),
        (lambda b: b.sync(Unit.FETCH), "instruction 0 SYNC: target is 3 (fetch); it must be load, compute or store"),
        (lambda b: b.gemm((0, 0)), "instruction 0 GEMM: uop_count is 0; it must be between 1 and 63"),
        (lambda b: b.kernel([MicroOp(64)]), "micro-op: dst is 64; it must be between 0 and 63"),
        (lambda b: b.kernel([MicroOp(0)] * 33),
         "a kernel of 33 micro-ops after 0 others; the buffer holds uop_depth=32"),
        (lambda b: b.load_kernels(0), "load_kernels: there are no new kernels to load"),
        (lambda b: b.kernel([MicroOp(0)]) and b.build(), "micro-ops 0..0 are in no load_kernels"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_at_once(builder, call, message):
    with pytest.raises(ProgramError) as caught:
        call(builder)
    assert str(caught.value).startswith(message)


def test_a_refused_instruction_is_not_appended(builder):
    with pytest.raises(ProgramError):
        builder.param(1)
    assert builder.finish() == 0
