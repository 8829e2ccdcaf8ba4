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

from dovetail.cli.bench_tuner import schedule_cells, search_cells
from dovetail.tuning.bench import ESTIMATE, TAUGHT
from dovetail.tuning.compare import LAYERS, TEACHER
from dovetail.tuning.curves import CLOSE, Cycles, LayerCurves, TunerResult

from .pages import ROOT

PAGE = ROOT / "docs" / "tuning.md"
MEASURED = ROOT / "docs" / "tuning.json"
BLOCK = re.compile(r"(<!-- searches -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
MODELS = (TEACHER, ESTIMATE, TAUGHT, "genetic", "random")
HEAD = ("layer", "untuned", "searched", "tuned", "best known", "utilization")
HEAD += (f"{TEACHER}: trials, then", ESTIMATE, "taught", "genetic", "random")
TRIALS = 64


def result() -> TunerResult:
    found = json.loads(MEASURED.read_text())
    layers = tuple(map(layer_of, found["layers"]))
    return TunerResult(layers=layers, trials=found["trials"], seeds=found["seeds"])


def layer_of(found: Mapping[str, Any]) -> LayerCurves:
    kept = {each.name: found[each.name] for each in fields(LayerCurves)}
    return LayerCurves(**kept | {name: Cycles(**found[name]) for name in ("untuned", "searched", "known")})


def table(measured: TunerResult) -> str:
    rows = [HEAD, ("---", *["---:"] * 4, "---", *["---:"] * len(MODELS))]
    names = [*(layer.name for layer in measured.layers), "all"]
    cells = zip(names, schedule_cells(measured, confirmed=True), search_cells(measured, MODELS), strict=True)
    rows += [(name, *schedules, *searches) for name, schedules, searches in cells]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_table_is_what_was_measured() -> None:
    if os.environ.get("DOVETAIL_UPDATE_DOCS"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + table(result()), PAGE.read_text()))
    shown = BLOCK.search(PAGE.read_text())
    assert shown is not None and shown[2] == table(result())


def test_what_was_measured_is_what_is_promised() -> None:
    measured = result()
    assert [layer.name for layer in measured.layers] == list(LAYERS)
    assert (
        measured.trials == TRIALS and measured.seeds >= 5 and all(layer.candidates >= 2000 for layer in measured.layers)
    )
    for layer in measured.layers:
        needed, final = layer.trials_needed(TEACHER), layer.ratio(TEACHER, TRIALS)
        assert needed is not None and needed <= TRIALS and final is not None and final <= CLOSE, layer.name
        assert layer.tuned is not None and layer.tuned.rtl is not None, layer.name
        assert layer.untuned is not None and layer.untuned.rtl is not None, layer.name
        assert layer.tuned.rtl <= layer.untuned.rtl, layer.name
