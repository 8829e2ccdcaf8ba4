"""What a board would do: cycles with its memory, as time at its clock."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import typer
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from dovetail import board_estimate
from dovetail.board_estimate import estimate
from dovetail.cli.fpga_estimate import estimate as command
from dovetail.fpga.boards import MemoryFigures, find_board
from dovetail.isa.config import load_config
from dovetail.layers import measure_layers
from dovetail.network import read_network

BOARD = find_board("ulx3s-25f")
TINY = load_config("tiny")
LAYER = "conv2d:1,6,6,8,8,3,1,1"


@pytest.mark.rtl
def test_cycles_with_the_boards_memory_become_time() -> None:
    found = estimate(BOARD, TINY, 50.0, config_name="tiny", layers=[LAYER], network=False)
    memory = BOARD.memory
    (measured,) = measure_layers(
        TINY,
        config_name="tiny",
        names=[LAYER],
        hiding=(True,),
        latency=memory.latency_cycles,
        bytes_per_cycle=memory.bytes_per_cycle,
    ).layers
    (layer,) = found.layers
    assert found.exact and layer.cycles == measured.cycles and layer.macs == 6 * 6 * 8 * 8 * 9
    assert layer.ms == pytest.approx(layer.cycles / 50e6 * 1e3)
    assert layer.fps == pytest.approx(50e6 / layer.cycles)
    assert layer.utilization == pytest.approx(layer.macs / (16 * layer.cycles))
    faster = estimate(
        BOARD,
        TINY,
        50.0,
        MemoryFigures(latency_cycles=4, bytes_per_cycle=8, basis="none"),
        layers=[LAYER],
        network=False,
    )
    assert faster.layers[0].cycles < layer.cycles


@pytest.mark.rtl
def test_a_report_says_what_is_computed_and_for_which_memory() -> None:
    found = estimate(BOARD, TINY, 65.5, config_name="tiny", layers=[LAYER], network=False)
    written = json.loads(json.dumps(found.to_json()))
    assert written["note"] == board_estimate.COMPUTED and written["resnet18"] is None
    assert written["memory"]["bytes_per_cycle"] == BOARD.memory.bytes_per_cycle
    assert written["layers"][0]["cycles"] == found.layers[0].cycles
    text = found.to_markdown()
    assert "ulx3s-25f with tiny would do at 65.50 MHz (computed" in text
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {LAYER}")]
    assert f"{found.layers[0].cycles:,}" in row


@pytest.mark.rtl
def test_a_network_counts_what_the_accelerator_does_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in ("x", "y")]
    weights = numpy_helper.from_array(np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "n.onnx")
    np.savez(tmp_path / "samples.npz", x=np.random.default_rng(0).uniform(-1, 1, (16, 8)).astype(np.float32))
    quantised = read_network(str(tmp_path / "n.onnx"), calibration_data=tmp_path / "samples.npz")
    monkeypatch.setattr(board_estimate, "read_network", lambda name, **_: quantised)
    found = estimate(BOARD, TINY, 50.0, config_name="tiny", layers=[LAYER]).resnet18
    assert found is not None and found.macs == 8 * 8
    assert found.cycles > found.macs / 16 and found.ms == pytest.approx(found.cycles / 50e3)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the command asks for; the work itself ends with an error that it does not know."""
    wanted = SimpleNamespace()

    def take(board: object, config: object, mhz: float, **options: object) -> None:
        wanted.board, wanted.config, wanted.mhz, wanted.name = board, config, mhz, options["config_name"]
        raise typer.Exit(42)

    monkeypatch.setattr(board_estimate, "estimate", take)
    return wanted


def invoke(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output + str(result.exception)


def test_the_clock_is_the_boards_or_the_users_or_the_builds(asked: SimpleNamespace, tmp_path: Path) -> None:
    assert invoke("ulx3s-25f")[0] == 42
    assert (asked.name, asked.mhz) == ("small", pytest.approx(66.67, abs=0.01))
    assert invoke("ulx3s-25f", "--frequency", "70", "--config", "tiny")[0] == 42
    assert (asked.config, asked.mhz) == (TINY, 70)
    report = tmp_path / "report.json"
    for routed, made, clock in ((80.5, 71.25, 71.25), (60, 71.25, 60)):
        values = {"board": "ulx3s-25f", "config": "tiny", "fmax_mhz": routed, "target_mhz": made}
        report.write_text(json.dumps(values))
        assert invoke("ulx3s-25f", "--report", str(report))[0] == 42
        assert (asked.config, asked.mhz) == (TINY, clock)


def test_a_report_that_cannot_be_is_refused(asked: SimpleNamespace, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for text, message in (
        ("{}", "no board in it; give the JSON that dovetail fpga build writes"),
        ("no", "no JSON"),
        ('{"board": "ulx3s-85f", "config": "tiny", "fmax_mhz": 70, "target_mhz": 70}', "is of ulx3s-85f, not of ulx3s"),
        ('{"board": "ulx3s-25f", "config": "tiny", "fmax_mhz": 70, "target_mhz": "fast"}', "must be a number"),
    ):
        report.write_text(text)
        code, said = invoke("ulx3s-25f", "--report", str(report))
        assert code != 42 and message in " ".join(said.replace("│", " ").split())
    assert not vars(asked)
