"""What a tensor expression means, computed by NumPy without the compiler: all elements at once, no schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.te.tensor import ComputeOp, Reduce, Tensor, TensorRead
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Math, Not, Op, Select, Var

Array = NDArray[np.generic]

_BINARY = {
    Op.ADD: np.add,
    Op.SUB: np.subtract,
    Op.MUL: np.multiply,
    Op.DIV: np.divide,
    Op.FLOORDIV: np.floor_divide,
    Op.MOD: np.mod,
    Op.MIN: np.minimum,
    Op.MAX: np.maximum,
    Op.SHL: np.left_shift,
    Op.SHR: np.right_shift,
    Op.AND: np.bitwise_and,
    Op.OR: np.bitwise_or,
    Op.XOR: np.bitwise_xor,
    Op.LT: np.less,
    Op.LE: np.less_equal,
    Op.EQ: np.equal,
    Op.NE: np.not_equal,
}
_MATH = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "pow": np.power,
    "fmod": np.fmod,
    "floor": np.floor,
    "round": np.rint,
    "abs": np.abs,
}


def evaluate(outputs: Sequence[Tensor], inputs: Mapping[Tensor, Array]) -> list[Array]:
    """The outputs' values, given those of all placeholders. Extents are constant."""
    known = dict(inputs)
    return [_tensor(output, known) for output in outputs]


def _tensor(tensor: Tensor, known: dict[Tensor, Array]) -> Array:
    if tensor not in known:
        assert isinstance(tensor.op, ComputeOp), f"no value for {tensor.name}"
        known[tensor] = _operation(tensor.op, known)
    return known[tensor]


def _operation(op: ComputeOp, known: dict[Tensor, Array]) -> Array:
    axes = [*op.axis, *op.reduce_axis]
    rank = len(axes)
    grid: dict[Var, Array] = {}
    for place, axis in enumerate(axes):
        begin, extent = _number(axis.begin), _number(axis.extent)
        shape = [1] * rank
        shape[place] = extent
        grid[axis.var] = np.arange(begin, begin + extent, dtype=np.int32).reshape(shape)
    full = [_number(axis.extent) for axis in axes]
    body = op.body.source if isinstance(op.body, Reduce) else op.body
    values = np.broadcast_to(_expr(body, grid, known), full)
    if isinstance(op.body, Reduce):
        over = tuple(range(len(op.axis), rank))
        reduce = {Op.ADD: np.add, Op.MUL: np.multiply, Op.MIN: np.minimum, Op.MAX: np.maximum}[op.body.op].reduce
        values = reduce(values, axis=over, dtype=values.dtype)
    return np.ascontiguousarray(values)


def _expr(expr: Expr, grid: Mapping[Var, Array], known: dict[Tensor, Array]) -> Array:
    def value(part: Expr) -> Array:
        return _expr(part, grid, known)

    match expr:
        case Const(number, dtype):
            return np.asarray(number, dtype)
        case Var():
            return grid[expr]
        case Binary(op, a, b):
            with np.errstate(all="ignore"):
                return np.asarray(_BINARY[op](value(a), value(b)))
        case Not(a):
            return np.logical_not(value(a))
        case Cast(dtype, a):
            return value(a).astype(dtype)
        case Select(condition, a, b):
            return np.where(value(condition), value(a), value(b))
        case Math("round_shift", (a, shift)):
            wide = value(a).astype(object)
            exact = [_round_shift(int(x), int(s)) for x, s in np.broadcast(wide, value(shift).astype(object))]
            return np.array(exact, object).reshape(np.broadcast_shapes(wide.shape, value(shift).shape)).astype(a.dtype)
        case Math(function, args):
            return np.asarray(_MATH[function](*map(value, args)))
        case TensorRead(tensor, indices):
            source = _tensor(tensor, known)
            inside = [np.clip(value(i), 0, extent - 1) for i, extent in zip(indices, source.shape, strict=True)]
            return np.asarray(source[tuple(inside)])
    raise AssertionError(f"no meaning for {expr}")


def _round_shift(value: int, shift: int) -> int:
    return round(value / 2**shift) if abs(value) < 2**52 else value >> shift


def _number(expr: Expr | None) -> int:
    assert isinstance(expr, Const)
    return int(expr.value)
