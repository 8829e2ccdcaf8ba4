"""Pooling in int8."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.ops.pooling import Pool
from dovetail.compiler.graph.ops.quantised import QAvgPool2d, QMaxPool2d
from dovetail.compiler.graph.ops.reduction import Reduce
from dovetail.compiler.ops.shapes import Pads

from .affine import Goal, dequantised, scaling
from .fixed_point import fixed_point
from .rewriting import Rewriter, infers


def average(rewriter: Rewriter, value: Value, goal: Goal) -> bool:
    """Whether `value` is a mean over rows and columns of int8, all of as many elements; if so it is emitted."""
    node = rewriter.producers.get(rewriter.current(value))
    source = dequantised(rewriter, node.inputs[0]) if node is not None else None
    if node is None or source is None or source.value.type.rank != 4 or not goal.private:
        return False
    spatial = source.value.type.shape[2:]
    kernel, strides, pads = (spatial[0], spatial[1]), (1, 1), (0, 0, 0, 0)
    count = kernel[0] * kernel[1]
    match node.op:
        case Reduce(function="mean", axes=axes) if sorted(axes) == [2, 3]:
            pass
        case Pool(function="avg") as pool if all(step == 1 for step in pool.dilations):
            counts = np.multiply.outer(*pool.counts(spatial))
            if counts.min() != counts.max() or counts.min() < 1:
                return False
            kernel, strides, count = (pool.kernel[0], pool.kernel[1]), (pool.strides[0], pool.strides[1]), counts.max()
            pads = _pads(pool, spatial)
        case _:
            return False
    point = fixed_point(source.affine.scale / (goal.affine.scale * int(count)))
    if point is None:
        return False
    zero = source.affine.zero_point
    op = QAvgPool2d(
        kernel=kernel,
        strides=strides,
        pads=pads,
        zero_point=zero,
        scale=scaling(kernel[0] * kernel[1] * zero, point),
        output=goal.result(),
    )
    result = infers(op, source.value)
    if result is None or result.size != goal.output.type.size:
        return False
    origin = node.origin + goal.origin
    if result == goal.output.type:
        rewriter.emit(op, [source.value], goal.output, origin)
    else:
        pooled = rewriter.emit(op, [source.value], f"{goal.output.name}_4d", origin)
        rewriter.emit(Reshape(shape=goal.output.type.shape), [pooled], goal.output, origin)
    return True


def max_pool(op: Pool, data: Value, node: Node) -> QMaxPool2d | None:
    """The pooling of int8, if it is one over rows and columns of neighbours."""
    if data.type.rank != 4 or any(step != 1 for step in op.dilations):
        return None
    kernel, strides = (op.kernel[0], op.kernel[1]), (op.strides[0], op.strides[1])
    pool = QMaxPool2d(kernel=kernel, strides=strides, pads=_pads(op, data.type.shape[2:]))
    result = infers(pool, data)
    return pool if result is not None and result.shape == node.output.type.shape else None


def _pads(pool: Pool, spatial: tuple[int, ...]) -> Pads:
    """Padding with which the last window ends inside; no more than it takes."""
    ends = [
        max(0, (result - 1) * stride + kernel - size - begin)
        for result, stride, kernel, size, begin in zip(
            pool.out_shape, pool.strides, pool.kernel, spatial, pool.pads_begin, strict=True
        )
    ]
    return pool.pads_begin[0], pool.pads_begin[1], ends[0], ends[1]
