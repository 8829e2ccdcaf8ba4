"""Networks on the processor: each size of convolution is tuned once, and the network then takes what was found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dovetail.cli import main

CHANNELS = 16


def save_network(path: Path) -> None:
    """Three convolutions, two of them of the same size."""
    rng, width = np.random.default_rng(0), 12
    weights = {
        f"w{number}": rng.normal(size=(CHANNELS, CHANNELS, side, side)).astype(np.float32)
        for number, side in enumerate((3, 3, 1))
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1"], ["b"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["b", "w2"], ["y"], "third"),
    ]
    shape = [1, CHANNELS, width, width]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def test_a_network_takes_what_was_found_for_its_convolutions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOVETAIL_RECORDS", str(tmp_path / "tuning.sqlite"))
    model, out = tmp_path / "small.onnx", tmp_path / "tuned.json"
    save_network(model)
    assert main(["tune", str(model), "--device", "cpu", "--trials", "8", "--model", "random", "--json", str(out)]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert [(one["name"], one["weight"]) for one in parts] == [("a", 2), ("y", 1)]
    assert sum(one["trials"] for one in parts) == 8 and all(one["best"] <= one["default"] for one in parts)
    capsys.readouterr()
    assert main(["run", str(model), "--device", "cpu"]) == 0
    assert "2 schedules are taken from" in capsys.readouterr().err
