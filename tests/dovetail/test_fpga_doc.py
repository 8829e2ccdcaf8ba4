"""The table in docs/fpga.md is what the reports in docs/fpga/ say.

A report goes there by ``cp build/fpga/BOARD-CONFIG/report.json docs/fpga/BOARD-CONFIG.json``;
``DOVETAIL_UPDATE_DOCS=1 pytest tests/dovetail/test_fpga_doc.py`` then writes the table anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dovetail.fpga.boards import BOARDS
from dovetail.fpga.flow.units import NAMES, PARTS
from dovetail.isa.config import load_config

from .pages import ROOT

PAGE = ROOT / "docs" / "fpga.md"
REPORTS = ROOT / "docs" / "fpga"
BLOCK = re.compile(r"(<!-- builds -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
HEAD = ("board", "configuration", "built by", "MHz", "for", *NAMES.values(), "minutes")


def reports() -> list[tuple[Path, dict[str, Any]]]:
    found = [(path, json.loads(path.read_text())) for path in REPORTS.glob("*.json")]
    order = list(BOARDS)
    return sorted(found, key=lambda item: (order.index(item[1]["board"]), item[1]["lut"] or 0))


def command(report: Mapping[str, Any]) -> str:
    board = BOARDS[report["board"]]
    words = ["dovetail fpga build", board.name]
    words += [f"--config {report['config']}"] if report["config"] != board.config else []
    words += [f"--seed {report['seed']}"] if report["seed"] != 1 else []
    words += [f"--nextpnr {tool}" for tool in report["tools"] if tool == "nextpnr-ecp5"]
    return " ".join(words)


def row(report: Mapping[str, Any]) -> list[str]:
    parts = [f"{report[part]:,} ({report['capacity'][part]['percent']:.0f}%)" for part in PARTS]
    return [
        report["board"],
        report["config"],
        f"`{command(report)}`",
        f"{report['fmax_mhz']:.2f}",
        f"{report['target_mhz']:.2f}",
        *parts,
        f"{report['seconds'] / 60:.1f}",
    ]


def table() -> str:
    rule = ["---", "---", "---", *["---:"] * (len(HEAD) - 3)]
    lines = [f"| {' | '.join(cells)} |" for cells in (HEAD, rule, *(row(report) for _, report in reports()))]
    return "\n".join(lines) + "\n"


def test_the_table_is_that_of_the_reports() -> None:
    if os.environ.get("DOVETAIL_UPDATE_DOCS"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + table(), PAGE.read_text()))
    shown = BLOCK.search(PAGE.read_text())
    assert shown is not None and shown[2] == table()


def test_reports_are_of_builds_that_met_their_clock_in_configurations_that_are_there() -> None:
    for path, report in reports():
        assert path.stem == f"{report['board']}-{report['config']}"
        assert report["timing_met"], path.name
        assert report["fingerprint"] == f"{load_config(report['config']).fingerprint:016x}", path.name
