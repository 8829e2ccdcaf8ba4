"""``dovetail bench timing``: the estimate beside the RTL and beside exact counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.tuning.timing_bench import _spearman
from dovetail.workload import RESNET18


@pytest.mark.rtl
def test_it_compares_layers_and_random_schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Conv2dShape(h=6, w=6, ic=8, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))
    for name in RESNET18:
        monkeypatch.setitem(RESNET18, name, small)
    out = tmp_path / "timing.json"
    assert main(["bench", "timing", "--config", "tiny", "--schedules", "4", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [one["name"] for one in found["layers"]] == list(RESNET18)
    assert all(abs(one["error"]) < 0.08 for one in found["layers"])
    assert found["schedules"]["count"] == 4
    assert found["schedules"]["max_error"] < 0.2


def test_ranks_are_correlated_whatever_the_distances() -> None:
    assert _spearman([1, 10, 100, 1000], [5, 6, 7, 8]) == pytest.approx(1)
    assert _spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert _spearman([1, 1, 2, 2], [5, 5, 9, 9]) == pytest.approx(1)
    assert _spearman([1, 1, 2, 2], [5, 9, 5, 9]) == pytest.approx(0)
