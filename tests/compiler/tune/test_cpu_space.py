"""The space of a CPU convolution holds what its template takes and registers hold, and says why it holds no more."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail import building
from dovetail.compiler.ops.cpu import conv2d_float32, conv2d_int8
from dovetail.compiler.ops.cpu.knobs import REGISTERS, Conv2dKnobs, Order, Unpack, all_conv2d_knobs, conv2d_knobs
from dovetail.compiler.ops.shapes import Conv2dShape, blocks
from dovetail.compiler.tir.expr import Load
from dovetail.compiler.tir.stmt import Allocate, For, If, Invoke, Program, Seq, Stmt, Store
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.tune.cpu_space import CpuSpace, cpu_conv2d_task
from dovetail.compiler.tune.features.extract import ast_features
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


RUN = ("runs", "points", "first", "last", "most")


@given(st.sampled_from(list(SHAPES)), st.sampled_from(["float32", "int8"]), SEEDS)
@settings(max_examples=60, deadline=None)
def test_tiles_are_counted_as_in_the_program(name: str, dtype: str, seed: int) -> None:
    """Features are of multiplications of vectors, a program's of elements, and of instructions where there is one."""
    shape, space = SHAPES[name], CpuSpace(SHAPES[name], dtype)
    index = space.random(np.random.default_rng(seed), 1)
    knobs = space.knobs(int(index[0]))
    own, counted = numbers(space.features(index)[0]), numbers(ast_features(sums_alone(program_of(shape, dtype, knobs))))
    instructed = dtype == "int8" and knobs.over_channels
    kind, size = ("tensor", 1) if instructed else ("plain", knobs.lanes)
    expected = {"plain.runs": counted[f"{kind}.runs"]}
    per_group = shape.oc // shape.groups
    # Vectors beyond a group's channels are not computed, but counted as if they were.
    if not knobs.over_channels or knobs.vectors <= blocks(per_group, knobs.lanes):
        expected["unrolled"] = counted["unrolled"]
        # Over columns, int8 has no instruction for four products: they are counted as if it had.
        if dtype == "float32" or instructed:
            expected |= {f"plain.{what}": counted[f"{kind}.{what}"] / size for what in RUN[1:]}
    if not instructed:
        expected["lanes"] = counted["lanes"]
    if dtype == "float32" and "plain.points" in expected:
        expected["arithmetic"] = counted["arithmetic"] / (2 * size)
    # Tiles of several rows in a single block of channels stay in one thread.
    if shape.n * shape.groups * blocks(per_group, knobs.lanes * knobs.vectors) > 1 or knobs.rows == 1:
        expected["parallel"] = counted["parallel"]
    # A loop of one iteration is none.
    differing = {
        n: (own[n], count) for n, count in expected.items() if own[n] != pytest.approx(max(count, 1), rel=1e-4)
    }
    assert not differing, knobs


def program_of(shape: Conv2dShape, dtype: str, knobs: Conv2dKnobs) -> Program:
    operator = conv2d_float32(shape, knobs=knobs) if dtype == "float32" else conv2d_int8(shape, knobs=knobs)
    return building.lower(operator.schedule, operator.args)


def sums_alone(program: Program) -> Program:
    """What adds products to sums, in its loops, without all that is around it."""
    body = _sums(program.body)
    assert body is not None
    return replace(program, body=body)


def _sums(stmt: Stmt) -> Stmt | None:
    match stmt:
        case Store():
            adds = any(isinstance(node, Load) and node.buffer is stmt.buffer for node in walk(stmt.value))
            return stmt if adds else None
        case Invoke():
            return stmt if len(stmt.inputs) > 1 else None
        case Seq():
            kept = [part for part in map(_sums, stmt.body) if part is not None]
            return Seq(tuple(kept)) if kept else None
        case For() | Allocate():
            body = _sums(stmt.body)
            return None if body is None else replace(stmt, body=body)
        case If():
            then = _sums(stmt.then)
            return None if then is None else replace(stmt, then=then, orelse=None)
        case _:
            return None


def numbers(features: np.ndarray) -> dict[str, float]:
    """The counts that features are of; those of two counts are none."""
    return dict(zip(NAMES, np.exp2(features.astype(np.float64)) - 1, strict=True))


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


@ALL
def test_a_space_makes_those_of_other_sizes_from_their_tasks(name: str) -> None:
    task = cpu_conv2d_task(SHAPES[name], "int8")
    assert CpuSpace(SHAPES["square"], "int8").sized(task.workload).task == task


def test_what_is_rejected_is_described_with_an_example() -> None:
    text = CpuSpace(SHAPES["odd"]).describe()
    assert "settings, of which" in text
    assert "registers: " in text and "sums in registers" in text
    with pytest.raises(ValueError, match="float32 or int8, not float16"):
        CpuSpace(SHAPES["odd"], "float16")
