"""`dovetail fpga`: exit codes, one line for an error, and JSON, with builds that end as a test says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dovetail import board_estimate
from dovetail.board_estimate import Estimate, Estimated
from dovetail.cli import main
from dovetail.compiler.errors import CompileError
from dovetail.fpga.boards import BOARDS, Board, find_board
from dovetail.fpga.flow import build as flow
from dovetail.fpga.flow.errors import CapacityError, FlowError, ToolMissing
from dovetail.fpga.flow.path import Point
from dovetail.fpga.flow.place_and_route import Clock
from dovetail.fpga.flow.report import BuildReport, TimingError
from dovetail.fpga.flow.units import Use
from tests.dovetail.test_cli import errors

CONTRACT = {"board", "config", "fmax_mhz", "lut", "ff", "dsp", "bram", "bitstream", "seconds"}


def report(mhz: float, **asked: Any) -> BuildReport:
    clock = Clock(name="clock", mhz=mhz, target_mhz=66.0)
    return BuildReport(
        board=asked["board"],
        config=asked["config_name"],
        fingerprint=1,
        design="d1",
        clock=clock,
        clocks=(clock,),
        used=Use(lut=1000, ff=500, dsp=4, bram=2),
        bitstream=Path("build/one.bit"),
        seconds={"synthesis": 1.0},
        seed=asked["seed"],
        tools={},
        units={"accelerator": Use(lut=900), "accelerator.load": Use(lut=100), "board": Use(lut=100)},
        critical_path=(Point("top.soc.a", 10.0, 4.0), Point("top.soc.b", 5.0, 1.0)),
    )


class Builds:
    """Stands in for `build`: ends as it is told, and keeps what it was asked for."""

    def __init__(self, end: float | Exception) -> None:
        self.end = end
        self.asked: dict[str, Any] = {}

    def __call__(self, board: Any, config: Any, **asked: Any) -> BuildReport:
        self.asked = asked | {"board": board, "config": config}
        if isinstance(self.end, Exception):
            raise self.end
        found = report(self.end, **self.asked)
        if not found.timing_met:
            raise TimingError(found)
        return found


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    def estimate(*_: Any, **__: Any) -> Estimate:
        raise CompileError("too small")

    made = Builds(70.0)
    monkeypatch.setattr(flow, "build", made)
    monkeypatch.setattr(board_estimate, "estimate", estimate)
    return made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build"], "BOARD"),
        (["build", "nexys"], "no board 'nexys'; use one of ulx3s-85f, ulx3s-25f"),
        (["build", "ulx3s-85f", "--config", "huge"], "no configuration 'huge'"),
        (["build", "ulx3s-85f", "--seed", "-1"], "'--seed': must be a whole number from 0 to 2147483647, not -1"),
        (["build", "ulx3s-85f", "--seeds", "0"], "'--seeds': must be a whole number from 1 to 100, not 0"),
        (["build", "ulx3s-85f", "--frequency", "fast"], "'--frequency': must be a number from 1 to 400, not fast"),
        (["build", "ulx3s-25f", "--config", "tiny", "--frequency", "66.1"], "no PLL makes 66100000 Hz"),
        (["build", "ulx3s-85f", "--json", "nowhere/out.json"], "no folder 'nowhere'"),
        (["program", "nexys"], "no board 'nexys'"),
    ],
)
def test_bad_usage_is_one_line_and_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fpga", *arguments]) == 2
    assert said in errors(capsys)
    assert not list(tmp_path.iterdir())


def test_a_build_is_a_table_or_json(builds: Builds, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fpga", "build", "ulx3s-25f", "--seed", "3", "--seeds", "2", "--frequency", "50"]) == 0
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines()][1] == ["LUT", "1,000", "24,288", "4.1%"]
    assert (builds.asked["seed"], builds.asked["seeds"], builds.asked["config_name"]) == (3, 2, "small")
    assert builds.asked["board"].system_hz == 50_000_000
    assert main(["fpga", "build", "ulx3s-85f", "--config", "tiny", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert set(values) >= CONTRACT
    assert (values["board"], values["config"], values["fmax_mhz"]) == ("ulx3s-85f", "tiny", 70.0)


def test_what_a_build_would_do_is_in_its_reports(
    builds: Builds, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def estimate(board: Board, config: Any, mhz: float, **asked: Any) -> Estimate:
        layer = Estimated(name="C2", macs=100, cycles=7000, utilization=0.5, ms=1e3 / mhz, fps=10_000.0)
        return Estimate(
            board=board.name,
            config=asked["config_name"],
            mhz=mhz,
            memory=board.memory,
            layers=(layer,),
            resnet18=None,
            exact=True,
        )

    (tmp_path / "build").mkdir()
    page, values = tmp_path / "build" / flow.PAGE, tmp_path / "build" / flow.REPORT
    page.write_text("# The page\n")
    values.write_text('{"lut": 1000}\n')
    monkeypatch.chdir(tmp_path)
    assert main(["fpga", "build", "ulx3s-85f"]) == 0
    assert capsys.readouterr().err.endswith("no estimate of layers in the report: too small\n")

    monkeypatch.setattr(board_estimate, "estimate", estimate)
    assert main(["fpga", "build", "ulx3s-85f", "--no-estimate"]) == 0
    assert page.read_text() == "# The page\n"
    assert main(["fpga", "build", "ulx3s-85f", "--json", "out.json"]) == 0
    for written in (json.loads(values.read_text()), json.loads((tmp_path / "out.json").read_text())):
        assert written["lut"] == 1000
        assert written["estimate"]["note"] == board_estimate.COMPUTED
        assert written["estimate"]["layers"][0]["ms"] == pytest.approx(15)
    heading, row = page.read_text().splitlines()[2], page.read_text().splitlines()[-1]
    assert heading == f"## What ulx3s-85f with narrow would do at 66.67 MHz ({board_estimate.COMPUTED})"
    assert row == "| C2 | 100 | 7,000 | 50.0% | 15.000 | 10,000.0 |"


def test_a_missed_clock_is_1_and_its_json_is_written(
    builds: Builds, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    builds.end = 60.0
    assert main(["fpga", "build", "ulx3s-85f", "--json", str(tmp_path / "out.json")]) == 1
    assert "narrow on ulx3s-85f reaches 60.00 MHz, not 66.00 MHz" in errors(capsys)
    values = json.loads((tmp_path / "out.json").read_text())
    assert values["timing_met"] is False and set(values) >= CONTRACT


@pytest.mark.parametrize(("error", "code"), [(CapacityError, 1), (FlowError, 1), (ToolMissing, 2)])
def test_what_stops_a_build_is_one_line(
    builds: Builds, error: type[Exception], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    builds.end = error("why")
    assert main(["fpga", "build", "ulx3s-85f"]) == code
    assert errors(capsys) == "why"


def test_boards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fpga", "boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(BOARDS)
    assert lines[1].split()[1:4] == ["LFE5U-85F", "narrow", f"{find_board('ulx3s-85f').system_hz / 1e6:.2f}"]


def test_a_board_is_programmed_with_its_own_build(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fpga", "program", "ulx3s-85f"]) == 3
    assert "build/fpga/ulx3s-85f-narrow/ulx3s-85f-narrow.bit: there is no such bitstream" in errors(capsys)


def test_a_zynq_gets_a_project(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["fpga", "build", "pynq-z1", "--config", "tiny", "--out", str(tmp_path / "project"), "--json", "-"]
    assert main(arguments) == 0
    values = json.loads(capsys.readouterr().out)
    assert set(values) >= CONTRACT and values["bitstream"] is None and values["fmax_mhz"] is None
    assert (tmp_path / "project" / "build.tcl").is_file()
