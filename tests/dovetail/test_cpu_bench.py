"""``dovetail bench cpu``: what it checks, what it writes, and what it says when something is missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dovetail.cli import main
from dovetail.cpu_bench import measure_cpu
from dovetail.onnx_conv import OnnxConv
from dovetail.reference import conv2d


def runtime_of(wrong: int = 0) -> Callable[[OnnxConv, np.ndarray], Callable[[], None]]:
    """ONNX Runtime's arithmetic in NumPy, with `wrong` added to each output."""

    def bound(self: OnnxConv, out: np.ndarray) -> Callable[[], None]:
        data = self.data.astype(np.int32) - 128 if self.operator == "QLinearConv" else self.data
        sums = conv2d(data, self.constants["w"], self.shape.strides, self.shape.pads)
        if self.operator == "QLinearConv":
            biased = sums + self.constants["bias"][:, None, None]
            sums = np.clip(np.round(biased * self.constants["w_scale"][:, None, None]) + 128, 0, 255 - wrong)
        return lambda: np.copyto(out, sums + wrong, casting="unsafe")

    return bound


@pytest.fixture(autouse=True)
def _without_onnx_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "onnx", np)
    monkeypatch.setitem(sys.modules, "onnxruntime", np)
    monkeypatch.setattr(OnnxConv, "bound", runtime_of())


def test_json_has_every_layer_and_geometric_means(tmp_path: Path) -> None:
    path = tmp_path / "cpu.json"
    assert main(["bench", "cpu", "--layers", "C11,C8", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert [layer["workload"] for layer in found["layers"]] == ["C11", "C8"]
    assert set(found["total"]) == {"float32_ratio", "int8_ratio", "threads2_ratio"}
    for layer in found["layers"]:
        for dtype in ("float32", "int8"):
            speed = layer[dtype]
            assert speed["right"]
            assert speed["ratio"] == pytest.approx(speed["onnxruntime_milliseconds"] / speed["milliseconds"])
    assert found["total"]["int8_ratio"] == pytest.approx(
        np.prod([layer["int8"]["ratio"] for layer in found["layers"]]) ** 0.5
    )


def test_another_result_of_onnx_runtime_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxConv, "bound", runtime_of(wrong=2))
    found = measure_cpu(["C11"])
    assert not found.right
    assert main(["bench", "cpu", "--layers", "C11"]) == 1


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["bench", "cpu"]) == 2
    assert capsys.readouterr().err == (
        "dovetail: onnxruntime is needed to compare with: pip install 'dovetail[bench]'\n"
    )


def test_an_unknown_layer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "cpu", "--layers", "C2,C13"]) == 2
    assert capsys.readouterr().err == "dovetail: no layer 'C13'; use C1 to C12, with commas between\n"
