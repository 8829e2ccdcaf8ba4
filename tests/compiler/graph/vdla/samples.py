"""Random nodes of each quantised operator, with their operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

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
from dovetail.compiler.ops import Output, Pool2dShape, Scale
from dovetail.compiler.ops.errors import OperatorError
from tests.compiler.ops.samples import conv2d_shapes

Array = NDArray[Any]
INT8 = st.integers(-128, 127)
FEW = st.integers(1, 3)


@dataclass(frozen=True)
class Sample:
    """An operator with its operands.

    Attributes
    ----------
    running:
        Numbers of those that are there only when it runs.
    """

    op: Op
    arrays: list[Array] = field(repr=False)
    running: tuple[int, ...]


def outputs() -> st.SearchStrategy[Output]:
    bounds = st.one_of(st.just((-128, 127)), st.tuples(INT8, INT8).map(lambda pair: (min(pair), max(pair))))
    fractions = st.one_of(st.integers(0, 4), st.integers(0, 31))
    return st.builds(Output, fraction=fractions, zero_point=INT8, bounds=bounds)


def scales() -> st.SearchStrategy[Scale]:
    """Of what a store adds: multipliers of 16 bits."""
    return st.builds(
        Scale, zero_point=INT8, multiplier=st.integers(-(1 << 15), (1 << 15) - 1), shift=st.integers(0, 31)
    )


def wide_scales() -> st.SearchStrategy[Scale]:
    """Of sums: multipliers of 32 bits."""
    return st.builds(
        Scale,
        zero_point=st.integers(-5000, 5000),
        multiplier=st.one_of(st.integers(0, 300), st.integers(-(1 << 31), (1 << 31) - 1)),
        shift=st.one_of(st.integers(0, 8), st.integers(0, 63)),
    )


def int8(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-128, 128, shape, np.int8)


def per_channel(rng: np.random.Generator, channels: int) -> list[Array]:
    """Bias, multiplier and shift; most channels use the range of int8, a few saturate."""
    return [
        rng.integers(-20000, 20000, channels).astype(np.int32),
        rng.integers(-(1 << 31), 1 << 31, channels).astype(np.int32),
        rng.choice([0, 30, 36, 38, 40, 63], channels).astype(np.int32),
    ]


@st.composite
def convolutions(draw: st.DrawFn) -> Sample:
    shape = draw(conv2d_shapes(size=9, channels=20, kernel=5))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    output = draw(st.none() | outputs())
    residual = draw(st.none() | scales()) if output is not None else None
    op = QConv2d(
        strides=shape.strides,
        pads=shape.pads,
        dilation=shape.dilation,
        groups=shape.groups,
        zero_point=draw(INT8),
        output=output,
        residual=residual,
    )
    arrays = [int8(rng, shape.n, shape.ic, shape.h, shape.w)]
    arrays.append(int8(rng, shape.oc, shape.ic // shape.groups, shape.kh, shape.kw))
    arrays += per_channel(rng, shape.oc) if output is not None else []
    arrays += [int8(rng, shape.n, shape.oc, shape.out_h, shape.out_w)] if residual is not None else []
    return Sample(op, arrays, (0, 5) if residual is not None else (0,))


@st.composite
def products(draw: st.DrawFn) -> Sample:
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    lead = tuple(draw(st.lists(FEW, max_size=2)))
    m, n, k = draw(st.integers(1, 20)), draw(st.integers(1, 40)), draw(st.integers(1, 50))
    own = draw(st.booleans())
    output = draw(st.none() | outputs())
    residual = draw(st.none() | scales()) if output is not None else None
    arrays = [int8(rng, *lead, m, k), int8(rng, *(lead if own else ()), n, k)]
    arrays += per_channel(rng, n) if output is not None else []
    arrays += [int8(rng, *lead, m, n)] if residual is not None else []
    running = (0, 1) if draw(st.booleans()) else (0,)
    return Sample(QMatmul(output=output, residual=residual), arrays, (*running, 5) if residual is not None else running)


@st.composite
def pools(draw: st.DrawFn) -> Sample:
    pad = st.integers(0, 2)
    try:
        shape = Pool2dShape(
            n=draw(FEW),
            c=draw(st.integers(1, 70)),
            h=draw(st.integers(1, 9)),
            w=draw(st.integers(1, 9)),
            kh=draw(st.integers(1, 4)),
            kw=draw(st.integers(1, 4)),
            strides=(draw(FEW), draw(FEW)),
            pads=(draw(pad), draw(pad), draw(pad), draw(pad)),
        )
    except OperatorError:
        assume(False)
        raise
    common = {"kernel": (shape.kh, shape.kw), "strides": shape.strides, "pads": shape.pads}
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    data = int8(rng, shape.n, shape.c, shape.h, shape.w)
    if draw(st.booleans()):
        return Sample(QMaxPool2d(**common), [data], (0,))
    op = QAvgPool2d(**common, zero_point=draw(INT8), scale=draw(wide_scales()), output=draw(outputs()))
    return Sample(op, [data], (0,))


@st.composite
def elements(draw: st.DrawFn) -> Sample:
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shape = draw(st.lists(st.integers(1, 9), max_size=5))
    if draw(st.booleans()):
        return Sample(QRescale(scale=draw(wide_scales()), output=draw(outputs())), [int8(rng, *shape)], (0,))
    pair = [draw(scales()), draw(wide_scales())]
    one, other = pair if draw(st.booleans()) else reversed(pair)
    op = QAdd(one=one, other=other, output=draw(outputs()))
    return Sample(op, [int8(rng, *shape), int8(rng, *shape)], draw(st.sampled_from([(0, 1), (0,), (1,)])))


@st.composite
def sums(draw: st.DrawFn) -> Sample:
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] = draw(st.integers(1, 40))
    values = rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32) >> rng.integers(0, 20, shape)
    op = Requantise(axis=axis, output=draw(outputs()))
    return Sample(op, [values.astype(np.int32), *per_channel(rng, shape[axis])], (0,))


KINDS: dict[str, Callable[[], st.SearchStrategy[Sample]]] = {
    "convolutions": convolutions,
    "products": products,
    "pools": pools,
    "elements": elements,
    "sums": sums,
}
