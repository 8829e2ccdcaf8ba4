"""Networks on the command line: compiled, run, compared, and refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dovetail.cli import console, main
from dovetail.cli.run_network import layers_table, numbered_reasons
from dovetail.isa import module_file
from dovetail.isa.module import Check, Processor
from dovetail.network_result import LayerResult, NetworkResult
from dovetail.result import Memory

from .test_cli import KEYS, errors

FEATURES, OUTPUTS = 8, 4
WEIGHTS = np.random.default_rng(0).normal(size=(FEATURES, OUTPUTS)).astype(np.float32)
DATA = np.random.default_rng(1).normal(size=(16, FEATURES)).astype(np.float32)


def save_model(path: Path, nodes: list[Any], inputs: list[Any], weights: dict[str, Any], dtype: int) -> None:
    outputs = [helper.make_tensor_value_info("y", dtype, None)]
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, data, and a module that was compiled from them."""
    folder = tmp_path_factory.mktemp("networks")
    save_model(
        folder / "float.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["m"], "product"), helper.make_node("Relu", ["m"], ["y"], "bound")],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", FEATURES])],
        {"w": WEIGHTS},
        TensorProto.FLOAT,
    )
    save_model(
        folder / "sum.onnx",
        [helper.make_node("Add", ["a", "b"], ["y"], "sum")],
        [helper.make_tensor_value_info(name, TensorProto.INT32, ["K"]) for name in "ab"],
        {},
        TensorProto.INT32,
    )
    (folder / "cut.onnx").write_bytes((folder / "float.onnx").read_bytes()[:40])
    (folder / "folder.onnx").mkdir()
    (folder / "folder.dovetail").mkdir()
    np.savez(folder / "calibration.npz", x=DATA)
    np.savez(folder / "x.npz", x=DATA[:1])
    np.savez(folder / "z.npz", z=DATA[:1])
    np.savez(folder / "ab.npz", a=np.arange(3, dtype=np.int32), b=np.array([5, -6, 7], np.int32))
    command = ["compile", f"{folder}/float.onnx", "--calibration", f"{folder}/calibration.npz", "--config", "tiny"]
    assert main([*command, "-o", f"{folder}/net", "--json", f"{folder}/compiled.json"]) == 0
    (folder / "cut.dovetail").write_bytes((folder / "net.dovetail").read_bytes()[:500])
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def result(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """The JSON of a run."""
    capsys.readouterr()
    assert main(["run", *arguments, "--json", "-"]) == code
    return dict(json.loads(capsys.readouterr().out))


def test_compile_says_what_it_made(inside: Path) -> None:
    made = json.loads(Path("compiled.json").read_text())
    assert (made["workload"], made["module"], made["config"]) == (
        f"{inside}/float.onnx",
        f"{inside}/net.dovetail",
        "tiny",
    )
    assert made["macs"] == made["accelerated_macs"] == FEATURES * OUTPUTS
    assert made["layers_on_accelerator"] == 1
    assert made["file_bytes"] == Path("net.dovetail").stat().st_size
    assert made["checked"] is True


def test_a_quantised_model_is_exact_on_both_targets_and_near_the_float_one(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {}
    for device in ("fsim", "cpu"):
        found = result(
            capsys,
            *("float.onnx", "--device", device, "--config", "tiny", "--calibration", "calibration.npz"),
            *("--input", "x.npz", "--output", "y.npz"),
        )
        assert list(found) == [*KEYS, "accelerated_macs", "launches", "layers", "onnxruntime"]
        assert (found["device"], found["exact"], found["max_abs_error"]) == (device, True, 0)
        assert found["onnxruntime"]["max_steps"] == 0
        outputs[device] = dict(np.load("y.npz"))["y"]
    np.testing.assert_array_equal(outputs["fsim"], outputs["cpu"])
    np.testing.assert_allclose(outputs["cpu"], np.maximum(DATA[:1] @ WEIGHTS, 0), atol=0.1)
    assert (found["config"], found["launches"], found["accelerated_macs"]) == (None, 0, 0)


def test_a_module_gives_what_the_model_gives(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(capsys, "net.dovetail")
    assert list(found)[: len(KEYS)] == KEYS
    assert (found["exact"], found["max_abs_error"], found["compile_seconds"]) == (True, 0, None)
    assert (found["config"], found["device"], found["launches"]) == ("tiny", "fsim", 1)
    assert [layer["device"] for layer in found["layers"]].count("accelerator") == 1
    found = result(capsys, "net.dovetail", "--input", "x.npz", "--output", "module.npz")
    assert (found["exact"], found["max_abs_error"]) == (None, None)
    options = ["--config", "tiny", "--calibration", "calibration.npz", "--input", "x.npz", "--output", "model.npz"]
    assert main(["run", "float.onnx", *options]) == 0
    np.testing.assert_array_equal(np.load("module.npz")["y"], np.load("model.npz")["y"])


def test_inputs_of_another_seed_are_compared_with_nothing(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert result(capsys, "net.dovetail", "--seed", "0")["exact"] is True
    assert result(capsys, "net.dovetail", "--seed", "1")["exact"] is None
    assert main(["run", "net.dovetail", "--seed", "1"]) == 0
    assert "not compared" in capsys.readouterr().out


def test_a_module_runs_without_the_compiler(inside: Path) -> None:
    script = (
        "import sys\nfrom dovetail.cli import main\ncode = main(['run', 'net.dovetail'])\n"
        "assert not [name for name in sys.modules if name.startswith(('dovetail.compiler', 'onnx'))]\nsys.exit(code)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], stdout=subprocess.DEVNULL).returncode == 0


def test_a_module_with_a_wrong_result_is_exit_code_1(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, library, params = module_file.load("net.dovetail")
    wrong = dataclasses.replace(plan, check=Check(0, ("0" * 64,)))
    module_file.save("wrong.dovetail", wrong, library, params)
    assert result(capsys, "wrong.dovetail", code=1)["exact"] is False
    assert main(["run", "wrong.dovetail"]) == 1
    assert "NO" in capsys.readouterr().out


def test_a_module_for_another_processor_is_refused(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, library, params = module_file.load("net.dovetail")
    other = dataclasses.replace(plan, processor=Processor("riscv64-unknown-linux-gnu", "generic", ()))
    module_file.save("other.dovetail", other, library, params)
    assert main(["run", "other.dovetail"]) == 2
    assert errors(capsys).startswith("the code is for riscv64-unknown-linux-gnu; this machine is ")


def test_float_models_run_on_the_cpu_and_say_how_to_quantise(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "float.onnx", "--output", "y.npz", "--json", "float.json"]) == 0
    assert "--calibration FILE.npz" in capsys.readouterr().err
    found = json.loads(Path("float.json").read_text())
    assert (found["device"], found["exact"], found["cycles"]) == ("cpu", True, None)
    assert main(["compile", "float.onnx", "-o", "float.dovetail"]) == 0
    assert "--calibration FILE.npz" in capsys.readouterr().err
    found = result(capsys, "float.dovetail", "--input", "x.npz", "--output", "y.npz")
    assert (found["device"], found["exact"]) == ("cpu", None)
    np.testing.assert_allclose(np.load("y.npz")["y"], np.maximum(DATA[:1] @ WEIGHTS, 0), rtol=1e-5)


def test_open_shapes_and_several_inputs_are_named(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = ["--shape", "a=3", "--shape", "b=3"]
    found = result(capsys, "sum.onnx", "--device", "cpu", *shapes, "--input", "ab.npz", "--output", "y.npz")
    assert found["exact"] is True
    np.testing.assert_array_equal(np.load("y.npz")["y"], [5, -5, 9])
    assert main(["compile", "sum.onnx", "--target", "cpu", *shapes, "-o", "sum.dovetail"]) == 0
    assert result(capsys, "sum.dovetail")["exact"] is True


@pytest.mark.parametrize("command", ["run", "compile"])
def test_print_shows_the_graph_after_a_pass(inside: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"imported": "matmul(", "fuse": "qmatmul(", "unfuse": "requantise(", "lay_out": "vdla.qmatmul("}
    for stage, shown in wanted.items():
        assert main([command, "float.onnx", "--calibration", "calibration.npz", "--print", stage]) == 0
        assert shown in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run cut.onnx", "cut.onnx: not an ONNX model, or cut off"),
        ("run folder.onnx", "folder.onnx: is a folder"),
        ("run folder.dovetail", "folder.dovetail: Is a directory"),
        ("run cut.dovetail", "cut.dovetail: truncated: 500 bytes"),
        ("run float.onnx --input z.npz", "z.npz: no array 'x'; the inputs are x [1, 8] float32"),
        ("run float.onnx --shape q=1", "float.onnx: shapes names 'q'"),
        ("run float.onnx --shape x=1,b", "'x=1,b' is no NAME=N,N,..."),
        ("run sum.onnx", "dimension 0 ('K') of input 'a' is not fixed"),
        ("run float.onnx --calibration z.npz", "calibration sample 0 has no 'x'"),
        ("run float.onnx --calibration cut.onnx", "cut.onnx: not a readable .npz file of arrays"),
        ("run float.onnx --output absent/y.npz", "absent/y.npz: cannot be written"),
        ("run float.onnx --device rtl --timeline t.json", "nothing of it runs on the accelerator"),
        ("run float.onnx --print tokens", "no pass 'tokens'; the passes are imported, "),
        ("run transformer --calibration x.npz", "transformer is quantised already"),
        ("run net.dovetail --input z.npz", "z.npz: no array 'x'"),
        ("run net.dovetail --device cpu", "compiled for the accelerator: use --device fsim or rtl"),
        ("run net.dovetail --config default", "for another machine than default: block_in is 4, not 16; block_out"),
        ("run net.dovetail --threads 2", "--threads: decided when the module was compiled"),
        ("run net.dovetail --print asm", "--print: a compiled module has no stages"),
        ("compile float.onnx", "missing: where to write the module, -o FILE"),
        ("compile float.onnx -o float.onnx", "float.onnx: a module's name ends in .dovetail"),
        ("compile float.onnx -o folder.dovetail", "folder.dovetail: cannot be written: it is a folder"),
        ("compile float.onnx -o absent/net", "absent/net.dovetail: cannot be written: no folder 'absent'"),
        ("compile float.onnx -o net2 --target gpu", "no target 'gpu'; use vdla or cpu"),
        ("compile C2 -o net2", "no model 'C2'; use resnet18, "),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    inside: Path, arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(inside.iterdir())
    assert main(arguments.split()) == 2
    assert said in errors(capsys)
    assert sorted(inside.iterdir()) == before


def layer(name: str, device: str, reason: str = "") -> LayerResult:
    there = device == "accelerator"
    return LayerResult(
        name=name,
        op="qconv2d" if there else "dequantize",
        origin=(f"{name}.conv", f"{name}.relu", f"{name}_QuantizeLinear"),
        device=device,
        reason=reason,
        macs=115605504 if there else 0,
        cycles=452306 if there else None,
        utilization=0.998 if there else None,
        dram_read_bytes=1170000 if there else None,
        dram_write_bytes=200000 if there else None,
        seconds=None if there else 0.012,
    )


def network_result(*layers: LayerResult) -> NetworkResult:
    unknown: dict[str, Any] = {"fingerprint": None, "roofline": None, "instructions": 9, "micro_ops": 9}
    unknown |= {"counters": None, "cycles_per_second": None, "onnxruntime": None, "compile_seconds": None}
    return NetworkResult(
        workload="net",
        device="rtl",
        config="default",
        memory=Memory(),
        latency_hiding=True,
        exact=True,
        max_abs_error=0,
        macs=2 * 115605504,
        tensor_bytes=9,
        cycles=904612,
        utilization=0.998,
        dram_read_bytes=2340000,
        dram_write_bytes=400000,
        run_seconds=1.0,
        accelerated_macs=2 * 115605504,
        launches=1,
        layers=layers,
        **unknown,
    )


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal_and_numbers_its_reasons(width: int) -> None:
    found = network_result(
        layer("block1.very.long.name.of.a.layer.in.a.network.of.many", "accelerator"),
        layer("b", "cpu", "float32"),
        layer("stem", "accelerator"),
        layer("[/odd]", "cpu", "no such operator"),
        layer("\x1b[2J", "cpu", "float32"),
    )
    reasons = numbered_reasons(found)
    assert reasons == {"float32": 1, "no such operator": 2}
    shown = console.Console(width=width)
    with shown.capture() as captured:
        shown.print(layers_table(found, reasons, width))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    first, *others, total = lines[-6:]
    assert first.startswith("block1.") and "accel" in first
    assert [" ".join(line.split()) for line in others] == [
        "b.conv + relu dequantize cpu [1] - - - - -",
        "stem.conv + relu qconv2d accel 115.61 M 452,306 99.8% 1.17 0.20",
        "[/odd].conv + relu dequantize cpu [2] - - - - -",
        "?[2J.conv + relu dequantize cpu [1] - - - - -",
    ]
    assert " ".join(total.split()) == "all 5 2 accel 231.21 M 904,612 99.8% 2.34 0.40"


def test_steps_of_long_work_are_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with console.progress("reading") as say:
        for number in range(100):
            say(f"compiling layer{number}", number, 100)
            now[0] += 0.125
        say("writing", 0, 0)
        say("writing", 1, 0)
    assert capsys.readouterr().err.splitlines() == [
        "reading",
        *(f"compiling layer{n} ({n + 1} of 100)" for n in (0, 40, 80)),
        "writing",
    ]
