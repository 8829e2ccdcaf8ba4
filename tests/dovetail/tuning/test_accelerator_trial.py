"""A trial says what a schedule takes, or why it counts for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dovetail.compiler.ops.blocked import blocked_conv2d, grouped_matmul, unblocked
from dovetail.compiler.ops.choose import choose
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.outcome import Status
from dovetail.isa.config import load_config
from dovetail.job import random_case
from dovetail.tuning import accelerator_trial
from dovetail.tuning.accelerator_trial import Machine, Trial, run_trial

TINY = load_config("tiny")
LAYER = Conv2dShape(h=6, w=6, ic=8, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))
SHAPE = blocked_conv2d(LAYER, TINY)
KNOBS = choose(SHAPE, TINY, Memory()).knobs


@pytest.mark.rtl
def test_the_timing_device_gives_the_rtls_cycles() -> None:
    costs = {run_trial(Trial(Machine(TINY, device), SHAPE, KNOBS)).cost for device in ("timing", "rtl")}
    assert len(costs) == 1 and None not in costs


def test_a_schedule_that_does_not_fit_fails_with_the_reason() -> None:
    found = run_trial(Trial(Machine(TINY, "timing"), SHAPE, replace(KNOBS, rows=6, cols=6, acc_copies=1000)))
    assert found.status is Status.FAILED
    assert "does not fit" in found.message


def test_a_device_that_cannot_be_had_is_no_fault_of_the_schedule() -> None:
    found = run_trial(Trial(Machine(TINY, "ulx3s-85f", port="/dev/null"), SHAPE, KNOBS))
    assert found.status is Status.LOST
    assert found.message


def test_outputs_that_differ_from_the_reference_are_wrong_whatever_the_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(unblocked(SHAPE, TINY))
    monkeypatch.setattr(accelerator_trial, "_case", lambda shape: replace(case, expected=case.expected ^ np.int8(1)))
    found = run_trial(Trial(Machine(TINY, "timing"), SHAPE, KNOBS))
    assert found.status is Status.WRONG
    assert found.cost is None


@pytest.mark.parametrize("config", ["tiny", "default", "batch8"])
@pytest.mark.parametrize(
    "layer",
    [
        LAYER,
        Conv2dShape(h=9, w=7, ic=3, oc=5, kh=1, kw=3, strides=(2, 1), pads=(0, 1, 0, 1)),
        Conv2dShape(n=3, h=9, w=9, ic=32, oc=32, kh=3, kw=3, dilation=(2, 2), groups=2),
    ],
)
def test_a_layer_of_whole_blocks_stands_for_all_of_the_same_blocks(config: str, layer: Conv2dShape) -> None:
    machine = load_config(config)
    shape = blocked_conv2d(layer, machine)
    assert blocked_conv2d(unblocked(shape, machine), machine) == shape


def test_products_are_convolutions_of_whole_blocks_too() -> None:
    for groups in (1, 3):
        shape = grouped_matmul(MatmulShape(m=7, n=20, k=33), groups, TINY)
        assert blocked_conv2d(unblocked(shape, TINY), TINY) == shape
