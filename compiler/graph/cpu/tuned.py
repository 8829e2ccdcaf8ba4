"""Operators that the CPU has schedules of its own for: convolutions, products and pooling with constant weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, ParamSpec, TypeVar

from dovetail.compiler.graph.graph import Graph, Node
from dovetail.compiler.graph.ops.elementwise import Binary, Unary
from dovetail.compiler.graph.ops.fused import Fused
from dovetail.compiler.graph.ops.linear import Conv, MatMul
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import QConv2d, QMatmul, QMaxPool2d
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops import cpu
from dovetail.compiler.ops.cpu.requantise import Result, form_of
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.measured import Lookup, current_lookup
from dovetail.compiler.ops.scales import Output, Scale
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape, Pads, Pool2dShape

from .implementation import KEPT, Implementation

P = ParamSpec("P")
T = TypeVar("T")

WEIGHTS = (1, 2, 3, 4)
"""Places of constant operands of quantised operators."""


def _remembered(make: Callable[P, T]) -> Callable[P, T]:
    """`make`, whose operators are remembered with the measured schedules that they could take."""

    @lru_cache(maxsize=KEPT)
    def known(lookup: Lookup | None, *arguments: Any, **named: Any) -> T:
        return make(*arguments, **named)

    def remembered(*arguments: P.args, **named: P.kwargs) -> T:
        hashed: dict[str, Any] = dict(named)
        return known(current_lookup(), *arguments, **hashed)

    return remembered


conv2d_float32 = _remembered(cpu.conv2d_float32)
conv2d_int8 = _remembered(cpu.conv2d_int8)
matmul_float32 = lru_cache(maxsize=KEPT)(cpu.matmul_float32)
matmul_int8 = lru_cache(maxsize=KEPT)(cpu.matmul_int8)
max_pool2d = lru_cache(maxsize=KEPT)(cpu.max_pool2d)
avg_pool2d = lru_cache(maxsize=KEPT)(cpu.avg_pool2d)


def tuned(node: Node, known: Mapping[int, Array]) -> Implementation | None:
    """A schedule of its own for a node; None where there is none.

    Parameters
    ----------
    known:
        Operands that are constant, by place.
    """
    types = tuple(value.type for value in node.inputs)
    try:
        match node.op:
            case Conv():
                return _conv(node.op, types, known)
            case MatMul():
                return _matmul(types, known)
            case Fused(graph=graph):
                return _finished(graph, types, known)
            case QConv2d():
                return _qconv2d(node.op, types, known)
            case QMatmul():
                return _qmatmul(node.op, types, known)
            case QMaxPool2d():
                shape = node.op.shape(types[0])
                return Implementation(max_pool2d(shape, "int8"), (0,))
            case Pool():
                return _pool(node.op, types[0])
    except OperatorError:
        # The sizes are beyond what these operators do; an expression's loops have no such bounds.
        return None
    return None


def _finished(graph: Graph, types: tuple[TensorType, ...], known: Mapping[int, Array]) -> Implementation | None:
    """A convolution or product with the bias and the ReLU behind it, and nothing else."""
    first, *others = graph.nodes
    relu = bool(others) and others[-1].op == Unary(function="relu")
    between = others[: len(others) - relu]
    match first.op:
        case Conv() if not between:
            return _conv(first.op, types, known, relu)
        case MatMul() if all(node.op == Binary(function="add") for node in between) and len(between) <= 1:
            return _matmul(types, known, relu)
    return None


def _conv(
    op: Conv, types: tuple[TensorType, ...], known: Mapping[int, Array], relu: bool = False
) -> Implementation | None:
    constants = _known(known, range(1, len(types)))
    if types[0].rank != 4 or types[0].dtype != "float32" or constants is None:
        return None
    (n, ic, h, w), (oc, _, kh, kw) = types[0].shape, types[1].shape
    shape = Conv2dShape(
        n=n,
        h=h,
        w=w,
        ic=ic,
        oc=oc,
        kh=kh,
        kw=kw,
        strides=(op.strides[0], op.strides[1]),
        pads=_pads(op.pads_begin, op.pads_end),
        dilation=(op.dilations[0], op.dilations[1]),
        groups=op.groups,
    )
    operator = conv2d_float32(shape, bias=len(constants) == 2, relu=relu)
    return Implementation(operator, (0,), operator.pack(*constants))


def _matmul(types: tuple[TensorType, ...], known: Mapping[int, Array], relu: bool = False) -> Implementation | None:
    data, weight, *bias = types
    constants = _known(known, range(1, len(types)))
    if data.dtype != "float32" or weight.rank != 2 or constants is None:
        return None
    k, n = weight.shape
    if any(kind.shape != (n,) for kind in bias):
        return None
    shape = MatmulShape(m=data.size // k, n=n, k=k)
    operator = matmul_float32(shape, bias=bool(bias), relu=relu)
    factors, *others = constants
    return Implementation(operator, (0,), operator.pack(factors.T, *others))


def _qconv2d(op: QConv2d, types: tuple[TensorType, ...], known: Mapping[int, Array]) -> Implementation | None:
    constants = _known(known, WEIGHTS[: len(types) - 1])
    if constants is None:
        return None
    result = _result(op.output, op.residual, constants)
    operator = conv2d_int8(op.shape(types[0], types[1]), result, padding=op.zero_point)
    return Implementation(operator, _runtime(op.residual), operator.pack(*constants))


def _qmatmul(op: QMatmul, types: tuple[TensorType, ...], known: Mapping[int, Array]) -> Implementation | None:
    constants = _known(known, WEIGHTS[: len(types) - 1])
    if types[1].rank != 2 or constants is None:
        return None
    n, k = types[1].shape
    result = _result(op.output, op.residual, constants)
    operator = matmul_int8(MatmulShape(m=prod(types[0].shape[:-1]), n=n, k=k), result)
    return Implementation(operator, _runtime(op.residual), operator.pack(*constants))


def _runtime(residual: Scale | None) -> tuple[int, ...]:
    return (0,) if residual is None else (0, 1 + len(WEIGHTS))


def _result(output: Output | None, residual: Scale | None, constants: list[Array]) -> Result:
    if output is None:
        return cpu.Sums()
    low, high = output.bounds
    return cpu.Requantised(
        zero_point=output.zero_point,
        minimum=low,
        maximum=high,
        form=form_of(*constants),
        fraction=output.fraction,
        residual=residual,
    )


def _pool(op: Pool, data: TensorType) -> Implementation | None:
    if data.rank != 4 or data.dtype != "float32" or any(dilation != 1 for dilation in op.dilations):
        return None
    padded = any((*op.pads_begin, *op.pads_end))
    if op.function == "avg" and padded and not op.count_include_pad:
        return None
    n, c, h, w = data.shape
    shape = Pool2dShape(
        n=n,
        c=c,
        h=h,
        w=w,
        kh=op.kernel[0],
        kw=op.kernel[1],
        strides=(op.strides[0], op.strides[1]),
        pads=_pads(op.pads_begin, op.pads_end),
    )
    if (shape.out_h, shape.out_w) != op.out_shape:
        return None
    return Implementation((max_pool2d if op.function == "max" else avg_pool2d)(shape, "float32"), (0,))


def _pads(begin: tuple[int, ...], end: tuple[int, ...]) -> Pads:
    return begin[0], begin[1], end[0], end[1]


def _known(known: Mapping[int, Array], places: Sequence[int]) -> list[Array] | None:
    """The constants at `places`; None if one is not known."""
    return [known[place] for place in places] if all(place in known for place in places) else None
