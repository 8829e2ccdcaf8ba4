"""The space of a CPU convolution holds what its template takes and registers hold, and says why it holds no more."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.cpu.knobs import REGISTERS, Conv2dKnobs, Order, Unpack, all_conv2d_knobs, conv2d_knobs
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.tune.cpu_space import CpuSpace, cpu_conv2d_task
from dovetail.compiler.tune.features.table import NAMES
from dovetail.compiler.tune.space import knobs_as_dict, knobs_from_dict

SHAPES = {
    "square": Conv2dShape(h=14, w=14, ic=32, oc=64, kh=3, kw=3, pads=(1, 1, 1, 1)),
    "product": Conv2dShape(h=16, w=16, ic=32, oc=64, kh=1, kw=1),
    "strided": Conv2dShape(h=14, w=14, ic=32, oc=64, kh=1, kw=1, strides=(2, 2)),
    "depthwise": Conv2dShape(h=20, w=20, ic=24, oc=24, kh=3, kw=3, groups=24),
    "odd": Conv2dShape(n=2, h=9, w=5, ic=3, oc=20, kh=3, kw=2),
    "pixel": Conv2dShape(h=1, w=1, ic=64, oc=10, kh=1, kw=1),
}
ALL = pytest.mark.parametrize("name", SHAPES)
SEEDS = st.integers(0, 2**32 - 1)


@ALL
def test_a_setting_is_in_the_space_exactly_when_its_sums_fit_the_registers_and_its_shape(name: str) -> None:
    shape, space = SHAPES[name], CpuSpace(SHAPES[name])
    count = 0
    for knobs in all_conv2d_knobs(shape):
        per_group, length = shape.oc // shape.groups, knobs.rows * knobs.cols * knobs.channels
        fits = knobs.vectors * (length + 1) + 1 <= REGISTERS[knobs.lanes]
        if knobs.over_channels and knobs.unpack is Unpack.ROW:
            fits = fits and per_group % (knobs.lanes * knobs.vectors) == 0 and shape.out_h % knobs.rows == 0
        fits = fits and per_group % knobs.channels == 0
        if fits:
            assert space.knobs(space.index(knobs)) == knobs
        else:
            with pytest.raises(KeyError):
                space.index(knobs)
        count += fits
    assert count == space.size
    assert space.total == space.size + sum(space.rejected.values())


@ALL
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_every_number_is_a_setting_of_its_own_that_json_brings_back(name: str, dtype: str) -> None:
    space = CpuSpace(SHAPES[name], dtype)
    settings_ = [space.knobs(index) for index in range(space.size)]
    assert len(set(settings_)) == space.size
    for index, knobs in enumerate(settings_):
        assert space.index(knobs) == index
        assert knobs_from_dict(space.task.operator, knobs_as_dict(knobs)) == knobs


@ALL
def test_the_rules_choice_is_in_the_space(name: str) -> None:
    space = CpuSpace(SHAPES[name])
    default = space.default()
    assert default is not None and space.knobs(default) == conv2d_knobs(SHAPES[name])


@given(st.sampled_from(list(SHAPES)), SEEDS)
@settings(max_examples=20, deadline=None)
def test_neighbours_differ_in_one_knob_and_children_take_each_from_a_parent(name: str, seed: int) -> None:
    space, rng = CpuSpace(SHAPES[name]), np.random.default_rng(seed)
    first, second = space.random(rng, 40), rng.permutation(space.random(rng, 40))
    near, children = space.neighbours(rng, first), space.crossover(rng, first, second)
    for own, other, neighbour, child in zip(first, second, near, children, strict=True):
        a, b, c, d = (knobs_as_dict(space.knobs(int(index))) for index in (own, other, neighbour, child))
        assert own == neighbour or sum(a[knob] != c[knob] for knob in a) == 1
        assert all(d[knob] in (a[knob], b[knob]) for knob in d)


@ALL
def test_features_are_the_tables_and_tell_settings_apart(name: str) -> None:
    space = CpuSpace(SHAPES[name])
    every = np.arange(space.size)
    features = space.features(every)
    assert features.shape == (space.size, len(NAMES)) and features.dtype == np.float32
    assert np.isfinite(features).all()
    some = every[::3]
    np.testing.assert_array_equal(space.features(some), features[some])
    estimates = space.estimate(every)
    assert (estimates > 0).all() and np.isfinite(estimates).all()
    np.testing.assert_array_equal(space.estimate(some), estimates[some])


def test_the_estimate_knows_what_wastes_columns_and_registers() -> None:
    shape = Conv2dShape(h=28, w=28, ic=64, oc=128, kh=3, kw=3, pads=(1, 1, 1, 1))
    space = CpuSpace(shape)
    lanes = space.knobs(0).lanes

    def cost(**knobs: int) -> float:
        one = Conv2dKnobs(lanes=lanes, unpack=Unpack.ROW, order=Order.BLOCK, **knobs)
        return float(space.estimate(np.array([space.index(one)]))[0])

    assert cost(vectors=2, cols=4) < cost(vectors=2, cols=5)
    assert cost(vectors=2, cols=4) < cost(vectors=2, cols=1)


def test_tasks_of_different_shapes_and_types_have_different_keys() -> None:
    keys = {cpu_conv2d_task(shape, dtype).key for shape, dtype in product(SHAPES.values(), ("float32", "int8"))}
    assert len(keys) == 2 * len(SHAPES)
    assert cpu_conv2d_task(SHAPES["odd"]).operator == "cpu_conv2d_float32"


def test_what_is_rejected_is_described_with_an_example() -> None:
    text = CpuSpace(SHAPES["odd"]).describe()
    assert "settings, of which" in text
    assert "registers: " in text and "sums in registers" in text
    with pytest.raises(ValueError, match="float32 or int8, not float16"):
        CpuSpace(SHAPES["odd"], "float16")
