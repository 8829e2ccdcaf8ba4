"""The analytical model: its figures make sense, and what it chooses is good enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.blocked import Blocked, as_conv2d, as_matmul, blocked_conv2d
from dovetail.compiler.ops.choose import choose
from dovetail.compiler.ops.model import predict
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape
from dovetail.compiler.ops.space import candidates
from dovetail.compiler.ops.transfers import Memory, cut
from dovetail.isa.config import load_config

DEFAULT = load_config("default")


def layer(size: int, ic: int, oc: int, k: int, stride: int) -> Conv2dShape:
    pad = k // 2
    return Conv2dShape(h=size, w=size, ic=ic, oc=oc, kh=k, kw=k, strides=(stride, stride), pads=(pad, pad, pad, pad))


RESNET18 = {
    "C2": layer(56, 64, 64, 3, 1),
    "C3": layer(56, 64, 64, 1, 1),
    "C4": layer(56, 64, 128, 3, 2),
    "C5": layer(56, 64, 128, 1, 2),
    "C6": layer(28, 128, 128, 3, 1),
    "C7": layer(28, 128, 256, 3, 2),
    "C8": layer(28, 128, 256, 1, 2),
    "C9": layer(14, 256, 256, 3, 1),
    "C10": layer(14, 256, 512, 3, 2),
    "C11": layer(14, 256, 512, 1, 2),
    "C12": layer(7, 512, 512, 3, 1),
}


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_tiles_cover_the_output_once(total: int, size: int, first: int) -> None:
    tiles = cut(total, size, min(first, size, total))
    assert [at for begin, extent in tiles for at in range(begin, begin + extent)] == list(range(total))
    assert tiles[0][1] == min(first, size, total)
    assert all(extent <= size for _, extent in tiles)


@given(
    st.sampled_from(sorted(RESNET18)),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.integers(0, 200),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_no_schedule_beats_the_array_or_the_memory(
    name: str, bytes_per_cycle: int, latency: int, data: st.DataObject
) -> None:
    shape = blocked_conv2d(RESNET18[name], DEFAULT)
    knobs = data.draw(st.sampled_from(list(candidates(shape, DEFAULT))))
    cycles = predict(shape, knobs, DEFAULT, Memory(latency, bytes_per_cycle))
    moved = (
        shape.ic_blocks * DEFAULT.inp_bytes * shape.h * shape.w // shape.row_step
        + shape.ic_blocks * shape.oc_blocks * shape.kh * shape.kw * DEFAULT.wgt_bytes
        + shape.oc_blocks * shape.out_h * shape.out_w * DEFAULT.out_bytes
    )
    assert cycles >= shape.steps
    assert cycles >= 0.95 * moved / bytes_per_cycle
    # Where the memory is the limit, who gets how much of it is a guess, so slower need not be slower by the model.
    assert predict(shape, knobs, DEFAULT, Memory(latency + 100, bytes_per_cycle)) > 0.95 * cycles
    assert predict(shape, knobs, DEFAULT, Memory(latency, 16)) <= 1.05 * cycles


def test_the_choice_keeps_the_array_busy() -> None:
    expected = {name: choose(blocked_conv2d(shape, DEFAULT), DEFAULT, Memory()) for name, shape in RESNET18.items()}
    products = {name: shape.macs / DEFAULT.macs_per_cycle for name, shape in RESNET18.items()}
    assert min(products[name] / choice.cycles for name, choice in expected.items()) > 0.9
    assert sum(products.values()) / sum(choice.cycles for choice in expected.values()) > 0.97


def test_columns_are_faster_for_three_channels() -> None:
    shape = layer(224, 3, 64, 7, 2)
    product = as_matmul(shape, DEFAULT)
    assert product is not None
    columns = choose(blocked_conv2d(as_conv2d(product, DEFAULT), DEFAULT), DEFAULT, Memory())
    assert shape.macs / DEFAULT.macs_per_cycle / columns.cycles > 0.85
    assert choose(blocked_conv2d(shape, DEFAULT), DEFAULT, Memory()).cycles > 4 * columns.cycles


@pytest.mark.parametrize("name", ["default", "tiny", "small", "large", "batch8"])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_something_fits_every_machine(name: str, k: int) -> None:
    config = load_config(name)

    def check(shape: Blocked) -> None:
        choice = choose(shape, config, Memory())
        assert choice.cycles >= shape.steps

    check(blocked_conv2d(layer(33, 65, 63, k, 2), config))
    check(blocked_conv2d(as_conv2d(MatmulShape(m=37, n=200, k=1000), config), config))
