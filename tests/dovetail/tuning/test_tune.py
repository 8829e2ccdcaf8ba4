"""``dovetail tune``: it searches, records, goes on from there, and the compiler takes what it found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dovetail.cli import main
from dovetail.compiler.tune.records import Records
from dovetail.runtime import DeviceLost
from dovetail.tuning.tune import Tuner

LAYER = "conv2d:1,8,8,16,16,3,1,1"
TINY = ["--config", "tiny"]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tuning.sqlite"
    monkeypatch.setenv("DOVETAIL_RECORDS", str(path))
    return path


def tune(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    out = tmp_path / "tuned.json"
    assert main(["tune", LAYER, *TINY, "--workers", "1", "--json", str(out), *arguments]) == 0
    (part,) = json.loads(out.read_text())["parts"]
    return dict(part)


def tune_cpu(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    out = tmp_path / "cpu.json"
    assert main(["tune", LAYER, "--device", "cpu", "--dtype", "float32", "--json", str(out), *arguments]) == 0
    (part,) = json.loads(out.read_text())["parts"]
    return dict(part)


def cycles_of(tmp_path: Path, *arguments: str) -> int:
    out = tmp_path / "run.json"
    assert main(["run", LAYER, *TINY, "--device", "timing", "--json", str(out), *arguments]) == 0
    return int(json.loads(out.read_text())["cycles"])


def test_a_search_is_recorded_resumed_and_used(
    tmp_path: Path, records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    untuned = cycles_of(tmp_path)
    first = tune(tmp_path, "--trials", "8", "--model", "genetic")
    assert first["trials"] == 8
    assert first["default"] == untuned
    second = tune(tmp_path, "--trials", "8", "--model", "xgboost", "--plot", str(tmp_path / "tuned.png"))
    assert second["trials"] == 16
    assert second["costs"][:8] == first["costs"]
    assert (tmp_path / "tuned.png").stat().st_size > 0
    with Records(records) as kept:
        (task,) = kept.tasks()
        found = kept.of(task)
    assert len({str(record.knobs) for record in found}) == len(found) == 16
    capsys.readouterr()
    assert cycles_of(tmp_path) == second["best"] <= untuned
    assert re.search(r"note: one schedule is taken from .*tuning\.sqlite; --untuned", capsys.readouterr().err)
    assert cycles_of(tmp_path, "--untuned") == untuned
    assert capsys.readouterr().err.count("note") == 0


def test_what_was_measured_is_shown_when_the_devices_are_gone(
    tmp_path: Path, records: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Tuner.run

    def breaks(self: Tuner, *arguments: Any) -> None:
        run(self, *arguments)
        raise DeviceLost("the scheduler is gone")

    monkeypatch.setattr(Tuner, "run", breaks)
    out, plot = tmp_path / "tuned.json", tmp_path / "tuned.png"
    command = ["tune", LAYER, *TINY, "--workers", "1", "--trials", "3", "--model", "random", "--plot", str(plot)]
    assert main([*command, "--json", str(out)]) == 3
    assert json.loads(out.read_text())["trials"] == 3 and plot.stat().st_size > 0
    shown = capsys.readouterr()
    assert "3 trials on timing" in shown.out
    assert shown.err.splitlines()[-1] == "dovetail: the scheduler is gone"


def test_the_processor_is_tuned_too(tmp_path: Path, records: Path) -> None:
    part = tune_cpu(tmp_path, "--trials", "6")
    assert part["trials"] == 6 and part["unit"] == "ratio"
    assert 0.5 < part["default"] < 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["C13"], "no workload 'C13'"),
        (["C2", "--device", "fsim"], "fsim counts no cycles; use timing, rtl, cpu or a board"),
        (["C2", "--model", "forest"], "no model 'forest'; use one of xgboost, treernn, random, genetic, exhaustive"),
        (["C2", "--pool", "tcp://127.0.0.1:1", "--workers", "2"], "a pool has its own workers"),
        (["C2", "--device", "cpu", "--config", "tiny"], "of accelerators, not of cpu"),
        (["C2", "--dtype", "float32"], "of cpu"),
        (["resnet18", "--device", "cpu", "--dtype", "int8"], "a network has types of its own"),
        (["matmul:8,8,8", "--device", "cpu"], "on the CPU only convolutions are tuned"),
        (["C2", "--device", "cpu", "--pool", "tcp://127.0.0.1:1"], "are measured on this computer"),
        (["C2", "--device", "ulx3s-85f", "--workers", "2"], "there is one ulx3s-85f here"),
        (["C2", "--trials", "0"], "must be a whole number from 1"),
        (["C2", "--records", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("dovetail")]
    assert len(lines) == 1 and said in lines[0]


def test_records_travel_as_lines(tmp_path: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["records", "list"]) == 0
    assert "nothing is recorded" in capsys.readouterr().out
    tune(tmp_path, "--trials", "3", "--model", "random")
    lines, other = tmp_path / "records.jsonl", tmp_path / "other.sqlite"
    assert main(["records", "export", str(lines)]) == 0
    capsys.readouterr()
    for new in (3, 0):
        assert main(["records", "import", str(lines), "--records", str(other)]) == 0
        assert capsys.readouterr().out.startswith(f"{new} new records")
    with Records(records) as one, Records(other) as same:
        assert [record.as_line() for task in one.tasks() for record in one.of(task)] == [
            record.as_line() for task in same.tasks() for record in same.of(task)
        ]
    broken = re.sub(r'"cost":[\d.]+', '"cost":0', lines.read_text().splitlines()[0])
    lines.write_text(f"\n{broken}\n")
    assert main(["records", "import", str(lines)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{lines}, line 2: 'cost' must be a number above 0 or null, not 0; nothing was imported" in said


def test_the_space_is_shown_with_what_is_not_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", LAYER, *TINY, "--space"]) == 0
    shown = capsys.readouterr().out
    total, fitting = map(int, re.findall(r"(\d+) settings, of which (\d+) fit", shown)[0])
    assert total - fitting == sum(map(int, re.findall(r"^  [\w ]+: (\d+), such as", shown, re.MULTILINE)))
