"""``dovetail bench scaling``: which machines and memories it compares, what it sums up, writes and draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.scaling import ScalingResult, measure_scaling
from dovetail.scaling_plot import plot_scaling
from dovetail.workload import RESNET18

SMALL = Conv2dShape(h=8, w=8, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1))
MACS = 8 * 8 * 16 * 16 * 3 * 3


@pytest.fixture(scope="module")
def found() -> ScalingResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RESNET18, "C2", SMALL)
        return measure_scaling(("tiny", "small"), layers=("C2",), bandwidths=(2, 4, 8), latencies=(16, 256))


def test_more_bytes_and_less_latency_never_cost_cycles(found: ScalingResult) -> None:
    for points in found.by_bandwidth.values():
        assert [point.bytes_per_cycle for point in points] == [2, 4, 8]
        totals = [point.total for point in points]
        assert totals == sorted(totals, reverse=True)
    for points in found.by_latency.values():
        assert [point.latency_cycles for point in points] == [16, 256]
        assert points[0].total < points[1].total


def test_utilization_is_products_over_what_the_array_could_do(found: ScalingResult) -> None:
    for point in found.points:
        assert point.macs == MACS
        assert point.utilization == MACS / (point.total * point.macs_per_cycle) < 1


def test_accelerators_share_the_memory_equally(found: ScalingResult) -> None:
    shared = {(one.each.config, one.accelerators, one.bytes_per_cycle): one for one in found.sharing}
    assert shared["tiny", 4, 8].each.bytes_per_cycle == 2
    assert shared["tiny", 2, 8].speed == 2 * shared["tiny", 1, 4].speed
    assert ("tiny", 4, 4) not in shared


def test_all_of_it_is_drawn_and_written(found: ScalingResult, tmp_path: Path) -> None:
    plot_scaling(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads(json.dumps(found.as_dict()))
    assert len(written["points"]) == len(found.points) == 10
    assert written["points"][0]["cycles"].keys() == {"C2"}


def test_what_cannot_be_drawn_or_measured_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "scaling", "--plot", "x.txt"]) == 2
    assert main(["bench", "scaling", "--layers", "C99"]) == 2
    assert "C99" in capsys.readouterr().err
