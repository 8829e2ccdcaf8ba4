"""The table in docs/tuning.md is what the benchmark in docs/tuning.json measured.

``dovetail bench tuner --plot docs/tuning.png --json tuning.json`` measures it, and
``python -m json.tool --compact tuning.json docs/tuning.json`` puts it there;
``DOVETAIL_UPDATE_DOCS=1 pytest tests/dovetail/test_tuning_doc.py`` then writes the table anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dovetail.tuning.bench import ESTIMATE, TAUGHT
from dovetail.tuning.compare import LAYERS, TEACHER
from dovetail.tuning.curves import CLOSE, Cycles, LayerCurves, TunerResult

from .pages import ROOT

PAGE = ROOT / "docs" / "tuning.md"
MEASURED = ROOT / "docs" / "tuning.json"
BLOCK = re.compile(r"(<!-- searches -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
SCHEDULES = ("untuned", "searched", "tuned", "known")
MODELS = (TEACHER, ESTIMATE, TAUGHT, "genetic", "random")
HEAD = (
    "layer",
    *SCHEDULES[:-1],
    "best known",
    "utilization",
    f"{TEACHER}: trials, then",
    ESTIMATE,
    "taught",
    *MODELS[3:],
)
TRIALS = 64


def result() -> TunerResult:
    found = json.loads(MEASURED.read_text())
    layers = tuple(map(layer_of, found["layers"]))
    return TunerResult(layers=layers, trials=found["trials"], seeds=found["seeds"])


def layer_of(found: Mapping[str, Any]) -> LayerCurves:
    kept = {each.name: found[each.name] for each in fields(LayerCurves)}
    return LayerCurves(**kept | {name: Cycles(**found[name]) for name in ("untuned", "searched", "known")})


def rtl(layer: LayerCurves, schedule: str) -> float:
    cycles = getattr(layer, schedule).rtl
    assert cycles is not None, f"{layer.name}: {schedule} was not right on the RTL"
    return float(cycles)


def searches(layer: LayerCurves, model: str) -> str:
    if model not in layer.curves:
        return ""
    needed = layer.trials_needed(model)
    return f"{'-' if needed is None else format(needed, '.0f')}, {layer.ratio(model, TRIALS):.3f}"


def table(measured: TunerResult) -> str:
    rows = [HEAD, ["---", *["---:"] * 4, "---", *["---:"] * len(MODELS)]]
    for layer in measured.layers:
        cycles = [rtl(layer, schedule) for schedule in SCHEDULES]
        rows.append([layer.name, *cells(layer.array, cycles), *(searches(layer, model) for model in MODELS)])
    sums = [sum(rtl(layer, schedule) for layer in measured.layers) for schedule in SCHEDULES]
    means = [f"{measured.mean_ratio(model, TRIALS):.3f}" for model in MODELS]
    rows.append(["all", *cells(sum(layer.array for layer in measured.layers), sums), *means])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cells(array: float, cycles: list[float]) -> list[str]:
    untuned, _, tuned, _ = cycles
    return [*(f"{each:,.0f}" for each in cycles), f"{array / untuned:.1%} to {array / tuned:.1%}"]


def test_the_table_is_what_was_measured() -> None:
    if os.environ.get("DOVETAIL_UPDATE_DOCS"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + table(result()), PAGE.read_text()))
    shown = BLOCK.search(PAGE.read_text())
    assert shown is not None and shown[2] == table(result())


def test_what_was_measured_is_what_is_promised() -> None:
    measured = result()
    assert [layer.name for layer in measured.layers] == list(LAYERS)
    assert measured.seeds >= 5 and all(layer.candidates >= 2000 for layer in measured.layers)
    for layer in measured.layers:
        needed, final = layer.trials_needed(TEACHER), layer.ratio(TEACHER, TRIALS)
        assert needed is not None and needed <= TRIALS and final is not None and final <= CLOSE, layer.name
        assert rtl(layer, "tuned") <= rtl(layer, "untuned"), layer.name
