"""Knobs: what a schedule fills of the buffers, and which the machine can run."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.blocked import Blocked, blocked_conv2d
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.knobs import At, Conv2dKnobs, Order, footprint
from dovetail.compiler.ops.rules import misfit, require_fit
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.space import candidates
from dovetail.compiler.tune.settings import Template
from dovetail.isa.config import load_config

CONFIGS = {name: load_config(name) for name in ("default", "tiny", "batch8")}
SMALL = st.integers(1, 3)


@st.composite
def shapes(draw: st.DrawFn, most: int = 9) -> Blocked:
    kh, kw = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    dilation = (draw(SMALL), draw(SMALL))
    shape = Conv2dShape(
        h=(kh - 1) * dilation[0] + draw(st.integers(1, most)),
        w=(kw - 1) * dilation[1] + draw(st.integers(1, most)),
        ic=draw(st.integers(1, 40)),
        oc=draw(st.integers(1, 40)),
        kh=kh,
        kw=kw,
        strides=(draw(SMALL), draw(SMALL)),
        pads=tuple(draw(st.integers(0, 2)) for _ in range(4)),  # type: ignore[arg-type]
        dilation=dilation,
    )
    return blocked_conv2d(shape, CONFIGS["tiny"])


def touched(shape: Blocked, knobs: Conv2dKnobs) -> tuple[int, int, int, int]:
    """Extent of the inputs, and the numbers of weights, outputs and products, of the first tile's first chunk."""
    at_chunk = knobs.inputs is At.CHUNK
    outputs = list(product(range(knobs.rows), range(knobs.cols)))
    seen = outputs
    if knobs.inputs is At.IMAGE:
        tiles = [begin for begin in (0, *range(knobs.first_rows, shape.out_h, knobs.rows))]
        rows_of_thread = -(-len(tiles) // knobs.threads) * knobs.rows
        seen = list(product(range(min(rows_of_thread, shape.out_h)), range(shape.out_w)))
    channels = range(knobs.channels)
    taps = list(product(range(knobs.kernel_rows), range(knobs.kernel_cols)))
    loaded = channels if at_chunk else range(shape.ic_blocks)
    under = taps if at_chunk else list(product(range(shape.kh), range(shape.kw)))
    rows = {y * shape.stride_h + dy * shape.dilation_h for (y, _), (dy, _) in product(seen, under)}
    cols = {x * shape.stride_w + dx * shape.dilation_w for (_, x), (_, dx) in product(seen, under)}
    box = (max(rows) + 1) * (max(cols) + 1) * len(loaded)
    whole = shape.ic_blocks * shape.kh * shape.kw
    weights = {
        At.ROOT: whole * shape.oc_blocks,
        At.BLOCK: whole,
        At.CHUNK: len(channels) * len(taps),
    }[knobs.weights]
    return box, weights, len(outputs), len(channels) * len(taps)


@given(shapes(most=4), st.data())
@settings(max_examples=60, deadline=None)
def test_footprint_counts_what_is_touched(shape: Blocked, data: st.DataObject) -> None:
    template = Template(shape, rows=1)
    digits = [data.draw(st.integers(0, len(axis.values) - 1), axis.name) for axis in template.axes]
    knobs = template.settings(*(np.array([digit]) for digit in digits)).one(0)
    need = footprint(shape, knobs)
    assert (need.inp, need.wgt, need.acc, need.kernel) == touched(shape, knobs)


@given(shapes(), st.sampled_from(sorted(CONFIGS)))
@settings(max_examples=60, deadline=None)
def test_candidates_fit_and_there_is_always_one(shape: Blocked, name: str) -> None:
    config = CONFIGS[name]
    found = list(candidates(shape, config))
    assert found
    for knobs in found:
        assert misfit(shape, knobs, config) is None
        inp, wgt, acc, kernel = touched(shape, knobs)
        assert knobs.inp_copies * inp <= config.inp_depth
        assert knobs.wgt_copies * wgt <= config.wgt_depth
        assert knobs.acc_copies * acc <= config.acc_depth
        assert kernel <= config.uop_depth


SHAPE = blocked_conv2d(Conv2dShape(h=28, w=28, ic=128, oc=128, kh=3, kw=3, pads=(1, 1, 1, 1)), CONFIGS["default"])
KNOBS = Conv2dKnobs(rows=4, cols=28, first_rows=4, channels=8, kernel_rows=3, kernel_cols=3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": 28}, "1 x 7200 entries in inp_depth=4096"),
        ({"wgt_copies": 8}, "8 x 72 entries in wgt_depth=512"),
        ({"acc_copies": 32}, "32 x 112 entries in acc_depth=2048"),
        ({"wgt_copies": 1, "threads": 8}, "8 x 1440 entries in inp_depth=4096"),
        ({"weights": At.CHUNK}, "a single chunk, which is the whole reduction"),
        ({"order": Order.BLOCK}, "tiles inside of blocks would be loaded again for each block"),
    ],
)
def test_a_misfit_says_what_is_needed_and_what_is_there(changes: dict[str, object], reason: str) -> None:
    knobs = replace(KNOBS, **changes)  # type: ignore[arg-type]
    assert misfit(SHAPE, KNOBS, CONFIGS["default"]) is None
    assert misfit(SHAPE, knobs, CONFIGS["default"]) == reason
    with pytest.raises(OperatorError, match="does not fit: .*; choose smaller parts or fewer copies"):
        require_fit(SHAPE, knobs, CONFIGS["default"])
