"""Tuning on the CPU: candidates are checked before they are timed, and the benchmark says what it compares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from dovetail.cli import main
from dovetail.compiler.ops.cpu import Conv2dKnobs
from dovetail.compiler.ops.cpu.knobs import conv2d_knobs
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.tune.cpu_space import CpuSpace
from dovetail.compiler.tune.outcome import Status
from dovetail.compiler.tune.space import knobs_from_dict
from dovetail.tuning import cpu_bench, cpu_trial
from dovetail.tuning.cpu_case import Call, CpuCase, float32_case, naive
from dovetail.tuning.cpu_search import RankedExplorer
from dovetail.tuning.cpu_trial import CpuTrial, run_cpu_trial

SHAPE = Conv2dShape(h=6, w=6, ic=4, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1))
GROUPED = Conv2dShape(n=2, h=7, w=5, ic=4, oc=6, kh=3, kw=2, strides=(2, 1), pads=(1, 0, 0, 2), groups=2)


@pytest.mark.parametrize("shape", [SHAPE, GROUPED, replace(SHAPE, kh=1, kw=1, strides=(2, 2))])
def test_the_naive_loops_compute_the_convolution(shape: Conv2dShape) -> None:
    case = float32_case(shape)
    operator = naive(shape)
    assert operator.schedule.steps == []
    assert case.bind(operator)[1] <= case.tolerance


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_cut_that_is_right_costs_what_it_takes_over_the_rules_cut(dtype: str) -> None:
    outcome = run_cpu_trial(CpuTrial(SHAPE, replace(conv2d_knobs(SHAPE), vectors=1), dtype))
    assert outcome.status is Status.OK and outcome.cost is not None and 0 < outcome.cost < 1000


def test_a_call_during_which_the_clock_does_not_move_takes_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_trial.time, "thread_time", lambda: 1.0)
    ours, theirs = cpu_trial.in_turn((lambda: None, lambda: None), 3)
    assert cpu_trial.ratio(ours, theirs) == 1


def test_a_cut_that_does_not_fit_fails_with_its_reason() -> None:
    outcome = run_cpu_trial(CpuTrial(SHAPE, Conv2dKnobs(over_channels=False, cols=1, channels=3)))
    assert outcome.status is Status.FAILED and "no multiple of channels=3" in outcome.message


def test_a_wrong_output_has_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = cpu_trial._Reference(float32_case(SHAPE), conv2d_knobs(SHAPE))
    broken = replace(reference.case, expected=reference.case.expected + np.float32(1))
    reference.case = broken
    monkeypatch.setattr(cpu_trial, "_reference", lambda shape, dtype: reference)
    outcome = run_cpu_trial(CpuTrial(SHAPE, conv2d_knobs(SHAPE)))
    assert outcome.status is Status.WRONG and outcome.cost is None and "differ from the reference" in outcome.message


def test_an_element_that_is_never_written_is_wrong() -> None:
    case = float32_case(SHAPE)
    case.expected[0, 0, 0, 0] = np.nan
    assert case.bind(case.operator(conv2d_knobs(SHAPE)))[1] == float("inf")


def test_the_explorer_begins_with_the_default_and_proposes_everything_once() -> None:
    space = CpuSpace(SHAPE)
    explorer = RankedExplorer(space, np.random.default_rng(0))
    seen: list[int] = []
    while not explorer.done:
        for index in explorer.propose(8):
            seen.append(index)
            explorer.tell(index, None if index % 5 == 0 else float(index))
    assert seen[0] == space.default()
    assert sorted(seen) == list(range(space.size))
    assert explorer.propose(3) == []


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark with small layers and few turns."""
    monkeypatch.setattr(cpu_bench, "RESNET18", {"C2": SHAPE, "C3": GROUPED})
    for name in ("FINAL_ROUNDS", "SLOW_ROUNDS", "ROUNDS"):
        monkeypatch.setattr(cpu_bench, name, 2)


@pytest.mark.usefixtures("short")
def test_the_benchmark_reports_ratios_over_each_schedule_that_is_not_tuned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "cpu-tuning", "--layers", "C2,C3", "--trials", "3", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [layer["workload"] for layer in found["layers"]] == ["C2", "C3"]
    assert set(found["total"]) == {"over_naive", "over_untuned", "over_rule"}
    for layer in found["layers"]:
        assert layer["right"] and layer["trials"] == 3 and layer["failed"] == 0
        assert min(layer[name] for name in ("naive", "untuned", "rule", "tuned")) > 0
        assert knobs_from_dict("cpu_conv2d_float32", layer["knobs"]).vectors in range(1, 5)
    assert main(["bench", "cpu-tuning", "--layers", "C99"]) == 2
    assert "no layer 'C99'" in capsys.readouterr().err


@pytest.mark.usefixtures("short")
def test_a_tuned_schedule_with_wrong_outputs_fails_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    final = cpu_bench._final

    def wrong(finalists: Sequence[Conv2dKnobs], case: CpuCase) -> tuple[Conv2dKnobs, tuple[Call, float]]:
        return final(finalists, replace(case, expected=case.expected + np.float32(1)))

    monkeypatch.setattr(cpu_bench, "_final", wrong)
    assert main(["bench", "cpu-tuning", "--layers", "C2", "--trials", "2", "--json", "-"]) == 1
    assert [layer["right"] for layer in json.loads(capsys.readouterr().out)["layers"]] == [False]
