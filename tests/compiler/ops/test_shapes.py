"""Sizes of operators, and how they are rounded up to what the array multiplies."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dovetail.compiler.ops.blocked import as_matmul, blocked_conv2d, merged_groups
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape, Pool2dShape
from dovetail.isa.config import load_config

DEFAULT = load_config("default")


@given(*(st.integers(1, 9) for _ in range(4)), st.integers(0, 3), st.integers(0, 3))
def test_outputs_are_the_places_where_the_window_fits(
    inputs: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    places = [
        at for at in range(0, inputs + before + after, stride) if at + (kernel - 1) * dilation < inputs + before + after
    ]
    assume(places)
    shape = Conv2dShape(
        h=inputs,
        w=1,
        ic=1,
        oc=1,
        kh=kernel,
        kw=1,
        strides=(stride, 1),
        pads=(before, 0, after, 0),
        dilation=(dilation, 1),
    )
    assert (shape.out_h, shape.out_w) == (len(places), 1)
    assert shape.macs == len(places) * kernel


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ic": 0}, "conv2d: ic must be at least 1, not 0"),
        ({"strides": (1, 0)}, "conv2d: stride of columns must be at least 1, not 0"),
        ({"groups": 3}, "conv2d: ic=4 must be a multiple of groups=3"),
        ({"pads": (0, -1, 0, 0)}, "conv2d: pads of columns must be at least 0, not -1 and 0"),
        (
            {"dilation": (4, 1)},
            "conv2d: the kernel spans 9 rows but the padded input has 8; "
            "use a smaller kernel or dilation, or more padding",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    sizes: dict[str, object] = {"h": 8, "w": 8, "ic": 4, "oc": 4, "kh": 3, "kw": 3}
    with pytest.raises(OperatorError) as caught:
        Conv2dShape(**(sizes | changes))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_pools_and_products_are_checked_too() -> None:
    with pytest.raises(OperatorError, match="pads of rows must be smaller than the window of 2, not 2 and 0"):
        Pool2dShape(c=1, h=4, w=4, kh=2, kw=2, pads=(2, 0, 0, 0))
    with pytest.raises(OperatorError, match="matmul: k must be at least 1, not 0"):
        MatmulShape(m=1, n=1, k=0)


@pytest.mark.parametrize(
    ("ic", "oc", "groups", "left"),
    [
        pytest.param(32, 32, 32, 2, id="depthwise: a diagonal tile a block"),
        pytest.param(64, 64, 2, 2, id="whole blocks: each group on its own"),
        pytest.param(40, 40, 2, 2, id="two of 20, filled up to 32, cost less than one of 40"),
        pytest.param(12, 20, 4, 1, id="small groups share a block"),
    ],
)
def test_groups_are_merged_where_that_saves_tiles(ic: int, oc: int, groups: int, left: int) -> None:
    assert merged_groups(Conv2dShape(h=1, w=1, ic=ic, oc=oc, kh=1, kw=1, groups=groups), DEFAULT) == left


def test_rows_that_nothing_reads_are_not_loaded() -> None:
    pointwise = blocked_conv2d(Conv2dShape(h=56, w=56, ic=64, oc=128, kh=1, kw=1, strides=(2, 2)), DEFAULT)
    assert (pointwise.row_step, pointwise.stride_h, pointwise.loaded_h, pointwise.loaded_w) == (2, 1, 28, 55)
    dilated = blocked_conv2d(Conv2dShape(h=9, w=9, ic=16, oc=16, kh=3, kw=3, strides=(2, 2), dilation=(2, 2)), DEFAULT)
    assert (dilated.row_step, dilated.stride_h, dilated.dilation_h, dilated.loaded_h) == (2, 1, 1, 5)


def test_columns_of_c1_fill_the_array() -> None:
    shape = Conv2dShape(h=224, w=224, ic=3, oc=64, kh=7, kw=7, strides=(2, 2), pads=(3, 3, 3, 3))
    assert as_matmul(shape, DEFAULT) == MatmulShape(m=112 * 112, n=64, k=147)
