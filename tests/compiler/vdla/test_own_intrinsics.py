"""Tensor intrinsics that users declare: an expression, and primitives in NumPy or of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dovetail as t
from dovetail.compiler.lower.errors import TensorizeError
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.vdla import primitives
from dovetail.isa.instructions import AluOp, AluSource

Arrays = tuple[NDArray[Any], ...]
SMALL = t.vdla.using("small")
LANES = SMALL.config.block_out


def distance_of_fours() -> t.TensorIntrinsic:
    """Sums of absolute differences of four uint8, computed by NumPy, in any memory."""
    a = t.placeholder((4,), "uint8")
    b = t.placeholder((4,), "uint8")
    k = t.reduce_axis((0, 4))
    difference = a[k].astype("int32") - b[k].astype("int32")
    out = t.compute((1,), lambda i: t.sum(t.abs(difference), axis=k))

    def clear(outputs: Arrays, inputs: Arrays) -> None:
        outputs[0][...] = 0

    def add(outputs: Arrays, inputs: Arrays) -> None:
        one, other = (part.astype(np.int32) for part in inputs)
        outputs[0][...] += np.abs(one - other).sum(dtype=np.int32)

    reset, update = t.Primitive("clear", None, clear), t.Primitive("add_distance", None, add)
    return t.TensorIntrinsic("distance4", out, (a, b), reset=reset, update=update)


def test_an_intrinsic_in_numpy_runs_in_the_interpreter(rng: np.random.Generator) -> None:
    A = t.placeholder((6, 32), "uint8")  # noqa: N806
    B = t.placeholder((32,), "uint8")  # noqa: N806
    k = t.reduce_axis((0, 32))
    C = t.compute(  # noqa: N806
        (6,), lambda i: t.sum(t.abs(A[i, k].astype("int32") - B[k].astype("int32")), axis=k)
    )
    s = t.create_schedule(C)
    _, inner = s[C].split(k, 4)
    s[C].tensorize(inner, distance_of_fours())
    program = t.lower(s, [A, B, C])
    assert str(program).splitlines()[1:] == [
        "    vdla.clear(C[i])",
        "    for ko in range(8):",
        "        vdla.add_distance(C[i], A[i][ko*4:ko*4+4], B[ko*4:ko*4+4])",
    ]
    rows, row = rng.integers(0, 256, (6, 32), np.uint8), rng.integers(0, 256, 32, np.uint8)
    result = np.full(6, -1, np.int32)
    run(program, rows, row, result)
    np.testing.assert_array_equal(result, np.abs(rows.astype(np.int32) - row).sum(axis=1))


def running_maximum(dtype: str = "int8", lanes: int = LANES) -> t.TensorIntrinsic:
    """The larger of each accumulator and an input, by the machine's ALU."""
    inp = t.placeholder((1, lanes), dtype, name="inp")
    step = t.reduce_axis((0, 1))
    most = t.compute((1, lanes), lambda b, o: t.max(inp[b, o].astype("int32"), axis=step))
    return t.TensorIntrinsic(
        "running_maximum",
        most,
        (inp,),
        {inp: (SMALL.inp_buffer,), most: (SMALL.acc_buffer,)},
        reset=primitives.fill(np.iinfo(np.int32).min),
        update=primitives.alu(AluOp.MAX, AluSource.INP, name="running_maximum"),
    )


def maxima(intrinsic: t.TensorIntrinsic, scope: str = SMALL.inp_buffer) -> tuple[Schedule, list[Tensor]]:
    """The maximum of each column."""
    A = t.placeholder((9, 2 * LANES), "int8")  # noqa: N806
    k = t.reduce_axis((0, 9))
    C = t.compute((2 * LANES,), lambda x: t.max(A[k, x].astype("int32"), axis=k))  # noqa: N806
    s = t.create_schedule(C)
    CL = s.cache_write(C, SMALL.acc_buffer)  # noqa: N806
    AL = s.cache_read(A, scope)  # noqa: N806
    xo, _ = s[C].split(s[C].op.axis[0], LANES)
    s[CL].compute_at(s[C], xo)
    (x,) = s[CL].op.axis
    s[CL].reorder(k, x)
    s[AL].compute_at(s[CL], k)
    s[CL].tensorize(x, intrinsic)
    return s, [A, C]


@pytest.mark.parametrize("device", ["fsim", pytest.param("rtl", marks=pytest.mark.rtl)])
def test_an_intrinsic_of_the_machine_s_primitives_runs_on_it(device: str, rng: np.random.Generator) -> None:
    schedule, args = maxima(running_maximum())
    rows = rng.integers(-128, 128, (9, 2 * LANES)).astype(np.int8)
    result = np.zeros(2 * LANES, np.int32)
    t.build(schedule, args, t.target.vdla("small", device, checks=True))(rows, result)
    np.testing.assert_array_equal(result, rows.max(axis=0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"intrinsic": running_maximum(lanes=4)}, r"loop x has the extent 8, axis o of running_maximum 4"),
        ({"intrinsic": running_maximum("uint8")}, r"int8.*uint8"),
        ({"intrinsic": SMALL.accumulate}, r"the stage reduces by max .*, the intrinsic reduces by \+"),
        ({"intrinsic": running_maximum(), "scope": "wgt_buffer"}, r"AL lies in wgt_buffer, operand inp in inp_buffer"),
    ],
)
def test_what_an_intrinsic_does_not_compute_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(TensorizeError, match=r"^CL\.tensorize\(x, \w+\): .*" + message) as error:
        t.lower(*maxima(**wrong))
    assert len(str(error.value).splitlines()) == 1
