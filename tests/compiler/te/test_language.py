"""The language: what expressions mean, what they are called, and what is refused, at which line."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest

import dovetail as t
from dovetail.compiler.te.walk import tensors_of
from dovetail.compiler.tir.expr import Const, Select, TypeMismatch
from tests.compiler.te_reference import Array, evaluate


def value(tensor: t.Tensor, *inputs: tuple[t.Tensor, Array]) -> Array:
    (result,) = evaluate([tensor], dict(inputs))
    return result


def refusal(build: Callable[[], object], offset: int = 1) -> str:
    """The message of the error that `build` raises, less the location, which is `offset` lines below ``def``."""
    with pytest.raises(t.LanguageError) as caught:
        build()
    line = inspect.getsourcelines(build)[1] + offset
    where, message = str(caught.value).split(": ", 1)
    assert where == f"{__file__}:{line}"
    return message


def test_names_come_from_the_variable_that_is_assigned() -> None:
    A = t.placeholder((4, 4))  # noqa: N806
    k = t.reduce_axis((0, 4))
    total: t.Tensor = t.compute((4,), lambda row: t.sum(A[row, k], axis=k))
    several = [t.compute((4,), lambda row: total[row])]
    assert (A.name, k.name, total.name, several[0].name) == ("A", "k", "total", "T")
    spread = t.compute(
        (2, 3, 4),
        lambda y, *x: y + x[0] * x[1],
    )
    assert spread.name == "spread"
    assert [axis.name for axis in spread.op.axis] == ["y", "x0", "x1"]
    assert t.placeholder((1,), name="other").name == "other"
    # fmt: off
    first = t.placeholder((1,)); é = [0]; second: t.Tensor = t.placeholder((1,))  # noqa: E702
    third = [t.placeholder((1,)), é]; fourth = t.compute((1,), lambda i: t.placeholder((1,))[i])  # noqa: E702
    # fmt: on
    (inner,) = tensors_of(fourth.op.body)
    assert [one.name for one in (first, second, third[0], fourth, inner)] == ["first", "second", "T", "fourth", "T"]


def test_a_matrix_product() -> None:
    a, b = t.placeholder((3, 5), "int8", name="a"), t.placeholder((4, 5), "int8", name="b")
    k = t.reduce_axis((0, 5))
    c = t.compute((3, 4), lambda y, x: t.sum(a[y, k].astype("int32") * t.cast("int32", b[x, k]), axis=k))
    rng = np.random.default_rng(0)
    p, q = rng.integers(-128, 128, (3, 5), np.int8), rng.integers(-128, 128, (4, 5), np.int8)
    assert c.dtype == "int32"
    assert np.array_equal(value(c, (a, p), (b, q)), p.astype(np.int32) @ q.T.astype(np.int32))


def test_shapes_may_be_symbolic() -> None:
    m, h = t.var("m"), t.var("h")
    a = t.placeholder((m, h), name="a")
    k = t.reduce_axis((1, h), name="k")
    c = t.compute((m,), lambda y: t.sum(a[y, k], axis=k))
    assert c.shape == (m,)
    assert k.extent == h - 1
    assert k.begin == Const(1)


def test_axes_take_part_in_arithmetic() -> None:
    a = t.placeholder((12,), "int32")
    k = t.reduce_axis((0, 3))
    c = t.compute((4,), lambda i: t.sum(a[k * 4 + i] * (k + 1) + (-k) * (2 - k) + (i < k).astype("int32"), axis=k))
    x = np.arange(12, dtype=np.int32)
    expected = [sum(x[4 * j + i] * (j + 1) - j * (2 - j) + (i < j) for j in range(3)) for i in range(4)]
    assert value(c, (a, x)).tolist() == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: t.max(x, 0, -x), lambda x: np.abs(x)),
        (lambda x: t.min(x, 5), lambda x: np.minimum(x, 5)),
        (lambda x: t.clip(x, -3, 5), lambda x: np.clip(x, -3, 5)),
        (lambda x: t.saturate(x * 100, "int8"), lambda x: np.clip(x * 100, -128, 127).astype(np.int8)),
        (lambda x: t.saturate(x, "uint8"), lambda x: np.clip(x, 0, 255).astype(np.uint8)),
        (lambda x: t.saturate(x.astype("float32") * 1e9, "int32"), lambda x: saturated(x)),
        (lambda x: t.round_shift(x, 1), lambda x: np.rint(x / 2).astype(np.int32)),
        (lambda x: t.select(t.any(x < -5, x > 5), 1, 0), lambda x: ((x < -5) | (x > 5)).astype(np.int32)),
        (lambda x: t.select(t.all(x >= -5, x <= 5, t.not_equal(x, 0)), x, 9), None),
        (lambda x: t.select(t.equal(x, 3), 0, x), lambda x: np.where(x == 3, 0, x)),
        (lambda x: t.abs(x) % 3 + (x >> 1) - (x // 2), lambda x: np.abs(x) % 3),
        (lambda x: t.exp(x.astype("float32")), lambda x: np.exp(x.astype(np.float32))),
        (lambda x: t.sqrt(t.abs(x.astype("float32"))), lambda x: np.sqrt(np.abs(x).astype(np.float32))),
        (lambda x: t.tanh(x.astype("float32") / 2), lambda x: np.tanh(x.astype(np.float32) / 2)),
        (lambda x: t.round(x.astype("float32") / 2), lambda x: np.rint(x.astype(np.float32) / 2)),
        (lambda x: t.ceil(x.astype("float64") / 4), lambda x: np.ceil(x / 4)),
        (lambda x: t.pow(t.abs(x).astype("float32"), 0.5), lambda x: np.abs(x).astype(np.float32) ** np.float32(0.5)),
        (lambda x: t.fmod(x.astype("float64"), 3), lambda x: np.fmod(x, 3.0)),
        (lambda x: t.isnan(t.log(x.astype("float32"))), lambda x: x < 0),
        (lambda x: t.isinf(t.log(t.abs(x).astype("float32"))), lambda x: x == 0),
    ],
)
def test_functions_of_elements(
    expression: Callable[[t.Tensor], t.Tensor], expected: Callable[[Array], Array] | None
) -> None:
    x = np.arange(-10, 11, dtype=np.int32)
    a = t.placeholder(x.shape, "int32")
    result = value(t.compute(x.shape, lambda i: expression(a[i])), (a, x))
    reference = expected(x) if expected else np.where((x >= -5) & (x <= 5) & (x != 0), x, 9)
    assert result.dtype == reference.dtype
    assert np.array_equal(result, reference)


def saturated(x: Array) -> Array:
    wide = np.clip((x.astype(np.float32) * np.float32(1e9)).astype(np.float64), -(2**31), 2**31 - 128)
    return wide.astype(np.int32)


def test_reductions_over_several_axes_start_from_the_identity_of_their_type() -> None:
    x = -np.arange(1, 25, dtype=np.int8).reshape(2, 3, 4)
    a = t.placeholder(x.shape, "int8")
    j, k = t.reduce_axis((0, 3), name="j"), t.reduce_axis((0, 4), name="k")
    assert np.array_equal(value(t.compute((2,), lambda i: t.max(a[i, j, k], axis=[j, k])), (a, x)), x.max((1, 2)))
    assert np.array_equal(value(t.compute((2,), lambda i: t.min(a[i, j, k], axis=[j, k])), (a, x)), x.min((1, 2)))
    product = np.prod(x, (1, 2), dtype=np.int8)
    assert np.array_equal(value(t.compute((2,), lambda i: t.product(a[i, j, k], axis=[j, k])), (a, x)), product)
    assert t.compute((2,), lambda i: t.max(a[i, j, k], axis=[j, k])).op.body.identity == -128
    assert t.compute((2,), lambda i: t.min(a[i, j, k].astype("float32"), axis=[j, k])).op.body.identity == np.inf


def test_if_then_else_evaluates_one_arm_only_and_select_both() -> None:
    a = t.placeholder((4,))
    guarded = t.compute((6,), lambda i: t.if_then_else(t.all(i >= 1, i < 5), a[i - 1], 0))
    body = guarded.op.body
    assert isinstance(body, Select) and body.guard
    assert value(guarded, (a, np.ones(4, np.float32))).tolist() == [0, 1, 1, 1, 1, 0]
    assert not t.select(guarded[0] < 1, 1.0, 2).guard


def test_only_reads_that_certainly_leave_their_tensor_are_refused() -> None:
    a, n = t.placeholder((8,), name="a"), t.var("n")
    where = t.placeholder((64,), "int32", name="where")
    symbolic = t.placeholder((n,), name="symbolic")
    k = t.reduce_axis((3, 5), name="k")
    t.compute((64,), lambda y: t.if_then_else(y < 8, a[y], 0))
    t.compute((64,), lambda y: a[y % 8] + a[y // 8] + a[where[y]] + symbolic[y])
    t.compute((n,), lambda y: a[y])
    t.compute((4,), lambda y: t.sum(a[7 - y - (k - 3)] + a[y + k - 3], axis=k))


def test_a_wrong_number_of_indices_is_refused_at_its_line() -> None:
    a = t.placeholder((4, 5))

    def build() -> None:
        t.compute(
            (4,),
            lambda i: a[i],
        )

    assert refusal(build, 3) == "a has 2 axes, (4, 5), but 1 index is given"


def test_mixed_types_are_refused_at_their_line() -> None:
    a, b = t.placeholder((4,), "int8", name="a"), t.placeholder((4,), "uint8", name="b")

    def build() -> None:
        t.compute(
            (4,),
            lambda i: a[i] + b[i],
            name="c",
        )

    expected = "c: int8 and uint8 do not meet in either; cast one of them, to a wider type for instance"
    assert refusal(build, 3) == expected


def test_a_condition_in_python_is_refused_at_its_line() -> None:
    a = t.placeholder((4,), name="a")

    def build() -> None:
        def element(i: t.Tensor) -> t.Tensor:
            return a[i] if i < 2 else 0

        t.compute((4,), element, name="c")

    expected = "c: the value of i < 2 is not known yet; use select or if_then_else instead of if"
    assert refusal(build, 2) == expected


A = t.placeholder((4, 5), name="A")
I8 = t.placeholder((4,), "int8", name="I8")
K = t.reduce_axis((0, 5), name="k")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: t.placeholder((4, 0), name="z"), "an extent of z is 0; it must be at least 1"),
        (
            lambda: t.placeholder((2.5,), name="z"),
            "an extent of z must be an integer, not 2.5 of float32; cast it to int32",
        ),
        (
            lambda: t.placeholder((4,), "float16"),
            "no dtype 'float16'; use one of bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float32, "
            "float64",
        ),
        (
            lambda: t.placeholder((4,), np.int8),
            "no dtype <class 'numpy.int8'>; use one of bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, "
            "float32, float64",
        ),
        (lambda: t.placeholder((4,), "int8x4"), "no dtype 'int8x4'; use one of bool, int8, "),
        (lambda: t.placeholder(None, name="z"), "the shape of z is a sequence of extents, not None"),
        (lambda: t.compute((4,), 0, name="c"), "c: a function of its indices is needed, such as lambda i: A[i], not 0"),
        (
            lambda: t.select(A[0, 0] == 1, 1, 2),
            "a condition is False whatever the indices are; == and != compare the expressions themselves, use equal or "
            "not_equal",
        ),
        (lambda: t.var("n", "float32"), "a size is an integer, not float32; use int32"),
        (lambda: t.reduce_axis((3, 3), name="r"), "reduce axis r is empty: (3, 3)"),
        (lambda: t.reduce_axis(7, name="r"), "reduce axis r needs (begin, end), not 7"),
        (lambda: t.thread_axis("warp"), "no thread axis 'warp'; use one of blockIdx.x, blockIdx.y, blockIdx.z, "),
        (lambda: t.thread_axis("vthread", 0), "thread axis vthread needs an extent of at least 1, not 0"),
        (lambda: A[0, 5], "index 1 of A is 5, outside of its extent 5"),
        (lambda: A[-1, 0], "index 0 of A is -1, outside of its extent 4"),
        (
            lambda: t.compute((64,), lambda y: A[2, y] + 1, name="c"),
            "c: index 1 of A, y, reaches 63, outside of its extent 5; guard the read with if_then_else or "
            "make y smaller",
        ),
        (
            lambda: t.compute((4,), lambda y: t.sum(A[y, 2 * K - 1], axis=K), name="c"),
            "c: index 1 of A, 2 * k - 1, reaches -1, outside of its extent 5; guard the read with if_then_else",
        ),
        (
            lambda: t.compute((4,), lambda y: t.if_then_else(A[y + 1, 0] > 0, A[y + 1, 0], 0), name="c"),
            "c: index 0 of A, y + 1, reaches 4, outside of its extent 4; guard the read with if_then_else or "
            "make y smaller",
        ),
        (
            lambda: t.TensorIntrinsic(
                "add", t.compute((4,), lambda y: A[y, 0] + I8[y].astype("float32"), name="c"), (A,)
            ),
            "intrinsic add: its inputs are (A), but c reads (A, I8)",
        ),
        (
            lambda: t.TensorIntrinsic("copy", A, (A,)),
            "intrinsic copy: its output, A, is not computed",
        ),
        (lambda: A[0, 1.5], "index 1 of A must be an integer, not 1.5 of float32; cast it to int32"),
        (lambda: A[0, "x"], "index 1 of A: expected an expression or a number, not 'x'"),
        (
            lambda: t.compute((4,), lambda y, x: A[y, x], name="c"),
            "c has 1 axis but its function takes 2 indices (y, x)",
        ),
        (lambda: t.compute((4,), lambda y: None, name="c"), "c: expected an expression or a number, not None"),
        (
            lambda: t.compute((4,), lambda y: t.sum(A[y, K], axis=K) + 1, name="c"),
            "c: a reduction must be the whole of a tensor; compute it as a tensor of its own and read that",
        ),
        (
            lambda: t.compute((4,), lambda y: A[y, K], name="c"),
            "c: k is neither an index of it nor a size of what it reads; reduce over it with sum(..., axis=k), or make "
            "it an index",
        ),
        (
            lambda: t.compute((4,), lambda y: t.sum(A[y, K], axis=y), name="c"),
            "sum reduces over axes of reduce_axis, not y",
        ),
        (lambda: t.sum(A[0, K], axis=[K, K]), "sum reduces over k twice"),
        (lambda: t.max(A[0, K], axis=[]), "max needs an axis to reduce over"),
        (lambda: t.max(A[0, 0]), "max takes either several values or one and axis="),
        (lambda: t.sum(A[0, K] < 1, axis=K), "sum takes numbers, not bool; cast it"),
        (lambda: t.select(A[0, 0], 1, 2), "a condition is boolean, not float32; compare it with something"),
        (lambda: t.all(), "all needs at least one condition"),
        (lambda: t.exp(I8[0]), "exp takes floats, not int8; cast it"),
        (lambda: t.round_shift(A[0, 0], 2), "round_shift takes integers, not float32"),
        (
            lambda: t.round_shift(I8[0].astype("uint64"), 2),
            "round_shift takes integers that int64 holds, not uint64; cast it",
        ),
        (lambda: t.saturate(A[0, 0], "float32"), "saturate gives integers, not float32; use cast"),
        (lambda: t.clip(I8[0], 0, A), "expected an expression or a number, not Tensor(A, shape=(4, 5), dtype=float32)"),
    ],
)
def test_what_has_no_meaning_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(t.LanguageError) as caught:
        build()
    where, what = str(caught.value).split(": ", 1)
    assert where == f"{__file__}:{build.__code__.co_firstlineno}"
    assert what.startswith(message)


def test_tensors_are_not_iterated_nor_expressions_decided() -> None:
    with pytest.raises(TypeError, match="tensor A cannot be iterated; index it with 2 indices"):
        list(A)
    with pytest.raises(TypeMismatch, match="is not known yet"):
        bool(A[0, 0] < 1)
