"""``dovetail bench timing``: count and estimate beside the RTL, and what of them is not as promised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.tuning import timing_bench
from dovetail.tuning.timing_bench import LayerTiming, Timing, TimingResult, _shortest, _spearman
from dovetail.workload import RESNET18


def layer(cycles: int = 1000, counted: int = 1000, estimated: int = 1000) -> LayerTiming:
    return LayerTiming(
        name="C2", cycles=cycles, counted=counted, estimated=estimated, rtl_seconds=1, estimate_seconds=0.001
    )


def schedule(counted: int, estimated: int, cycles: int | None = None, name: str = "C3") -> Timing:
    return Timing(name=name, cycles=cycles, counted=counted, estimated=estimated)


@pytest.mark.rtl
def test_it_compares_layers_and_random_schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Conv2dShape(h=6, w=6, ic=8, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))
    for name in RESNET18:
        monkeypatch.setitem(RESNET18, name, small)
    out = tmp_path / "timing.json"
    sizes = ["--schedules", "4", "--confirm", "2"]
    assert main(["bench", "timing", "--config", "tiny", *sizes, "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [one["name"] for one in found["layers"]] == list(RESNET18)
    assert all(one["counted"] == one["cycles"] and abs(one["error"]) < 0.03 for one in found["layers"])
    assert (found["schedules"]["count"], found["schedules"]["on_rtl"]) == (4, 2)
    assert found["schedules"]["max_error"] < 0.2
    assert found["broken"] == []


@pytest.mark.parametrize(
    ("layers", "schedules", "said"),
    [
        ([layer(), layer(counted=1001)], [], ["C2: 1,000 cycles on the RTL, but 1,001 counted"]),
        ([layer()], [schedule(500, 500, 499)], ["C3: 499 cycles on the RTL, but 500 counted"]),
        ([layer(estimated=969)], [], ["C2: the estimate is off by -3.10%, more than 3%"]),
        ([layer()], [schedule(100, 100), schedule(200, 240)], ["random schedules: the estimate is off by 10.00% on"]),
        (
            [layer()],
            [schedule(1000, 1001), schedule(1001, 1000), schedule(1002, 999)],
            ["random schedules: rank correlation -1.0000, less than 0.97"],
        ),
        ([layer(), layer(estimated=1029)], [schedule(100, 107, 100), schedule(200, 201)], []),
    ],
    ids=["count of a layer", "count of a schedule", "estimate of a layer", "mean", "ranks", "nothing"],
)
def test_what_is_not_as_promised_is_told(layers: list[LayerTiming], schedules: list[Timing], said: list[str]) -> None:
    found = TimingResult(layers=tuple(layers), schedules=tuple(schedules)).broken
    assert len(found) == len(said) and all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test_the_command_fails_with_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = TimingResult(layers=(layer(counted=1001),), schedules=())
    monkeypatch.setattr(timing_bench, "measure_timing", lambda *_, **__: broken)
    assert main(["bench", "timing"]) == 1
    assert "C2: 1,000 cycles on the RTL, but 1,001 counted" in capsys.readouterr().err


def test_the_shortest_of_each_layer_come_before_the_second_of_any() -> None:
    drawn = [schedule(cycles, cycles, name=name) for name, cycles in (("C2", 90), ("C3", 10), ("C3", 20), ("C2", 80))]
    assert [_shortest(drawn, count) for count in range(6)] == [[], [1], [1, 3], [1, 3, 2], [1, 3, 2, 0], [1, 3, 2, 0]]


def test_ranks_are_correlated_whatever_the_distances() -> None:
    assert _spearman([1, 10, 100, 1000], [5, 6, 7, 8]) == pytest.approx(1)
    assert _spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert _spearman([1, 1, 2, 2], [5, 5, 9, 9]) == pytest.approx(1)
    assert _spearman([1, 1, 2, 2], [5, 9, 5, 9]) == pytest.approx(0)
