"""The space of a convolution holds what the machine can run, and says why it holds no more."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.ops.choose import choose
from dovetail.compiler.ops.estimate import estimate
from dovetail.compiler.ops.rules import RULES, misfit
from dovetail.compiler.ops.transfers import Memory, Transfers
from dovetail.compiler.ops.work import Work
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace, conv2d_task
from dovetail.compiler.tune.space import knobs_as_dict, knobs_from_dict

from .shapes import LAYERS, MEMORY, blocked, config_of, space_of

NAMES = sorted(LAYERS)
SEEDS = st.integers(0, 2**32 - 1)


@given(st.sampled_from(NAMES), SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_point_of_the_grid_is_in_the_space_exactly_when_the_scalar_rules_let_it(name: str, seed: int) -> None:
    space, rng = space_of(name), np.random.default_rng(seed)
    digits = [rng.integers(0, len(axis.values), 50) for axis in space.grid.axes]
    twice = np.broadcast_to(space.template.twice, space.grid.shape)[tuple(digits)]
    numbers = space.grid.numbers(digits)
    columns = space.template.settings(*digits)
    for place in range(50):
        knobs = columns.one(place)
        reason = misfit(blocked(name), knobs, config_of(name))
        pieces = Work(Transfers(blocked(name), config_of(name), MEMORY), knobs).pieces
        wanted = reason is None and pieces <= 2048 and not twice[place]
        assert (numbers[place] >= 0) == wanted, knobs


@pytest.mark.parametrize("name", ["rows never read", "much padding"])
def test_rejections_are_counted_by_the_first_rule_that_is_broken(name: str) -> None:
    space, shape, config = space_of(name), blocked(name), config_of(name)
    first = Counter[str]()
    seen = set()
    for digits in product(*(range(len(axis.values)) for axis in space.grid.axes)):
        if np.broadcast_to(space.template.twice, space.grid.shape)[digits]:
            continue
        knobs = space.template.settings(*(np.array([digit]) for digit in digits)).one(0)
        assert knobs not in seen
        seen.add(knobs)
        reason = misfit(shape, knobs, config)
        if reason is not None:
            first[reason.split(" in ")[-1].split("=")[0]] += 1
    assert space.total == len(seen)
    assert sum(first.values()) == sum(count for rule, count in space.rejected.items() if rule != "pieces")
    assert space.size == space.total - sum(space.rejected.values())
    for rule in ("inp_depth", "wgt_depth", "acc_depth", "uop_depth"):
        assert space.rejected.get(rule, 0) == first[rule]


def test_every_class_of_rejections_is_shown_with_a_full_reason() -> None:
    space = space_of("3x3")
    text = space.describe()
    assert f"{space.total} settings, of which {space.size} fit" in text
    assert {"inp_depth", "wgt_depth", "single chunk"} <= set(space.rejected) <= {r.name for r in space.rules}
    for rule in space.rejected:
        assert f"  {rule}: {space.rejected[rule]}, such as (rows=" in text
    assert "entries in inp_depth=4096" in text
    assert all(axis.name in text for axis in space.grid.axes)


@pytest.mark.parametrize("name", NAMES)
def test_the_default_is_what_the_compiler_chooses(name: str) -> None:
    space = space_of(name)
    default = space.default()
    assert default is not None
    assert space.knobs(default) == choose(blocked(name), config_of(name), MEMORY).knobs


@given(st.sampled_from(NAMES), SEEDS)
@settings(max_examples=30, deadline=None)
def test_moves_lead_to_settings_that_differ_as_they_say(name: str, seed: int) -> None:
    space, rng = space_of(name), np.random.default_rng(seed)
    at = space.random(rng, 40)
    assert len(set(at.tolist())) == len(at) == min(40, space.size)
    own = np.stack(space.grid.digits(at))
    near = np.stack(space.grid.digits(space.neighbours(rng, at)))
    assert ((own != near).sum(axis=0) == 1).all()
    others = rng.permutation(at)
    parents = np.stack([own, np.stack(space.grid.digits(others))])
    child = np.stack(space.grid.digits(space.crossover(rng, at, others)))
    assert ((child == parents[0]) | (child == parents[1])).all()


@given(st.sampled_from(NAMES), SEEDS)
@settings(max_examples=30, deadline=None)
def test_numbers_and_settings_and_json_are_the_same_thing(name: str, seed: int) -> None:
    space = space_of(name)
    index = int(space.random(np.random.default_rng(seed), 1)[0])
    knobs = space.knobs(index)
    assert space.index(knobs) == index
    assert knobs_from_dict("conv2d", knobs_as_dict(knobs)) == knobs
    with pytest.raises(KeyError, match="the space has no setting"):
        space.index(replace(knobs, threads=7))


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_of_many_is_that_of_each(name: str) -> None:
    space = space_of(name)
    indices = space.random(np.random.default_rng(1), 200)
    costs = Transfers(blocked(name), config_of(name), MEMORY)
    each = [estimate(Work(costs, space.knobs(int(index)))) for index in indices]
    np.testing.assert_allclose(space.estimate(indices), each, rtol=1e-12)


def test_a_task_is_another_for_another_shape_machine_or_memory() -> None:
    one = conv2d_task(blocked("3x3"), config_of("3x3"), MEMORY)
    assert one.key == conv2d_task(blocked("3x3"), config_of("3x3"), MEMORY).key
    others = [
        conv2d_task(replace(blocked("3x3"), pads=(1, 1, 1, 0)), config_of("3x3"), MEMORY),
        conv2d_task(blocked("3x3"), config_of("groups"), MEMORY),
        conv2d_task(blocked("3x3"), config_of("3x3"), Memory()),
    ]
    assert len({one.key, *(other.key for other in others)}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_space_makes_those_of_other_sizes_from_their_tasks(name: str) -> None:
    space = space_of(name)
    other = AcceleratorSpace(replace(space.shape, samples=2), space.config, MEMORY)
    again = other.sized(space.task.workload)
    assert (again.task, again.shape, again.size) == (space.task, space.shape, space.size)


@pytest.mark.parametrize("text", ["", "samples=1", "conv2d", "h=1,w=2"])
def test_what_are_no_sizes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="are no sizes of a Blocked"):
        space_of("3x3").sized(text)


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_knobs_of_a_cpu_are_json_too() -> None:
    from dovetail.compiler.ops.cpu import knobs as cpu

    operator, knobs = "cpu_conv2d_float32", cpu.Conv2dKnobs(lanes=8, unpack=cpu.Unpack.ROW)
    assert knobs_from_dict(operator, knobs_as_dict(knobs)) == knobs
    with pytest.raises(ValueError, match="no operator 'pool' has knobs"):
        knobs_from_dict("pool", {})
    with pytest.raises(ValueError, match="the knobs of .* are lanes, "):
        knobs_from_dict(operator, {"lanes": 4})
