"""Two-dimensional convolution and matrix multiplication on the accelerator."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.te import Tensor
from dovetail.isa.config import Config

from . import host
from .blocked import Blocked, as_conv2d, as_matmul, blocked_conv2d, with_host_padding
from .choose import choose
from .conv2d_expression import Bounds, conv2d_expression
from .conv2d_schedule import schedule_conv2d
from .errors import OperatorError
from .knobs import Conv2dKnobs
from .model import predict
from .operator import Arrays, Operator, extents
from .quantise import INT8
from .shapes import Conv2dShape, MatmulShape
from .transfers import Memory


def conv2d(
    shape: Conv2dShape,
    config: Config,
    *,
    requantised: bool = True,
    zero_point: int = 0,
    bounds: Bounds = INT8,
    memory: Memory | None = None,
    knobs: Conv2dKnobs | None = None,
) -> Operator:
    """A convolution.

    Its inputs are data int8 [n, ic, h, w], weight int8 [oc, ic / groups, kh, kw] and, if `requantised`, bias,
    multiplier and shift [oc]; its output is int8, else int32, [n, oc, out_h, out_w]. Where
    the input has so few channels, or so few samples, that most of the array would be idle, the host lays out columns of
    what each output sees and the machine multiplies matrices; the model decides.

    Parameters
    ----------
    zero_point, bounds:
        Of the output.
    memory:
        For which the schedule is chosen.
    knobs:
        Instead of the model's choice; of the direct convolution.

    Raises
    ------
    OperatorError:
        No schedule fits the machine, or `knobs` do not.
    """
    memory = memory or Memory()
    product = as_matmul(shape) if knobs is None else None
    if product is not None and _columns_win(shape, product, config, memory):
        return _from_columns(
            shape, matmul(product, config, requantised=requantised, zero_point=zero_point, bounds=bounds, memory=memory)
        )
    inside = with_host_padding(shape)
    blocked = blocked_conv2d(inside, config)
    operator = _operator("conv2d", blocked, config, requantised, zero_point, bounds, memory, knobs)
    groups, (data, weight, *scales, _) = blocked.groups, operator.args
    lead = (shape.n, groups) if groups > 1 else (shape.n,)

    def prepare(arrays: Arrays) -> list[host.Array]:
        image = host.padded(arrays[0], shape.pads) if inside is not shape else arrays[0]
        weights = host.merge_group_weights(arrays[1], shape, groups) if shape.groups > 1 else arrays[1]
        if groups > 1:
            image = host.group_channels(image, groups, 1)
        elif shape.groups > 1:
            weights = weights[0]
        return [
            host.filled(image, extents(data)),
            host.filled(weights, extents(weight)),
            *(_channels(array, scale, groups) for array, scale in zip(arrays[2:], scales, strict=True)),
        ]

    def finish(array: host.Array) -> host.Array:
        channels = shape.oc // groups
        used = array[(*map(slice, lead), slice(channels))]
        return used.reshape(shape.n, shape.oc, shape.out_h, shape.out_w)

    return replace(operator, output_shape=(shape.n, shape.oc, shape.out_h, shape.out_w), prepare=prepare, finish=finish)


def matmul(
    shape: MatmulShape,
    config: Config,
    *,
    requantised: bool = True,
    zero_point: int = 0,
    bounds: Bounds = INT8,
    memory: Memory | None = None,
    knobs: Conv2dKnobs | None = None,
) -> Operator:
    """A matrix product, or dense layer.

    Its inputs are int8 [m, k], weight int8 [n, k] and, if `requantised`, bias, multiplier and shift [n]; its output is
    int8, else int32, [m, n]. The other parameters are those of `conv2d`.

    Raises
    ------
    OperatorError:
        No schedule fits the machine, or `knobs` do not.
    """
    blocked = _blocked_matmul(shape, config)
    operator = _operator("matmul", blocked, config, requantised, zero_point, bounds, memory or Memory(), knobs)
    data, weight, *scales, _ = operator.args

    def prepare(arrays: Arrays) -> list[host.Array]:
        batch, depth, rows, _ = extents(data)
        return [
            host.rows_to_samples(arrays[0], batch, rows, depth),
            host.filled(arrays[1][..., None, None], extents(weight)),
            *(_channels(array, scale, 1) for array, scale in zip(arrays[2:], scales, strict=True)),
        ]

    def finish(array: host.Array) -> host.Array:
        return host.samples_to_rows(array, shape.m, shape.n)

    return replace(operator, output_shape=(shape.m, shape.n), prepare=prepare, finish=finish)


def _operator(
    name: str,
    blocked: Blocked,
    config: Config,
    requantised: bool,
    zero_point: int,
    bounds: Bounds,
    memory: Memory,
    knobs: Conv2dKnobs | None,
) -> Operator:
    """The operator in blocks, as its function takes arguments."""
    if knobs is None:
        choice = choose(blocked, config, memory)
        knobs, cycles = choice.knobs, choice.cycles
    else:
        cycles = predict(blocked, knobs, config, memory)
    expression = conv2d_expression(blocked, config, requantised=requantised, zero_point=zero_point, bounds=bounds)
    return Operator(
        name=name,
        args=expression.args,
        schedule=schedule_conv2d(expression, knobs, config),
        output_shape=extents(expression.out),
        output_dtype=expression.out.dtype,
        prepare=list,
        finish=lambda array: array,
        knobs=knobs,
        cycles=cycles,
    )


def _blocked_matmul(shape: MatmulShape, config: Config) -> Blocked:
    return blocked_conv2d(as_conv2d(shape, config), config)


def _columns_win(shape: Conv2dShape, product: MatmulShape, config: Config, memory: Memory) -> bool:
    """Whether columns laid out by the host are faster than the direct convolution."""
    direct, columns = blocked_conv2d(with_host_padding(shape), config), _blocked_matmul(product, config)
    if columns.steps >= direct.steps:
        return False
    try:
        limit = choose(direct, config, memory).cycles
    except OperatorError:
        return True
    return choose(columns, config, memory).cycles < limit


def _from_columns(shape: Conv2dShape, product: Operator) -> Operator:
    def prepare(arrays: Arrays) -> list[host.Array]:
        data, weight, *scales = arrays
        return product.prepare([host.columns(data, shape), weight.reshape(shape.oc, -1), *scales])

    def finish(array: host.Array) -> host.Array:
        pixels = product.finish(array).reshape(shape.n, shape.out_h, shape.out_w, shape.oc)
        return host.contiguous(pixels.transpose(0, 3, 1, 2))

    output = (shape.n, shape.oc, shape.out_h, shape.out_w)
    return replace(product, name="conv2d", output_shape=output, prepare=prepare, finish=finish)


def _channels(array: host.Array, scale: Tensor, groups: int) -> host.Array:
    """A value a channel, with channels of each merged group filled up to whole blocks."""
    (total,) = extents(scale)
    return host.filled(array.reshape(groups, -1), (groups, total // groups), scale.dtype).reshape(total)
