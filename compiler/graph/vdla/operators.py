"""The accelerator's operator for each operator of a graph, scheduled."""

from __future__ import annotations

from math import prod

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.quantised import (
    QAdd,
    QAvgPool2d,
    QConv2d,
    QMatmul,
    QMaxPool2d,
    QRescale,
    Requantise,
)
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops import (
    MatmulShape,
    Memory,
    Operator,
    add,
    avg_pool2d,
    conv2d,
    matmul,
    max_pool2d,
    requantise_sums,
    rescale,
)
from dovetail.isa.config import Config

IMAGE_RANK = 4
"""Tensors of so many axes are images with their channels second; those of others have them last."""


def operator_for(
    op: Op, types: tuple[TensorType, ...], config: Config, memory: Memory, *, columns: bool = True
) -> Operator:
    """What computes `op` of operands of `types` on the accelerator.

    Parameters
    ----------
    columns:
        A convolution may take columns that the CPU lays out.

    Raises
    ------
    GraphError:
        The accelerator has no such operator.
    OperatorError:
        It does not fit the machine.
    """
    match op:
        case QConv2d():
            shape = op.shape(types[0], types[1])
            return conv2d(
                shape,
                config,
                padding=op.zero_point,
                output=op.output,
                residual=op.residual,
                memory=memory,
                columns=columns,
            )
        case QMatmul():
            product, groups = matmul_shape(types[0], types[1])
            return matmul(product, config, groups=groups, output=op.output, residual=op.residual, memory=memory)
        case QMaxPool2d():
            return max_pool2d(op.shape(types[0]), config)
        case QAvgPool2d():
            return avg_pool2d(op.shape(types[0]), config, padding=op.zero_point, scale=op.scale, output=op.output)
        case QAdd():
            sizes, axis = with_channels(types[0])
            return add(sizes, config, one=op.one, other=op.other, output=op.output, axis=axis)
        case QRescale():
            sizes, axis = with_channels(types[0])
            return rescale(sizes, config, scale=op.scale, output=op.output, axis=axis)
        case Requantise():
            return requantise_sums(types[0].shape, config, axis=op.axis, output=op.output)
    raise GraphError(f"the accelerator has no {op.name}")


def matmul_shape(data: TensorType, weight: TensorType) -> tuple[MatmulShape, int]:
    """The sizes of a product, and of how many that have weights of their own."""
    *lead, m, k = data.shape
    groups = prod(weight.shape[:-2])
    rows = m if groups > 1 else prod(lead) * m
    return MatmulShape(m=rows, n=weight.shape[-2], k=k), groups


def with_channels(data: TensorType) -> tuple[tuple[int, ...], int]:
    """A shape of at least two axes, and which of them the channels are."""
    shape = (1,) * (2 - data.rank) + data.shape
    return shape, 1 if data.rank == IMAGE_RANK else len(shape) - 1
