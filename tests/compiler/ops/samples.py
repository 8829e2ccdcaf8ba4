"""Random operators and data for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail import reference
from dovetail.compiler.ops import Conv2dShape, OperatorError


def int8(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return rng.integers(-128, 128, shape, np.int8)


def inputs_of(shape: Conv2dShape, seed: int) -> tuple[list[NDArray[Any]], NDArray[np.float64]]:
    """Data, weight, bias, multiplier and shift for a convolution, and its exact sums."""
    rng = np.random.default_rng(seed)
    data = int8(rng, shape.n, shape.ic, shape.h, shape.w)
    weight = int8(rng, shape.oc, shape.ic // shape.groups, shape.kh, shape.kw)
    scales = [
        rng.integers(-2000, 2000, shape.oc, np.int32),
        rng.integers(1 << 30, (1 << 31) - 1, shape.oc, np.int32),
        rng.integers(36, 42, shape.oc).astype(np.uint8),
    ]
    sums = reference.conv2d(data, weight, shape.strides, shape.pads, shape.dilation, shape.groups)
    return [data, weight, *scales], sums


@st.composite
def conv2d_shapes(draw: st.DrawFn, size: int = 8, channels: int = 12, kernel: int = 4) -> Conv2dShape:
    """Convolutions of every kind: groups, odd channels, strides, dilation, uneven padding, single pixels."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 4]))
    few = st.integers(1, 3)
    try:
        return Conv2dShape(
            n=draw(st.integers(1, 2)),
            h=draw(st.integers(1, size)),
            w=draw(st.integers(1, size)),
            ic=groups * draw(st.integers(1, channels // groups)),
            oc=groups * draw(st.integers(1, channels // groups)),
            kh=draw(st.integers(1, kernel)),
            kw=draw(st.integers(1, kernel)),
            strides=(draw(few), draw(few)),
            pads=(draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(0, 3))),
            dilation=(draw(few), draw(few)),
            groups=groups,
        )
    except OperatorError:
        assume(False)
        raise
