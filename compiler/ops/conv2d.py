"""Two-dimensional convolution and matrix multiplication on the accelerator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dovetail.isa.config import Config

from . import host
from .arrangement import Change, pixels_as_rows, rows_of_samples, straight
from .blocked import Blocked, as_matmul, blocked_conv2d, grouped_matmul, with_host_padding
from .choose import choose
from .conv2d_expression import Finish, conv2d_expression
from .conv2d_schedule import schedule_conv2d
from .errors import OperatorError
from .knobs import Conv2dKnobs
from .measured import best
from .model import predict
from .operator import Input, Operator, extents
from .scales import Output, Scale
from .shapes import Conv2dShape, MatmulShape
from .transfers import Memory


@dataclass(frozen=True)
class ColumnsOf:
    """What the host makes of a convolution's data first, so that matrices can be multiplied.

    Attributes
    ----------
    padding:
        What lies around the data.
    """

    shape: Conv2dShape
    padding: int

    def __call__(self, data: host.Array) -> host.Array:
        """A row an output, see `host.columns`."""
        return host.columns(data, self.shape, self.padding)


def conv2d(
    shape: Conv2dShape,
    config: Config,
    *,
    padding: int = 0,
    output: Output | None = Output(),  # noqa: B008
    residual: Scale | None = None,
    memory: Memory | None = None,
    columns: bool = True,
    knobs: Conv2dKnobs | None = None,
) -> Operator:
    """A convolution.

    Its inputs are data int8 [n, ic, h, w], weight int8 [oc, ic / groups, kh, kw], with `output` bias, multiplier and
    shift [oc], and with `residual` an int8 tensor of the output's shape; its output is int8, or int32 without `output`,
    [n, oc, out_h, out_w]. Where the input has so few channels, or so few samples, that most of the array would be idle,
    the host may lay out columns of what each output sees and the machine multiply matrices; the model decides.

    Parameters
    ----------
    padding:
        What lies around the data: its zero point.
    output:
        How sums become int8; None gives the int32 sums.
    residual:
        How the last input counts in the output.
    memory:
        For which the schedule is chosen.
    columns:
        The host may lay out columns.
    knobs:
        Instead of what was measured, or the model's choice; of the direct convolution.

    Raises
    ------
    OperatorError:
        No schedule fits the machine, or `knobs` do not, or the residual's scale is none that a store takes.
    """
    memory, finish = memory or Memory(), Finish(padding=padding, output=output, residual=residual)
    if columns and knobs is None and columns_win(shape, config, memory):
        return _from_columns(shape, config, finish, memory)
    inside = with_host_padding(shape)
    blocked = blocked_conv2d(inside, config)
    operator = _operator("conv2d", blocked, config, finish, memory, knobs)
    data, weight = operator.args[:2]
    groups, lead = blocked.groups, (shape.n, blocked.groups) if blocked.groups > 1 else (shape.n,)

    def enlarged(array: host.Array) -> host.Array:
        return host.padded(array, shape.pads, padding)

    def merged(array: host.Array) -> host.Array:
        weights = host.merge_group_weights(array, shape, groups)
        return weights if groups > 1 else weights[0]

    outputs = straight((*lead, shape.oc // groups, shape.out_h, shape.out_w), extents(operator.args[-1]))
    depth = (groups, shape.oc // groups, shape.ic // groups) if groups > 1 else (shape.oc, shape.ic)
    inputs = (
        Input(
            straight((*lead, shape.ic // groups, inside.h, inside.w), extents(data)),
            enlarged if inside is not shape else None,
        ),
        Input(straight((*depth, shape.kh, shape.kw), extents(weight)), merged if shape.groups > 1 else None),
        *_scales(operator, groups, shape.oc // groups),
        *([Input(outputs)] if residual is not None else []),
    )
    return replace(operator, inputs=inputs, output=outputs, output_shape=(shape.n, shape.oc, shape.out_h, shape.out_w))


def matmul(
    shape: MatmulShape,
    config: Config,
    *,
    groups: int = 1,
    output: Output | None = Output(),  # noqa: B008
    residual: Scale | None = None,
    memory: Memory | None = None,
    knobs: Conv2dKnobs | None = None,
) -> Operator:
    """A matrix product, or dense layer, or `groups` products of their own.

    Its inputs are int8 [m, k], weight int8 [n, k], with `output` bias, multiplier and shift [n], and with `residual` an
    int8 [m, n]; its output is int8, or int32 without `output`, [m, n]. With several groups all but what is [n] have an
    axis of groups in front. The other parameters are those of `conv2d`.

    Raises
    ------
    OperatorError:
        No schedule fits the machine, or `knobs` do not, or the residual's scale is none that a store takes.
    """
    finish = Finish(output=output, residual=residual)
    blocked = grouped_matmul(shape, groups, config)
    operator = _operator("matmul", blocked, config, finish, memory or Memory(), knobs)
    data, weight, out = operator.args[0], operator.args[1], operator.args[-1]
    lead = (groups,) if groups > 1 else ()

    def rows(width: int, depth: int) -> Input:
        return Input(rows_of_samples(lead, shape.m, depth, config.batch, width))

    outputs = rows(shape.n, extents(out)[-3])
    inputs = (
        rows(shape.k, extents(data)[-3]),
        Input(straight((*lead, shape.n, shape.k, 1, 1), extents(weight))),
        *_scales(operator, groups, shape.n, repeated=True),
        *([outputs] if residual is not None else []),
    )
    return replace(operator, inputs=inputs, output=outputs.arrangement, output_shape=(*lead, shape.m, shape.n))


def columns_win(shape: Conv2dShape, config: Config, memory: Memory) -> bool:
    """Whether columns laid out by the host are faster than the direct convolution."""
    product = as_matmul(shape, config)
    if product is None:
        return False
    direct = blocked_conv2d(with_host_padding(shape), config)
    columns = grouped_matmul(product, 1, config)
    if columns.steps >= direct.steps:
        return False
    try:
        limit = choose(direct, config, memory).cycles
    except OperatorError:
        return True
    return choose(columns, config, memory).cycles < limit


def _operator(
    name: str, blocked: Blocked, config: Config, finish: Finish, memory: Memory, knobs: Conv2dKnobs | None
) -> Operator:
    """The operator in blocks, as its function takes arguments."""
    if knobs is None:
        choice = best(blocked, config, memory)
        knobs, cycles = choice.knobs, choice.cycles
    else:
        cycles = predict(blocked, knobs, config, memory)
    expression = conv2d_expression(blocked, config, finish)
    shapes = [extents(tensor) for tensor in expression.args]
    return Operator(
        name=name,
        args=expression.args,
        schedule=schedule_conv2d(expression, knobs, config),
        inputs=tuple(Input(straight(shape, shape)) for shape in shapes[:-1]),
        output=straight(shapes[-1], shapes[-1]),
        output_shape=shapes[-1],
        knobs=knobs,
        cycles=cycles,
        blocked=blocked,
    )


def _from_columns(shape: Conv2dShape, config: Config, finish: Finish, memory: Memory) -> Operator:
    """The convolution as a product of columns that the host lays out."""
    product = as_matmul(shape, config)
    assert product is not None
    operator = matmul(product, config, output=finish.output, residual=finish.residual, memory=memory)
    pixels = shape.out_h * shape.out_w
    outputs = pixels_as_rows(shape.n, shape.oc, pixels, config.batch, extents(operator.args[-1])[-3])
    data, weight, *others = operator.inputs
    scales = others[: len(others) - (finish.residual is not None)]
    seen = replace(data.arrangement, view=(shape.n * pixels, product.k))
    inputs = (
        Input(seen, ColumnsOf(shape, finish.padding)),
        weight,
        *scales,
        *([Input(outputs)] if finish.residual is not None else []),
    )
    result = (shape.n, shape.oc, shape.out_h, shape.out_w)
    return replace(operator, name="conv2d", inputs=inputs, output=outputs, output_shape=result)


def _scales(operator: Operator, groups: int, channels: int, *, repeated: bool = False) -> list[Input]:
    """A value a channel, with channels of each group filled up to whole blocks.

    Parameters
    ----------
    repeated:
        All groups have the same values.
    """
    count = 3 if operator.output_dtype == "int8" else 0

    def again(array: host.Array) -> host.Array:
        return np.tile(array, groups)

    before: Change | None = again if repeated and groups > 1 else None
    found = []
    for scale in operator.args[2 : 2 + count]:
        (total,) = extents(scale)
        arrangement = straight((groups, channels), (groups, total // groups))
        found.append(Input(replace(arrangement, split=(total,), order=(0,)), before))
    return found
