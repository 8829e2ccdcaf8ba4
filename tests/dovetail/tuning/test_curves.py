"""How few trials a search needed, of its curve; and the benchmark that draws curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.tuning.curves import Cycles, LayerCurves, TunerResult
from dovetail.workload import RESNET18

Curve = tuple[float | None, ...]


def layer(*curves: Curve, known: float = 100) -> LayerCurves:
    return LayerCurves(
        name="C2",
        settings=1000,
        candidates=20,
        untuned=None,
        tuned=None,
        known=Cycles(known),
        array=50,
        prediction_ms=0.01,
        curves={"xgboost": curves},
    )


def test_a_search_is_close_within_two_percent_of_the_best_known() -> None:
    assert layer((150, 103, 102, 100)).trials_needed("xgboost") == 3


def test_of_several_seeds_the_median_counts() -> None:
    found = layer((100, 100), (200, 101), (300, 300))
    assert found.trials_needed("xgboost") == 2
    assert found.ratio("xgboost", 1) == 2.0
    assert found.ratio("xgboost", 2) == 1.01


def test_most_seeds_that_never_come_close_need_no_number() -> None:
    assert layer((100,), (110,), (120,)).trials_needed("xgboost") is None


def test_trials_that_all_failed_have_no_ratio() -> None:
    assert layer((None, 100)).ratio("xgboost", 1) is None
    assert layer((None, 100)).trials_needed("xgboost") == 2


def test_layers_are_put_together_by_the_geometric_mean() -> None:
    both = TunerResult(layers=(layer((100,)), layer((400,))), trials=1, seeds=1)
    assert both.mean_ratio("xgboost", 1) == pytest.approx(2.0)


@pytest.mark.rtl
def test_the_benchmark_compares_models_and_runs_what_it_found_on_the_rtl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in ("C8", 6), ("C9", 8):
        small = Conv2dShape(h=rows, w=8, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1))
        monkeypatch.setitem(RESNET18, name, small)
    out, plot, records = tmp_path / "tuner.json", tmp_path / "tuner.png", tmp_path / "records.sqlite"
    arguments = ["bench", "tuner", "--config", "tiny", "--layers", "C8,C9", "--records", str(records)]
    sizes = ["--trials", "12", "--seeds", "2", "--candidates", "40", "--workers", "1"]
    assert main([*arguments, *sizes, "--json", str(out), "--plot", str(plot)]) == 0
    found = json.loads(out.read_text())
    assert [list(one["curves"]) for one in found["layers"]] == [
        ["xgboost", "genetic", "random"],
        ["xgboost", "genetic", "random", "xgboost, taught"],
    ]
    for one in found["layers"]:
        assert 40 <= one["candidates"] <= one["settings"]
        assert one["known"]["rtl"] == one["known"]["measured"] <= one["tuned"]["measured"] == one["tuned"]["rtl"]
        assert one["tuned"]["rtl"] <= one["untuned"]["rtl"]
        assert one["untuned"]["rtl"] >= one["known"]["rtl"] >= one["array"]
    assert plot.stat().st_size > 0
    assert "tuned is the worst that xgboost found" in capsys.readouterr().out
