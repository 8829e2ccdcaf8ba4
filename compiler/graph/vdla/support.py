"""Which nodes the accelerator can compute, and why it cannot compute others."""

from __future__ import annotations

from collections.abc import Mapping

from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.ops.quantised import (
    QAdd,
    QAvgPool2d,
    QConv2d,
    QMatmul,
    QMaxPool2d,
    QRescale,
    Requantise,
)
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.blocked import MAX_PADDING, blocked_pool2d, with_host_padding
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.scales import MAX_SHIFT, Output, Scale, accumulated, misfit
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.tiled import choose_tiles
from dovetail.isa.config import Config

MAX_TERMS = 1 << 17
"""A sum of so many products of int8 may need more than an accumulator's bits."""
_SCALES = slice(2, 5)


def why_not(node: Node, constants: Mapping[Value, Array], config: Config) -> str | None:
    """Why `node` cannot run on the accelerator; None if it can.

    Parameters
    ----------
    constants:
        The graph's.
    """
    op = node.op
    if any(value.type.size == 0 for value in (*node.inputs, node.output)):
        return "it has no elements"
    match op:
        case QConv2d():
            reason = _conv2d(op, node, constants, config)
        case QMatmul():
            reason = _terms(node.inputs[0].type.shape[-1]) or _finish(op.output, op.residual)
            reason = reason or _channels(node.inputs[_SCALES], constants)
        case QMaxPool2d():
            reason = _equal_blocks(config) or _pool(op, node, config)
        case QAvgPool2d():
            reason = _equal_blocks(config) or misfit(op.output, op.scale) or _pool(op, node, config)
        case QAdd():
            scales = (op.one, op.other)
            first = accumulated(*scales)
            reason = _equal_blocks(config) or misfit(op.output, scales[first], scales[1 - first])
        case QRescale():
            reason = _equal_blocks(config) or misfit(op.output, op.scale)
        case Requantise():
            reason = misfit(op.output) or _channels(node.inputs[1:], constants)
        case _:
            reason = _other(node)
    return reason


def _other(node: Node) -> str:
    """Of an operator that is not one on int8."""
    types = {value.type.dtype for value in (*node.inputs, node.output)}
    alien = next((dtype for dtype in sorted(types) if dtype not in ("int8", "int32")), None)
    if alien is not None:
        return f"{alien}; the accelerator computes int8"
    if node.macs:
        return f"products of {node.inputs[0].type.dtype}; the accelerator multiplies int8"
    return f"the accelerator has no {node.op.name}"


def _conv2d(op: QConv2d, node: Node, constants: Mapping[Value, Array], config: Config) -> str | None:
    shape = op.shape(*_types(node)[:2])
    if shape.groups > 1 and node.inputs[1] not in constants:
        return "weights of groups that are not constant"
    if with_host_padding(shape) is not shape:
        if max(shape.pads) > MAX_PADDING:
            return f"padding of {max(shape.pads)}; the load unit pads up to {MAX_PADDING}"
        return "outputs that see nothing but padding"
    return (
        _terms(shape.ic // shape.groups * shape.kh * shape.kw)
        or _finish(op.output, op.residual)
        or _channels(node.inputs[_SCALES], constants)
    )


def _pool(op: QMaxPool2d | QAvgPool2d, node: Node, config: Config) -> str | None:
    shape = op.shape(node.inputs[0].type)
    if max(shape.pads) > MAX_PADDING:
        return f"padding of {max(shape.pads)}; the load unit pads up to {MAX_PADDING}"
    window = Conv2dShape(
        n=shape.n, h=shape.h, w=shape.w, ic=1, oc=1, kh=shape.kh, kw=shape.kw, strides=shape.strides, pads=shape.pads
    )
    if with_host_padding(window) is not window:
        return "outputs that see nothing but padding"
    try:
        choose_tiles(blocked_pool2d(shape, config), config)
    except OperatorError as error:
        return str(error)
    return None


def _terms(count: int) -> str | None:
    if count >= MAX_TERMS:
        return f"sums of {count} products may need more than 32 bits; the limit is {MAX_TERMS - 1}"
    return None


def _finish(output: Output | None, residual: Scale | None) -> str | None:
    return None if output is None else misfit(output, added=residual)


def _channels(scales: tuple[Value, ...], constants: Mapping[Value, Array]) -> str | None:
    """Bias, multiplier and shift."""
    if any(value not in constants for value in scales):
        return "bias, multiplier or shift that are not constant"
    shifts = constants[scales[-1]] if scales else None
    if shifts is not None and not 0 <= shifts.min() <= shifts.max() <= MAX_SHIFT:
        return f"shifts from {shifts.min()} to {shifts.max()}; a store takes 0 to {MAX_SHIFT}"
    return None


def _equal_blocks(config: Config) -> str | None:
    if config.block_in != config.block_out:
        return f"vectors of {config.block_in} channels in and {config.block_out} out on this machine"
    return None


def _types(node: Node) -> tuple[TensorType, ...]:
    return tuple(value.type for value in node.inputs)
