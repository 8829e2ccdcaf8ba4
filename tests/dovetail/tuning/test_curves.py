"""How few trials a search needed, of its curve; and the benchmark that draws curves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.compiler.tune.records import Records
from dovetail.compiler.tune.search import BATCH
from dovetail.isa.config import load_config
from dovetail.runtime.pool import open_pool
from dovetail.tuning.accelerator_trial import Machine
from dovetail.tuning.bench import Bench
from dovetail.tuning.compare import measure_tuner
from dovetail.tuning.curves import Cycles, LayerCurves, TunerResult
from dovetail.workload import RESNET18

Curve = tuple[float | None, ...]

SMALL = Conv2dShape(h=6, w=8, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1))


def layer(
    *curves: Curve, known: float = 100, untuned: float | None = None, searched: float | None = None
) -> LayerCurves:
    return LayerCurves(
        name="C2",
        settings=1000,
        candidates=20,
        untuned=None if untuned is None else Cycles(untuned),
        searched=None if searched is None else Cycles(searched),
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


def test_tuned_is_the_better_of_untuned_and_searched_whichever_there_is() -> None:
    assert layer(untuned=120, searched=110).tuned == layer(untuned=110, searched=120).tuned == Cycles(110)
    assert layer(searched=130).tuned == layer(untuned=130).tuned == Cycles(130)
    assert layer().tuned is None
    assert layer((100,), untuned=120, searched=130).as_dict()["tuned"]["measured"] == 120


def test_a_search_that_is_worse_than_the_untuned_schedule_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One random schedule for each seed; the worst of them counts."""
    monkeypatch.setitem(RESNET18, "C8", SMALL)
    machine = Machine(load_config("tiny"), "timing")
    with Records(tmp_path / "records.sqlite") as records, open_pool(workers=1) as pool:
        bench = Bench(records, pool, device=machine.device, timeout=60.0)
        found = measure_tuner(
            machine, bench, layers=["C8"], models=["random"], trials=1, seeds=3, candidates=3, confirm=False
        )
    (one,) = found.layers
    assert one.searched is not None and one.untuned is not None
    assert one.searched.measured == max(curve[0] or 0 for curve in one.curves["random"])
    assert one.searched.measured > one.untuned.measured == one.tuned.measured


@pytest.mark.rtl
def test_the_benchmark_compares_models_and_runs_what_it_found_on_the_rtl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in ("C8", 6), ("C9", 8):
        monkeypatch.setitem(RESNET18, name, replace(SMALL, h=rows))
    out, plot, records = tmp_path / "tuner.json", tmp_path / "tuner.png", tmp_path / "records.sqlite"
    arguments = ["bench", "tuner", "--config", "tiny", "--layers", "C8,C9", "--records", str(records)]
    sizes = ["--trials", "12", "--seeds", "2", "--candidates", "40", "--workers", "1"]
    assert main([*arguments, *sizes, "--json", str(out), "--plot", str(plot)]) == 0
    found = json.loads(out.read_text())
    assert [list(one["curves"]) for one in found["layers"]] == [
        ["xgboost", "estimate", "genetic", "random"],
        ["xgboost", "estimate", "genetic", "random", "xgboost, taught"],
    ]
    for one in found["layers"]:
        assert 40 <= one["candidates"] <= one["settings"]
        for name in ("untuned", "searched", "tuned", "known"):
            assert one[name]["rtl"] == one[name]["measured"] >= one["known"]["rtl"] >= one["array"], name
        assert one["searched"]["measured"] == max(curve[-1] for curve in one["curves"]["xgboost"])
        assert one["searched"]["measured"] <= 1.02 * one["known"]["measured"]
        # Before the first batch is measured there is nothing that XGBoost could learn from.
        learned, estimated = one["curves"]["xgboost"], one["curves"]["estimate"]
        assert [curve[:BATCH] for curve in learned] == [curve[:BATCH] for curve in estimated]
    assert plot.stat().st_size > 0
    assert "searched is the worst that xgboost found" in capsys.readouterr().out
