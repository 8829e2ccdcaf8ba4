"""Whatever the units' speeds, tokens keep the program's meaning, and let units run ahead as far as copies allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.passes.insert_tokens import insert_tokens
from dovetail.compiler.passes.lower_vthreads import lower_vthreads
from dovetail.compiler.passes.ring_buffers import ring_buffers
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir import verifier
from dovetail.compiler.tir.expr import Const, Range, Var
from dovetail.compiler.tir.stmt import Buffer, Copy, For, Invoke, LoopKind, Program, Push, Region, Stmt, seq
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER, WGT_BUFFER, Vdla
from dovetail.isa.config import Config
from dovetail.isa.instructions import Unit
from tests.compiler.passes.unit_machine import Race, duration, interleaved, sequential
from tests.compiler.passes.unit_programs import allocate, compute, on_chip, one, operand, programs, whole, with_tokens

TILES, BLOCKS, CHUNKS = 4, 3, 3


def convolution(copies: int) -> Program:
    """An input tile for each tile of rows, weights for each block and chunk, accumulators that the store drains."""
    y, o, k = Var("y"), Var("o"), Var("k")
    a = Buffer("A", (Const(TILES), Const(8)), "int8")
    w = Buffer("W", (Const(BLOCKS), Const(CHUNKS), Const(8)), "int8")
    c = Buffer("C", (Const(TILES), Const(BLOCKS), Const(8)), "int32")
    al = on_chip("AL", 8, copies=copies, scope=INP_BUFFER)
    wl = on_chip("WL", 8, copies=copies, scope=WGT_BUFFER)
    cl = on_chip("CL", 8, copies=copies, scope=ACC_BUFFER)
    row = Range(Const(0), Const(8))
    load_weights = Copy(whole(wl), Region(w, (one(o), one(k), row)))
    chunks = For(k, Const(CHUNKS), seq(load_weights, compute("gemm", cl, al, wl)))
    drain = Copy(Region(c, (one(y), one(o), row)), whole(cl))
    blocks = For(o, Const(BLOCKS), seq(compute("fill_zero", cl), chunks, drain))
    body = For(y, Const(TILES), seq(Copy(whole(al), Region(a, (one(y), row))), blocks))
    return Program("conv", (a, w, c), allocate([al, wl, cl], body))


CONVOLUTION = """\
inp_buffer AL[2][8] (2 copies)
wgt_buffer WL[2][8] (2 copies)
acc_buffer CL[2][8] (2 copies)
ex.push_dep_to(ld)
ex.push_dep_to(ld)
ex.push_dep_to(ld)
ex.push_dep_to(ld)
st.push_dep_to(ex)
st.push_dep_to(ex)
for y in range(4):
    ld.pop_dep_from(ex)
    ld.dma_copy2d(AL[y%2], A[y])
    ld.push_dep_to(ex)
    ex.pop_dep_from(ld)
    for o in range(3):
        ex.pop_dep_from(st)
        ex.fill_zero(CL[(y*3+o)%2])
        for k in range(3):
            ld.pop_dep_from(ex)
            ld.dma_copy2d(WL[(y*9+o*3+k)%2], W[o][k])
            ld.push_dep_to(ex)
            ex.pop_dep_from(ld)
            ex.gemm(CL[(y*3+o)%2], AL[y%2], WL[(y*9+o*3+k)%2])
            ex.push_dep_to(ld)
        ex.push_dep_to(st)
        st.pop_dep_from(ex)
        st.dma_copy2d(C[y,o], CL[(y*3+o)%2])
        st.push_dep_to(ex)
    ex.push_dep_to(ld)
ex.pop_dep_from(st)
ex.pop_dep_from(st)
ld.pop_dep_from(ex)
ld.pop_dep_from(ex)
ld.pop_dep_from(ex)
ld.pop_dep_from(ex)"""


def test_a_convolution_has_tokens_for_each_buffer_and_as_many_credits_as_copies() -> None:
    assert str(simplify(with_tokens(convolution(copies=2)))) == CONVOLUTION


def test_two_copies_of_each_buffer_keep_compute_busy() -> None:
    work = TILES * BLOCKS * (1 + CHUNKS)
    loads = stores = 1
    serial = TILES * (1 + BLOCKS * (2 + 2 * CHUNKS))
    assert duration(with_tokens(convolution(copies=2))) == loads + work + stores
    assert duration(with_tokens(convolution(copies=1))) > 1.5 * work
    assert duration(with_tokens(convolution(copies=1))) <= serial


@given(programs(), st.integers(0, 999))
@settings(max_examples=150, deadline=None)
def test_units_of_any_speed_compute_what_the_program_says(program: Program, seed: int) -> None:
    done = with_tokens(program)
    verifier.check(done)
    meant = sequential(assign_units(program))
    assert sequential(done) == meant
    assert interleaved(done, seed) == meant


@pytest.mark.parametrize("kind", [LoopKind.SERIAL, LoopKind.VTHREAD])
def test_a_buffer_is_not_filled_again_before_the_loop_outside_of_its_allocation_goes_on(kind: LoopKind) -> None:
    n, x = Var("n"), Var("x")
    a, c = Buffer("A", (Const(8),), "int8"), Buffer("C", (Const(8),), "int32")
    al, cl = on_chip("AL", 2), on_chip("CL", 2, scope=ACC_BUFFER)
    part = Range(x * 2, Const(2))
    load, drain = Copy(whole(al), Region(a, (part,))), Copy(Region(c, (part,)), whole(cl))
    tile: Stmt = allocate([al, cl], seq(load, compute("fill_zero", cl), compute("gemm", cl, al), drain))
    program = Program("main", (a, c), For(n, Const(3), For(x, Const(2), tile, kind)))
    assert interleaved(with_tokens(program), 0) == sequential(assign_units(program))


def test_one_credit_more_than_copies_would_be_a_race() -> None:
    program = with_tokens(convolution(copies=2))
    credit = Push(Unit.STORE, Unit.COMPUTE, ("CL",))
    with pytest.raises(Race, match="CL.* that STORE may still have to read"):
        interleaved(replace(program, body=seq(credit, program.body)), 0)


LISTING = {
    "given": """\
for vthread tx in range(2):
    acc_buffer CL[8]
    inp_buffer AL[8]
    for k in range(128):
        ld.dma_copy2d(AL, A[k][tx*8:tx*8+8])
        ex.accumulate(AL, CL)""",
    "tokens": """\
for vthread tx in range(2):
    acc_buffer CL[8]
    inp_buffer AL[8]
    ex.push_dep_to(ld)
    for k in range(128):
        ld.pop_dep_from(ex)
        ld.dma_copy2d(AL, A[k][tx*8:tx*8+8])
        ld.push_dep_to(ex)
        ex.pop_dep_from(ld)
        ex.accumulate(AL, CL)
        ex.push_dep_to(ld)
    ld.pop_dep_from(ex)""",
    "threads": """\
acc_buffer CL[2][8]
inp_buffer AL[2][8]
ex.push_dep_to(ld)
ex.push_dep_to(ld)
for k in range(128):
    ld.pop_dep_from(ex)
    ld.dma_copy2d(AL[0], A[k][0:8])
    ld.push_dep_to(ex)
    ld.pop_dep_from(ex)
    ld.dma_copy2d(AL[1], A[k][8:16])
    ld.push_dep_to(ex)
    ex.pop_dep_from(ld)
    ex.accumulate(AL[0], CL[0])
    ex.push_dep_to(ld)
    ex.pop_dep_from(ld)
    ex.accumulate(AL[1], CL[1])
    ex.push_dep_to(ld)
ld.pop_dep_from(ex)
ld.pop_dep_from(ex)""",
}


def test_the_listing_of_virtual_threads() -> None:
    tx, k = Var("tx"), Var("k")
    a = Buffer("A", (Const(128), Const(16)), "int8")
    cl, al = on_chip("CL", 8, scope=ACC_BUFFER), on_chip("AL", 8)
    accumulate = Vdla(Config()).accumulate.update
    assert accumulate is not None
    load = Copy(whole(al), Region(a, (one(k), Range(tx * 8, Const(8)))))
    add = Invoke(accumulate, (operand(cl),), (operand(al),))
    threads = For(tx, Const(2), allocate([cl, al], For(k, Const(128), seq(load, add))), LoopKind.VTHREAD)
    given_program = assign_units(Program("main", (a,), threads))
    tokens = insert_tokens(ring_buffers(given_program))
    lowered = simplify(lower_vthreads(tokens))
    assert str(given_program) == LISTING["given"]
    assert str(tokens) == LISTING["tokens"]
    assert str(lowered) == LISTING["threads"]
    interleaved(lowered, 0)
