"""Tokens keep any use of any buffer in the program's order, and let units run ahead as far as that allows."""

from __future__ import annotations

from collections import Counter, deque
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.passes.insert_tokens import insert_tokens
from dovetail.compiler.tir import verifier
from dovetail.compiler.tir.expr import Const, Var, equal, maximum
from dovetail.compiler.tir.stmt import Allocate, Buffer, Copy, For, If, Pop, Program, Push, Stmt, seq
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.isa.instructions import Unit
from tests.compiler.passes.hazard_programs import element, hazards, invoke
from tests.compiler.passes.unit_machine import Token, interleaved, sequential, steps
from tests.compiler.passes.unit_programs import with_tokens

LD, EX, ST = Unit.LOAD, Unit.COMPUTE, Unit.STORE
TRIPS = 6


@given(st.randoms(use_true_random=True))
@settings(max_examples=300, deadline=None)
def test_units_of_any_speed_use_each_buffer_in_the_order_of_the_program(random: Random) -> None:
    program = hazards(random)
    done = with_tokens(program)
    verifier.check(done)
    meant = sequential(assign_units(program))
    assert sequential(done) == meant
    assert interleaved(done, random.randrange(1000)) == meant


def dram(name: str) -> Buffer:
    return Buffer(name, (Const(1),), "int32")


def chip(name: str, copies: int = 1) -> Buffer:
    return Buffer(name, (Const(1),), "int32", ACC_BUFFER, copies)


A, B, C = dram("A"), dram("B"), dram("C")


def move(dst: Buffer, src: Buffer) -> Copy:
    return Copy(element(dst), element(src))


def compute(output: Buffer, *inputs: Buffer) -> Stmt:
    return invoke("fill" if not inputs else "gemm", EX, [element(output)], [element(buffer) for buffer in inputs])


def trips(*body: Stmt, extent: int = TRIPS) -> For:
    return For(Var("i"), Const(extent), seq(*body))


def program(buffers: list[Buffer], *body: Stmt) -> Program:
    inner = seq(*body)
    for buffer in reversed(buffers):
        inner = Allocate(buffer, inner)
    return Program("main", (A, B, C), inner)


def ahead(given_program: Program, unit: Unit, stalled: Unit, works: int) -> int:
    """How many pieces of work `unit` can do while `stalled` has done `works` and does no more."""
    todo = {one: deque(step for step in steps(with_tokens(given_program)) if step.unit is one) for one in (LD, EX, ST)}
    tokens: Counter[object] = Counter()
    done: Counter[Unit] = Counter()
    moved = True
    while moved:
        moved = False
        for one, queue in todo.items():
            while queue:
                step = queue[0]
                if isinstance(step, Token):
                    if not step.push and not tokens[step.queue]:
                        break
                    tokens[step.queue] += 1 if step.push else -1
                elif one is stalled and done[one] == works:
                    break
                else:
                    done[one] += 1
                queue.popleft()
                moved = True
    return done[unit]


def token_count(given_program: Program) -> int:
    return sum(isinstance(node, Push | Pop) for node in walk(with_tokens(given_program)))


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize("works", [0, 1, 4])
def test_loads_run_ahead_by_as_many_iterations_as_there_are_copies(copies: int, works: int) -> None:
    x, y = chip("X", copies), chip("Y")
    loaded = program([x, y], trips(move(x, A), compute(y, x)))
    assert ahead(loaded, LD, EX, works) == min(works + copies, TRIPS)
    nested = program([x, y], trips(trips(move(x, A), compute(y, x), extent=2), extent=3))
    assert ahead(nested, LD, EX, works) == min(works + copies, TRIPS)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_sums_run_ahead_of_their_stores(copies: int) -> None:
    y = chip("Y", copies)
    drained = program([y], trips(compute(y), compute(y, y), move(C, y)))
    assert ahead(drained, EX, ST, 0) == 2 * copies
    assert ahead(drained, EX, ST, 2) == 2 * copies + 4


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_all_three_units_may_work_on_different_copies(copies: int) -> None:
    y = chip("Y", copies)
    drained = program([y], trips(move(y, A), compute(y, y), move(C, y)))
    handed = copies // 2
    assert ahead(drained, LD, ST, 0) == copies
    assert ahead(drained, LD, EX, 0) == 1 + handed
    assert ahead(drained, EX, ST, 0) == copies - handed


def test_loads_of_the_next_loop_do_not_wait_for_the_end_of_this_one() -> None:
    x, other, y = chip("X", 2), chip("X", 2), chip("Y")
    loops = [trips(move(buffer, A), compute(y, buffer)) for buffer in (x, other)]
    both = program([x, other, y], *(For(Var("j"), loop.extent, loop.body) for loop in loops))
    assert ahead(both, LD, EX, TRIPS - 3) == TRIPS - 1
    assert ahead(both, LD, EX, TRIPS - 2) == TRIPS + 2


def test_units_that_only_read_do_not_wait_for_each_other() -> None:
    x, y, z = chip("X", 2), chip("Y", 2), chip("Z")
    add = [move(x, B), compute(y, x), invoke("requantise", ST, [element(C)], [element(y), element(B)])]
    residual = program([x, y, z], compute(z), move(B, z), trips(*add))
    assert ahead(residual, LD, ST, 0) == 0
    assert ahead(residual, EX, ST, 1) == 1 + 2
    assert ahead(residual, LD, ST, 1) == 2 + 2
    assert token_count(program([x], move(x, A), trips(compute(x, x)), compute(x, x))) == 2
    assert token_count(program([x, y], trips(move(C, y), invoke("x", EX, [], [element(y)])))) == 0


def test_a_copy_that_inner_iterations_share_is_not_written_before_it_is_read() -> None:
    x, y = chip("X", 2), chip("Y")
    inner = trips(move(x, A), compute(y, x), extent=3)
    shared = program([x, y], For(Var("j"), Const(2), seq(inner, compute(y, x))))
    assert ahead(shared, LD, EX, 0) == 1
    assert interleaved(with_tokens(shared), 0) == sequential(assign_units(shared))


def test_what_may_be_skipped_does_not_stand_between_two_uses() -> None:
    x, y, j = chip("X"), chip("Y"), Var("j")
    for skipped in (
        For(Var("i"), maximum(0, j - 1), seq(move(x, B), compute(y, x))),
        If(equal(j, 1), seq(move(x, B), compute(y, x))),
    ):
        between = program([x, y], For(j, Const(2), seq(move(x, A), skipped, compute(y, x))))
        assert interleaved(with_tokens(between), 0) == sequential(assign_units(between))
        assert ahead(between, EX, LD, 0) == 0


def test_load_and_store_meet_through_compute() -> None:
    x = chip("X")
    text = str(insert_tokens(assign_units(program([x], move(x, A), move(C, x)))))
    assert text.splitlines()[1:] == [
        "ld.dma_copy2d(X, A)",
        "ld.push_dep_to(ex)",
        "ex.pop_dep_from(ld)",
        "ex.push_dep_to(st)",
        "st.pop_dep_from(ex)",
        "st.dma_copy2d(C, X)",
    ]
