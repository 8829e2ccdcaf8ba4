"""Features are counted on the program, and without it they are the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail import building
from dovetail.compiler import te as t
from dovetail.compiler.ops.conv2d import conv2d
from dovetail.compiler.ops.knobs import At, Conv2dKnobs
from dovetail.compiler.tir.stmt import Program
from dovetail.compiler.tune.features.extract import ast_features
from dovetail.compiler.tune.features.table import FEATURES, NAMES, describe

from .shapes import LAYERS, config_of, space_of


def program_of(name: str, knobs: Conv2dKnobs) -> Program:
    operator = conv2d(LAYERS[name][1], config_of(name), knobs=knobs, columns=False)
    return building.lower(operator.schedule, operator.args)


def feature(found: np.ndarray, name: str) -> float:
    return float(found[NAMES.index(name)])


@given(st.sampled_from(sorted(LAYERS)), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_features_of_a_setting_are_those_of_its_program(name: str, seed: int) -> None:
    space = space_of(name)
    index = space.random(np.random.default_rng(seed), 1)
    found = space.features(index)[0]
    counted = ast_features(program_of(name, space.knobs(int(index[0]))))
    differing = {n: (f, c) for n, f, c in zip(NAMES, found, counted, strict=True) if f != c}
    assert not differing, space.knobs(int(index[0]))


def test_features_are_what_they_say() -> None:
    """A program small enough to count by hand: 2 tiles of 7 rows, 2 blocks of outputs, 4 blocks of inputs."""
    knobs = Conv2dKnobs(
        rows=7, cols=14, first_rows=7, channels=4, kernel_rows=3, kernel_cols=3, weights=At.BLOCK, wgt_copies=2
    )
    found = ast_features(program_of("3x3", knobs))
    counts = {
        "tensor.points": 14 * 14 * 2 * 4 * 9,
        "tensor.runs": 2 * 2,
        "tensor.most": 7 * 14 * 4 * 9,
        "kernel": 4 * 9,
        "inner": 14,
        "load_inp.runs": 2,
        "load_inp.points": 2 * 64 * 8 * 14,
        "load_inp.padding": 2 * 64 * (9 * 16 - 8 * 14),
        "load_wgt.runs": 2 * 2,
        "load_wgt.points": 2 * 2 * 16 * 64 * 9,
        "store.points": 32 * 14 * 14,
        "wgt.copies": 2,
        "inp.bytes": 64 * 9 * 16,
        "plain.runs": 0,
        "vthreads": 0,
    }
    for name, count in counts.items():
        assert feature(found, name) == pytest.approx(np.log2(1 + count)), name
    reuse = (14 * 14 * 2 * 4 * 9 * 16 + 1) / (2 * 64 * 8 * 14 + 1)
    assert feature(found, "inp.reuse") == pytest.approx(np.log2(reuse))


def test_a_program_of_a_cpu_has_the_same_features() -> None:
    a, b = (t.placeholder((6, 16), name=name) for name in "ab")
    out = t.compute((6, 16), lambda i, j: a[i, j] * b[i, j] + 1.0, name="out")
    s = t.create_schedule(out)
    row, col = s[out].op.axis
    s[out].parallel(row)
    _, inner = s[out].split(col, factor=8)
    s[out].vectorize(inner)
    found = ast_features(building.lower(s, [a, b, out]))
    assert found.shape == (len(FEATURES),)
    counts = {
        "plain.points": 96,
        "reads": 2 * 96,
        "arithmetic": 2 * 96,
        "touched": 3 * 96 * 4,
        "parallel": 6,
        "lanes": 8,
    }
    for name, count in counts.items():
        assert feature(found, name) == pytest.approx(np.log2(1 + count)), name
    assert not any(feature(found, name) for name in NAMES if name.startswith(("tensor", "load", "store")))


def test_the_table_names_each_feature_once_and_explains_it() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(feature.meaning in line for feature, line in zip(FEATURES, describe().splitlines(), strict=True))
