"""Programs of vector operations: constants folded into the first step, chains, tensors that come back from DRAM."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dovetail.compiler.codegen.vdla import CodegenError, VdlaModule
from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Invoke, Stmt, seq
from dovetail.compiler.vdla import primitives
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Alu, AluOp, AluSource

from .programs import (
    EX,
    LD,
    ST,
    allocate,
    buffer,
    compiled,
    fill,
    handed,
    int8,
    load,
    loop,
    operand,
    region,
    run,
    store,
    whole,
)

SMALL = load_config("small")
LANES = SMALL.block_out
LOWEST = -(2**31)


def max_pool(config: Config, size: int, k: int, stride: int, pad: int) -> VdlaModule:
    """C[c][y][x] = the largest of A under a window, padded with -128."""
    out = (size + 2 * pad - k) // stride + 1
    inside = (out - 1) * stride + k
    a, c = buffer("A", LANES, size, size), buffer("C", LANES, out, out)
    al = buffer("AL", LANES, inside, inside, scope="inp_buffer")
    cl = buffer("CL", LANES, out, out, dtype="int32", scope="acc_buffer")
    y, x, ky, kx = (Var(name) for name in ("y", "x", "ky", "kx"))
    acc = operand(region(cl, (0, LANES), y, x), None, 0)
    inp = operand(region(al, (0, LANES), y * stride + ky, x * stride + kx), None, 0)
    step = Invoke(primitives.alu(AluOp.MAX, AluSource.INP), (acc,), (inp,), EX)
    finish = Invoke(primitives.requantise(("acc",)), (operand(whole(c), None, 0),), (operand(whole(cl), None, 0),), ST)
    body = [
        load(whole(al), region(a, (0, LANES), (-pad, inside), (-pad, inside)), padding=-128),
        handed(LD, EX, "AL"),
        loop(y, out, loop(x, out, fill(acc, LOWEST))),
        loop(y, out, loop(x, out, loop(ky, k, loop(kx, k, step)))),
        handed(EX, ST, "CL"),
        finish,
    ]
    return compiled(allocate([al, cl], *body), [a, c], config)


@pytest.mark.parametrize(("size", "k", "stride", "pad"), [(6, 2, 2, 0), (7, 3, 2, 1), (4, 3, 1, 1), (5, 1, 1, 0)])
def test_max_pooling_begins_with_a_move(size: int, k: int, stride: int, pad: int) -> None:
    a = int8(np.random.default_rng(0), LANES, size, size)
    module = max_pool(SMALL, size, k, stride, pad)
    padded = np.pad(a, ((0, 0), (pad, pad), (pad, pad)), constant_values=-128)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))[:, ::stride, ::stride]
    np.testing.assert_array_equal(run(module, {"A": a})["C"], windows.max(axis=(3, 4)))
    operations = [(i.op, i.uop_count) for i in module.program.instructions if isinstance(i, Alu)]
    assert operations == [(AluOp.MOV, 1), (AluOp.MAX, k * k - 1)][: 1 if k == 1 else 2]


def test_a_chain_of_operations_on_accumulators() -> None:
    """C = max(((A + B) << 2) - A, -1000) and one element is read before it is written."""
    rows = 5
    a, b, c = (buffer(name, rows, LANES, dtype="int32") for name in "ABC")
    al, bl = (buffer(name, rows, LANES, dtype="int32", scope="acc_buffer") for name in ("AL", "BL"))
    i = Var("i")

    def each(op: AluOp, source: Stmt | None = None, imm: int = 0) -> Stmt:
        target = operand(region(bl, i, (0, LANES)), None, 1)
        inputs = () if source is None else (operand(region(al, i, (0, LANES)), None, 1),)
        kind = AluSource.IMM if source is None else AluSource.ACC
        return loop(i, rows, Invoke(primitives.alu(op, kind, imm), (target,), inputs, EX))

    shifted = Invoke(
        primitives.alu(AluOp.MOV, AluSource.ACC),
        (operand(region(bl, i + 1, (0, LANES)), None, 1),),
        (operand(region(bl, i, (0, LANES)), None, 1),),
        EX,
    )
    body = [
        load(whole(al), whole(a)),
        load(whole(bl), whole(b)),
        handed(LD, EX, "L"),
        each(AluOp.ADD, seq()),
        each(AluOp.SHL, imm=2),
        each(AluOp.SUB, seq()),
        each(AluOp.MAX, imm=-1000),
        loop(i, rows - 1, shifted),
        handed(EX, ST, "BL"),
        store(whole(c), whole(bl)),
    ]
    rng = np.random.default_rng(1)
    given = {name: rng.integers(-(2**20), 2**20, (rows, LANES), np.int32) for name in "AB"}
    result = run(compiled(allocate([al, bl], *body), [a, b, c], SMALL), given)["C"]
    first = np.maximum(((given["A"] + given["B"]) << 2) - given["A"], -1000)[0]
    np.testing.assert_array_equal(result, np.broadcast_to(first, (rows, LANES)))


@pytest.mark.parametrize("value", [0, 7, -32768, 40000, LOWEST, 2**31 - 1])
def test_any_constant(value: int) -> None:
    c = buffer("C", 3, LANES, dtype="int32")
    cl = buffer("CL", 3, LANES, dtype="int32", scope="acc_buffer")
    i = Var("i")
    body = [
        loop(i, 3, fill(operand(region(cl, i, (0, LANES)), None, 1), value)),
        handed(EX, ST, "CL"),
        store(whole(c), whole(cl)),
    ]
    assert (run(compiled(allocate([cl], *body), [c], SMALL), {})["C"] == value).all()


def through_dram(config: Config, rows: int) -> VdlaModule:
    """T = A + 1, saturated, in DRAM; C = T + T. The two stages' buffers exist one after the other."""
    a, c = buffer("A", rows, LANES), buffer("C", rows, LANES, dtype="int32")
    t = buffer("T", rows, LANES)
    first = [buffer(f"{name}1", rows, LANES, dtype=dtype, scope=scope) for name, dtype, scope in ON_CHIP]
    second = [buffer(f"{name}2", rows, LANES, dtype=dtype, scope=scope) for name, dtype, scope in ON_CHIP]
    i = Var("i")

    def add(inp: object, acc: object) -> Stmt:
        target, source = region(acc, i, (0, LANES)), region(inp, i, (0, LANES))  # type: ignore[arg-type]
        kind = primitives.alu(AluOp.ADD, AluSource.INP)
        return loop(i, rows, Invoke(kind, (operand(target, None, 1),), (operand(source, None, 1),), EX))

    def constant(acc: object, value: int) -> Stmt:
        return loop(i, rows, fill(operand(region(acc, i, (0, LANES)), None, 1), value))  # type: ignore[arg-type]

    finish = Invoke(
        primitives.requantise(("acc",)), (operand(whole(t), None, 1),), (operand(whole(first[1]), None, 1),), ST
    )
    one = allocate(
        first,
        load(whole(first[0]), whole(a)),
        handed(LD, EX, "A1"),
        constant(first[1], 1),
        add(*first),
        handed(EX, ST, "C1"),
        finish,
    )
    two = allocate(
        second,
        handed(ST, EX, "T"),
        handed(EX, LD, "T"),
        load(whole(second[0]), whole(t)),
        handed(LD, EX, "A2"),
        constant(second[1], 0),
        add(*second),
        add(*second),
        handed(EX, ST, "C2"),
        store(whole(c), whole(second[1])),
    )
    return compiled(allocate([t], one, two), [a, c], config)


ON_CHIP = (("I", "int8", "inp_buffer"), ("S", "int32", "acc_buffer"))


@pytest.mark.parametrize("depth", [16, 64])
def test_a_tensor_in_dram_between_two_stages_that_share_memory_if_they_must(depth: int) -> None:
    config = dataclasses.replace(SMALL, inp_depth=depth, acc_depth=depth)
    a = int8(np.random.default_rng(2), 12, LANES)
    result = run(through_dram(config, 12), {"A": a})["C"]
    np.testing.assert_array_equal(result, 2 * np.minimum(a.astype(np.int32) + 1, 127))


def test_a_buffer_used_as_inputs_and_as_weights_is_refused() -> None:
    config = load_config("batch8")
    a, c = buffer("A", 8, 8), buffer("C", 8, 8, dtype="int32")
    al = buffer("AL", 8, 8, scope="inp_buffer")
    cl = buffer("CL", 8, 8, dtype="int32", scope="acc_buffer")
    square = Invoke(
        primitives.gemm("gemm"), (operand(whole(cl), 0, 1),), (operand(whole(al), 0, 1), operand(whole(al), 0, 1)), EX
    )
    body = [load(whole(al), whole(a)), square, store(whole(c), whole(cl))]
    with pytest.raises(CodegenError, match="^AL cannot be in two memories"):
        compiled(allocate([al, cl], *body), [a, c], config)


def test_one_tensor_in_two_layouts_is_refused() -> None:
    config = load_config("default")
    a, c = buffer("A", 16, 16), buffer("C", 1, 16, dtype="int32")
    al, bl = buffer("AL", 1, 16, scope="inp_buffer"), buffer("BL", 16, 16, scope="wgt_buffer")
    cl = buffer("CL", 1, 16, dtype="int32", scope="acc_buffer")
    product = Invoke(
        primitives.gemm("gemm"), (operand(whole(cl), 0, 1),), (operand(whole(al), 0, 1), operand(whole(bl), 0, 1)), EX
    )
    body = [load(whole(al), region(a, 0, (0, 16))), load(whole(bl), whole(a)), product, store(whole(c), whole(cl))]
    with pytest.raises(CodegenError, match="^A: one use needs entries of"):
        compiled(allocate([al, bl, cl], *body), [a, c], config)
