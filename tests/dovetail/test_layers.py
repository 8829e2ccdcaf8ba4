"""``dovetail bench layers``: what it runs, what it sums up, what it writes and draws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dovetail import reference
from dovetail.cli import main
from dovetail.compiler.ops import Conv2dShape
from dovetail.isa.config import load_config
from dovetail.layers import LayersResult, measure_layers, total
from dovetail.plots import plot_roofline
from dovetail.result import Memory, Result
from dovetail.workload import RESNET18

TINY = load_config("tiny")
SMALL = Conv2dShape(h=4, w=4, ic=4, oc=8, kh=3, kw=3, pads=(1, 1, 1, 1))
COMMAND = ["bench", "layers", "--device", "fsim", "--config", "tiny"]


@pytest.fixture
def small_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """C1 to C12 with little to compute."""
    for name in RESNET18:
        monkeypatch.setitem(RESNET18, name, SMALL)


@pytest.fixture(scope="module")
def results() -> tuple[Result, ...]:
    """What C2 and C3 would give if they took 100 and 200 cycles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RESNET18, "C2", SMALL)
        patch.setitem(RESNET18, "C3", SMALL)
        measured = measure_layers(TINY, config_name="tiny", device="fsim", names=("C2", "C3"), hiding=(True,)).layers
    memory = Memory(latency_cycles=64, bytes_per_cycle=16)
    return tuple(
        replace(one, cycles=100 * place, memory=memory, utilization=0.5) for place, one in enumerate(measured, start=1)
    )


@pytest.mark.usefixtures("small_layers")
def test_every_layer_runs_with_latency_hiding_and_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "layers.json"
    assert main([*COMMAND, "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    for key, hidden in (("layers", True), ("layers_without_latency_hiding", False)):
        assert [one["workload"] for one in found[key]] == [f"C{number}" for number in range(1, 13)]
        assert all(one["exact"] and one["latency_hiding"] is hidden for one in found[key])
    assert found["total"]["macs"] == 11 * SMALL.macs
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[1:13]] == list(RESNET18)
    assert shown[-1].startswith("C2 to C12")


@pytest.mark.usefixtures("small_layers")
def test_one_of_the_two_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for option, hidden in (("--only-latency-hiding", True), ("--no-latency-hiding", False)):
        assert main([*COMMAND, option, "--json", "-"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {one["latency_hiding"] for one in found["layers"]} == {hidden}
        assert found["layers_without_latency_hiding"] == []
    assert main([*COMMAND, "--only-latency-hiding", "--no-latency-hiding"]) == 2


@pytest.mark.usefixtures("small_layers")
def test_a_wrong_layer_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    right = reference.requantise
    monkeypatch.setattr(reference, "requantise", lambda *given, **settings: right(*given, **settings) ^ np.int8(1))
    assert main([*COMMAND, "--only-latency-hiding"]) == 1
    assert capsys.readouterr().out.count("NO, off by up to 1") == 12


def test_the_total_weighs_layers_by_their_products_and_leaves_c1_out(results: tuple[Result, ...]) -> None:
    first = replace(results[0], workload="C1", cycles=10**9)
    found = total(TINY, [first, *results])
    assert (found.macs, found.cycles) == (2 * SMALL.macs, 300)
    assert found.utilization == pytest.approx(2 * SMALL.macs / (300 * TINY.macs_per_cycle))
    assert total(TINY, [replace(results[0], cycles=None), results[1]]).utilization is None


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_roofline_is_drawn(suffix: str, magic: bytes, results: tuple[Result, ...], tmp_path: Path) -> None:
    slower = tuple(replace(one, cycles=2 * (one.cycles or 0)) for one in results)
    path = tmp_path / f"layers.{suffix}"
    plot_roofline(LayersResult(config=TINY, layers=results, without_latency_hiding=slower), path)
    assert path.read_bytes().startswith(magic)
