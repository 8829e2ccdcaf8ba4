"""Matrix products on the CPU, in float32 and in int8: [m, k] times the transpose of constant weights [n, k]."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.compiler import te
from dovetail.compiler.codegen.llvm.intrinsics import dot4
from dovetail.compiler.te import Schedule, Tensor, TensorIntrinsic
from dovetail.compiler.tir.expr import Expr
from dovetail.compiler.tir.stmt import LOCAL

from ..errors import OperatorError
from ..shapes import MatmulShape, blocks
from .conv2d import TOGETHER
from .frame import OFFSET
from .knobs import MatmulKnobs, matmul_knobs
from .operator import Array, CpuOperator
from .packing import check_constant, in_lanes, matmul_weights, table_in_lanes
from .requantise import MAX_SUM, Requantised, Result, channel_table, requantised, with_residual
from .schedules import parallel


def matmul_float32(
    shape: MatmulShape, *, bias: bool = False, relu: bool = False, knobs: MatmulKnobs | None = None
) -> CpuOperator:
    """float32 [m, k] to float32 [m, n].

    Constants: weights float32 [n, k] and, with `bias`, float32 [n].

    Parameters
    ----------
    relu:
        What is below 0 becomes 0.
    knobs:
        By default those of `matmul_knobs`.
    """
    knobs = knobs or matmul_knobs(shape)
    cut = _Cut(shape, knobs)
    data = te.placeholder((shape.m, shape.k), "float32", name="data")
    weights = te.placeholder((cut.blocks, shape.k, knobs.vectors, knobs.lanes), "float32", name="weights")
    biases = te.placeholder((cut.blocks, knobs.vectors, knobs.lanes), "float32", name="bias")
    whole = cut.rows == shape.m
    rows = data if whole else te.compute((cut.rows, shape.k), lambda r, c: cut.row(r, data[r, c]), name="rows")
    c = te.reduce_axis((0, shape.k), "c")
    sums = te.compute(cut.blocked, lambda r, b, o, v: te.sum(rows[r, c] * weights[b, c, o, v], axis=c), name="sums")

    def finish(r: Expr, b: Expr, o: Expr, v: Expr) -> Expr:
        value = sums[r, b, o, v]
        if bias:
            value = value + biases[b, o, v]
        return te.max(value, 0.0) if relu else value

    schedule, out = cut.schedule(sums, finish, None if whole else rows)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("matmul", "weights", constants[0], (shape.n, shape.k), "float32")
        packed = matmul_weights(constants[0], knobs.vectors, knobs.lanes)
        if not bias:
            return (packed,)
        check_constant("matmul", "bias", constants[1], (shape.n,), "float32")
        return packed, in_lanes(constants[1], 1, knobs.vectors, knobs.lanes)[0]

    return CpuOperator("matmul_float32", schedule, (data, weights, *([biases] if bias else []), out), pack)


def matmul_int8(shape: MatmulShape, result: Result | None = None, *, knobs: MatmulKnobs | None = None) -> CpuOperator:
    """int8 [m, k], and the residual if there is one, to int8 [m, n], requantised a column at a time, or to the int32
    sums.

    Constants: weights int8 [n, k]; for int8 also bias and multiplier int32 [n], shift [n], 0 to 63.

    Parameters
    ----------
    result:
        By default int8 without a zero point, limits or a residual, for any constants.
    knobs:
        By default those of `matmul_knobs`.

    Raises
    ------
    OperatorError:
        int32 cannot hold the sums.
    """
    knobs = knobs or matmul_knobs(shape)
    result = result or Requantised()
    if shape.k * OFFSET * (2 * OFFSET - 1) > MAX_SUM:
        raise OperatorError(f"matmul: int32 cannot hold sums of {shape.k} products; split k")
    cut = _Cut(shape, knobs)
    quads = blocks(shape.k, TOGETHER)
    data = te.placeholder((shape.m, shape.k), "int8", name="data")
    weights = te.placeholder((cut.blocks, quads, knobs.vectors, knobs.lanes, TOGETHER), "int8", name="weights")
    table = te.placeholder((cut.blocks, knobs.vectors, result.rows, knobs.lanes), "int64", name="requantisation")

    def unsigned(r: Expr, c: Expr, u: Expr) -> Expr:
        at = c * TOGETHER + u
        value = cut.row(r, te.cast("uint8", data[r, at] ^ -OFFSET))
        return te.if_then_else(at < shape.k, value, te.cast("uint8", 0)) if shape.k % TOGETHER else value

    rows = te.compute((cut.rows, quads, TOGETHER), unsigned, name="rows")
    c, u = te.reduce_axis((0, quads), "c"), te.reduce_axis((0, TOGETHER), "u")
    sums = te.compute(
        cut.blocked,
        lambda r, b, o, v: te.sum(
            te.cast("int32", rows[r, c, u]) * te.cast("int32", weights[b, c, o, v, u]), axis=[c, u]
        ),
        name="sums",
    )

    def finish(r: Expr, b: Expr, o: Expr, v: Expr) -> Expr:
        return requantised(sums[r, b, o, v], table, (b, o), v, result)

    inputs = [data]
    last = None
    if result.residual is not None:
        finished = result
        residual = te.placeholder(cut.output, "int8", name="residual")
        inputs.append(residual)

        def last(value: Expr, at: tuple[Expr, ...]) -> Expr:
            return with_residual(value, residual[at], finished)

    schedule, out = cut.schedule(sums, finish, rows, dot4(knobs.lanes), last)

    def pack(*constants: Array) -> tuple[Array, ...]:
        check_constant("matmul", "weights", constants[0], (shape.n, shape.k), "int8")
        table = channel_table("matmul", result, constants, OFFSET)
        return (
            matmul_weights(constants[0], knobs.vectors, knobs.lanes, TOGETHER),
            table_in_lanes(table, 1, knobs.vectors, knobs.lanes)[0],
        )

    return CpuOperator("matmul_int8", schedule, (*inputs, weights, table, out), pack)


class _Cut:
    """The sizes of a product that is cut by knobs."""

    def __init__(self, shape: MatmulShape, knobs: MatmulKnobs) -> None:
        self.shape, self.knobs = shape, knobs
        self.blocks = blocks(shape.n, knobs.vectors * knobs.lanes)
        self.rows = blocks(shape.m, knobs.rows) * knobs.rows

    @property
    def blocked(self) -> tuple[int, ...]:
        """Rows, blocks, vectors, lanes: row-major as it is, where blocks and tiles of rows are whole."""
        return (self.rows, self.blocks, self.knobs.vectors, self.knobs.lanes)

    @property
    def whole(self) -> bool:
        """Blocks and tiles of rows are."""
        return self.rows == self.shape.m and self.shape.n % (self.knobs.vectors * self.knobs.lanes) == 0

    @property
    def output(self) -> tuple[int, ...]:
        """The shape of the output as the program has it."""
        return self.blocked if self.whole else (self.shape.m, self.shape.n)

    def row(self, r: Expr, value: Expr) -> Expr:
        """`value` in rows that there are, 0 in those that fill up the last tile."""
        return value if self.rows == self.shape.m else te.if_then_else(r < self.shape.m, value, te.cast(value.dtype, 0))

    def schedule(
        self,
        sums: Tensor,
        finish: Callable[[Expr, Expr, Expr, Expr], Expr],
        rows: Tensor | None,
        intrinsic: TensorIntrinsic | None = None,
        last: Callable[[Expr, tuple[Expr, ...]], Expr] | None = None,
    ) -> tuple[Schedule, Tensor]:
        """The loops, and the output, which is `last` of what `finish` gives."""
        knobs = self.knobs
        block = knobs.vectors * knobs.lanes
        whole = self.whole

        def finished(r: Expr, b: Expr, o: Expr, v: Expr) -> Expr:
            value = finish(r, b, o, v)
            return last(value, (r, b, o, v)) if last and whole else value

        def row_major(r: Expr, k: Expr) -> Expr:
            value = done[r, k // block, k // knobs.lanes % knobs.vectors, k % knobs.lanes]
            return last(value, (r, k)) if last else value

        done = te.compute(self.blocked, finished, name="out" if whole else "done")
        out = done if whole else te.compute(self.output, row_major, name="out")
        s = te.create_schedule(out)
        if rows is not None:
            r, *_, together = s[rows].op.axis
            parallel(s[rows], (r,))
            if intrinsic is not None:
                s[rows].unroll(together)
        if not whole:
            parallel(s[out], s[out].op.axis[:1])
        r, b, o, v = s[done].op.axis
        for axis in (r, v):
            s[done].compute_whole(axis)
        ro, ri = s[done].split(r, factor=knobs.rows)
        s[done].reorder(b, ro, ri, o, v)
        for axis in (o, ri):
            s[done].unroll(axis)
        s[done].vectorize(v)
        tile = s[done].fuse(b, ro)
        s[done].parallel(tile)
        s[sums].set_scope(LOCAL)
        s[sums].compute_at(s[done], tile)
        r, _, o, v = s[sums].op.axis
        first, *others = s[sums].op.reduce_axis
        s[sums].reorder(first, r, o, v, *others)
        for axis in (o, r):
            s[sums].unroll(axis)
        if intrinsic is None:
            s[sums].vectorize(v)
        else:
            s[sums].tensorize(v, intrinsic)
        return s, out
