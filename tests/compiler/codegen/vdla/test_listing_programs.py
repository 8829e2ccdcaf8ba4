"""The listings' programs, given as loop programs: instructions as listed, results as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler.codegen.vdla import CodegenError, VdlaModule
from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Invoke, Stmt, seq
from dovetail.compiler.vdla import primitives
from dovetail.isa.config import Config, load_config
from dovetail.isa.disassembler import format_instruction
from dovetail.isa.instructions import AluOp, AluSource

from .programs import (
    EX,
    LD,
    ST,
    allocate,
    buffer,
    compiled,
    fill,
    gemm,
    handed,
    int8,
    load,
    loop,
    operand,
    pop,
    push,
    region,
    run,
    store,
    whole,
)


def tensorized_matmul(config: Config, m: int, n: int, k: int) -> VdlaModule:
    """C[y][x] = sum over k of A[k][y] * B[k][x], tile by tile, as listing 2 has it."""
    rows, ks, cols = config.batch, config.block_in, config.block_out
    a, b, c = buffer("A", k, m), buffer("B", k, n), buffer("C", m, n, dtype="int32")
    al, bl = buffer("AL", ks, rows, scope="inp_buffer"), buffer("BL", ks, cols, scope="inp_buffer")
    cl = buffer("CL", rows, cols, dtype="int32", scope="acc_buffer")
    yo, xo, ko = Var("yo"), Var("xo"), Var("ko")
    body = loop(
        yo,
        -(-m // rows),
        loop(
            xo,
            -(-n // cols),
            pop(EX, ST, "CL"),
            fill(operand(whole(cl), 0, 1)),
            loop(
                ko,
                -(-k // ks),
                pop(LD, EX, "L"),
                load(whole(al), region(a, (ko * ks, ks), (yo * rows, rows))),
                load(whole(bl), region(b, (ko * ks, ks), (xo * cols, cols))),
                handed(LD, EX, "L"),
                gemm(operand(whole(cl), 0, 1), operand(whole(al), 1, 0), operand(whole(bl), 1, 0)),
                push(EX, LD, "L"),
            ),
            handed(EX, ST, "CL"),
            store(region(c, (yo * rows, rows), (xo * cols, cols)), whole(cl)),
            push(ST, EX, "CL"),
        ),
    )
    credits = push(EX, LD, "L"), push(ST, EX, "CL")
    ends = pop(LD, EX, "L"), pop(EX, ST, "CL")
    return compiled(allocate([al, bl, cl], *credits, body, *ends), [a, b, c], config)


@pytest.mark.parametrize("name", ["batch8", "default", "tiny", "small"])
def test_listing_2_multiplies_on_every_machine(name: str) -> None:
    config, rng = load_config(name), np.random.default_rng(1)
    m, n, k = 3 * config.batch, 2 * config.block_out, 3 * config.block_in
    a, b = int8(rng, k, m), int8(rng, k, n)
    result = run(tensorized_matmul(config, m, n, k), {"A": a, "B": b})["C"]
    np.testing.assert_array_equal(result, a.astype(np.int32).T @ b.astype(np.int32))


def test_listing_2_overwrites_instead_of_filling() -> None:
    config = load_config("batch8")
    program = tensorized_matmul(config, 16, 16, 24).program
    kinds = [instruction.opcode.name for instruction in program.instructions]
    assert "ALU" not in kinds
    gemms = [instruction for instruction in program.instructions if instruction.opcode.name == "GEMM"]
    assert [gemm.overwrite for gemm in gemms] == [True, False, False] * 4


def test_sizes_that_are_no_multiple_of_a_block_are_filled_up_with_zeros() -> None:
    config, rng = load_config("default"), np.random.default_rng(2)
    a, b = int8(rng, 21, 5), int8(rng, 21, 18)
    result = run(tensorized_matmul(config, 5, 18, 21), {"A": a, "B": b})["C"]
    np.testing.assert_array_equal(result, a.astype(np.int32).T @ b.astype(np.int32))


def listing_4(config: Config) -> VdlaModule:
    """The program of listing 4 after virtual threads are lowered, with a start and an end for its sums."""
    lanes, steps = config.block_out, 128
    a, c = buffer("A", steps, 2 * lanes), buffer("C", 2, lanes, dtype="int32")
    cl = buffer("CL", 2, lanes, dtype="int32", scope="acc_buffer")
    al = buffer("AL", 2, lanes, scope="inp_buffer")
    k = Var("k")
    accumulate = primitives.alu(AluOp.ADD, AluSource.INP)

    def sums(thread: int) -> Stmt:
        acc, inp = region(cl, thread, (0, lanes)), region(al, thread, (0, lanes))
        return Invoke(accumulate, (operand(acc, None, 1),), (operand(inp, None, 1),), EX)

    body = [
        *(fill(operand(region(cl, thread, (0, lanes)), None, 1)) for thread in range(2)),
        *(push(EX, LD, "AL", thread) for thread in range(2)),
        loop(
            k,
            steps,
            *(
                seq(
                    pop(LD, EX, "AL", thread),
                    load(region(al, thread, (0, lanes)), region(a, k, (thread * lanes, lanes))),
                    push(LD, EX, "AL", thread),
                )
                for thread in range(2)
            ),
            *(seq(pop(EX, LD, "AL", t), sums(t), push(EX, LD, "AL", t)) for t in range(2)),
        ),
        *(pop(LD, EX, "AL", thread) for thread in range(2)),
        handed(EX, ST, "CL"),
        store(whole(c), whole(cl)),
    ]
    return compiled(allocate([cl, al], *body), [a, c], config)


def tokens_of(module: VdlaModule) -> list[str]:
    """Mnemonics and tokens of the instructions."""
    lines = [format_instruction(instruction).split() for instruction in module.program.instructions]
    return [" ".join(word for word in line if word is line[0] or word.startswith(("pop", "push"))) for line in lines]


def test_listing_4_has_the_tokens_of_the_listing() -> None:
    config = load_config("small")
    module = listing_4(config)
    step = ["load pop(compute) push(compute)"] * 2 + ["alu pop(load) push(load)"] * 2
    assert tokens_of(module) == [
        *["sync push(load)"] * 2,
        "load",
        *(step * 128)[:-1],
        "alu pop(load) push(load,store)",
        "store pop(compute)",
        *["sync pop(compute)"] * 2,
        "finish",
    ]


def test_a_pop_without_its_push_is_refused() -> None:
    config = load_config("small")
    cl = buffer("CL", config.block_out, dtype="int32", scope="acc_buffer")
    body = [pop(EX, LD, "CL"), fill(operand(whole(cl), None, 0))]
    with pytest.raises(CodegenError, match="compute pops a token of .*CL.* before load pushes it"):
        compiled(allocate([cl], *body), [], config)


def test_listing_4_adds_up() -> None:
    config, rng = load_config("small"), np.random.default_rng(3)
    a = int8(rng, 128, 2 * config.block_out)
    result = run(listing_4(config), {"A": a})["C"]
    np.testing.assert_array_equal(result.reshape(-1), a.astype(np.int32).sum(axis=0))
