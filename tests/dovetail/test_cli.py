"""The command line's contract: exit codes, one line for an error, JSON keys, round trips."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dovetail import runtime, workload
from dovetail.cli import main
from dovetail.result import roofline
from dovetail.stages import stage_names

KEYS = [
    *("workload", "device", "config", "fingerprint", "memory", "latency_hiding", "exact", "max_abs_error", "macs"),
    *(
        "tensor_bytes",
        "cycles",
        "utilization",
        "roofline",
        "instructions",
        "micro_ops",
        "dram_read_bytes",
        "dram_write_bytes",
    ),
    *("counters", "compile_seconds", "run_seconds", "cycles_per_second"),
]

SMALL = "conv2d:1,4,4,4,4,3,1,1"

TEXT = """\
.config tiny
.dram_bytes 8192
.segment "kernel" 0x1000
.bytes 00000000
load uop[0] <- dram[0x1000] cols=1 push(compute)
sync compute pop(load)
finish
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "small.asm"
    path.write_text(TEXT)
    return path


def errors(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, after the lines about progress."""
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert sum(line.startswith("dovetail: ") for line in lines) == 1
    assert "Traceback" not in captured.err
    return lines[-1].removeprefix("dovetail: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "WORKLOAD"),
        (["run", "C2", "--device"], "--device"),
        (["run", "C2", "--nonsense"], "--nonsense"),
        (["run", "C2", "--latency", "-1"], "'--latency': must be a whole number from 1 to 65535, not -1"),
        (["run", "C2", "--latency", "9" * 5000], "'--latency': must be a whole number from 1 to 65535, not 9999"),
        (["run", "C2", "--latency", "few"], "'--latency': must be a whole number from 1 to 65535, not few"),
        (["run", "C2", "--bytes-per-cycle", "0"], "'--bytes-per-cycle': must be a whole number from 1"),
        (["run", "C2", "--seed", "-1"], "'--seed': must be a whole number from 0"),
        (["run", "C2", "--timeout", "nan"], "'--timeout': must be a number from 0 to 10000000, not nan"),
        (["run", "C2", "--device", "cpu", "--threads", "0"], "'--threads': must be a whole number from 1"),
        (["run", "C13"], "C1 to C12"),
        (["run", "conv2d:1,2,3"], "conv2d:N,H,W,IC,OC,K,S,P"),
        (["run", "conv2d:1,8,8,4,4,x,1,1"], "conv2d:N,H,W,IC,OC,K,S,P"),
        (["run", "conv2d:" + "9" * 5000 + ",8,8,4,4,3,1,1"], "N has 5000 digits"),
        (["run", "conv2d:1,8,8,4,4,3,0,1"], "stride of rows must be at least 1, not 0"),
        (["run", "conv2d:1,99999999,1,1,1,1,1,0"], "199999999 bytes of tensors; the limit is 134217728"),
        (["run", "conv2d:1,99999999,1,1,1,1,1,0", "--device", "cpu"], "199999999 bytes of tensors; the limit is"),
        (["run", "matmul:8,8"], "matmul:M,N,K"),
        (["run", "resnet"], "C1 to C12, conv2d:N,H,W,IC,OC,K,S,P, matmul:M,N,K, a network (resnet18, "),
        (["run", "model.tflite"], "or a file named *.onnx, *.keras or *.dovetail"),
        (["run", "model.onnx"], "model.onnx: no such file"),
        (["run", "model.dovetail"], "model.dovetail: No such file or directory"),
        (["run", "C2", "--input", "x.npz"], "--input: only networks take this"),
        (["run", "transformer", "--no-latency-hiding"], "--no-latency-hiding: only single layers take this"),
        (["run", "C2", "--device", "gpu"], "fsim, rtl, timing, cpu"),
        (["run", "C2", "--print", "nothing"], "no stage 'nothing' for fsim; the stages are schedule, lowered, "),
        (["run", "C2", "--print", "copies", "--device", "cpu"], "no stage 'copies' for cpu; the stages are schedule, "),
        (["run", "C2", "--config", "huge"], "default"),
        (["run", "C2", "--config", "absent.toml"], "absent.toml"),
        (["run", "C2", "--json", "absent/folder/x.json"], "absent/folder/x.json"),
        (["run", "C2", "--json", "n" * 300], "File name too long"),
        (["run", "C2", "--device", "fsim", "--timeline", "t.json"], "rtl"),
        (["run", "C2", "--device", "cpu", "--waves", "w.fst"], "rtl"),
        (["run", "C2", "--device", "timing", "--waves", "w.fst"], "timing counts cycles and keeps no record of them"),
        (["run", "C2", "--device", "rtl", "--json", "x", "--timeline", "./x"], "x: named for two outputs"),
        (["run", "C2", "--device", "rtl", "--timeline", "x", "--waves", "x"], "x: named for two outputs"),
        (["bench", "layers", "--json", "x.png", "--plot", "./x.png"], "x.png: named for two outputs"),
        (["bench", "layers", "--plot", "x.txt"], "x.txt: a plot's name ends in .png, .svg or .pdf"),
        (["bench", "layers", "--plot", "x.png", "--device", "fsim"], "--plot needs --device rtl or timing"),
        (["bench", "nothing"], "nothing"),
        (["fly"], "fly"),
        (["asm", "absent.asm"], "absent.asm"),
        (["disasm", "absent.dvt"], "absent.dvt"),
        (["verify", "pyproject.toml"], "not a program file"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in errors(capsys)


@pytest.mark.parametrize("arguments", [[], ["bench"]], ids=["dovetail", "bench"])
def test_without_a_command_the_help_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "Usage: dovetail" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["run", SMALL], ["run", SMALL, "--print", "asm"]], ids=" ".join
)
def test_full_standard_output_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "dovetail", *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "dovetail: standard output: cannot be written: No space left on device"
    assert "Traceback" not in ended.stderr


def test_program_text_survives_asm_and_disasm(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = text.with_suffix(".dvt")
    assert main(["asm", str(text)]) == 0
    assert main(["verify", str(program)]) == 0
    again = text.with_name("again.asm")
    assert main(["disasm", str(program), "-o", str(again)]) == 0
    assert main(["asm", str(again)]) == 0
    assert again.with_suffix(".dvt").read_bytes() == program.read_bytes()
    capsys.readouterr()
    assert main(["disasm", str(program)]) == 0
    assert capsys.readouterr().out == again.read_text()


@pytest.mark.parametrize("target", ["small.asm/x.dvt", "n" * 300, ".", "/", "absent/x.dvt"])
def test_an_output_that_cannot_be_written_is_one_line(
    target: str, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(text.parent)
    assert main(["asm", "small.asm", "-o", target]) == 2
    assert errors(capsys).startswith(f"{target}: ")
    assert main(["asm", "small.asm"]) == 0
    capsys.readouterr()
    assert main(["disasm", "small.dvt", "-o", target]) == 2
    assert errors(capsys).startswith(f"{target}: ")
    assert {path.name for path in text.parent.iterdir()} == {"small.asm", "small.dvt"}


@pytest.mark.parametrize("command", ["run", "asm", "disasm", "verify"])
def test_verbose_adds_the_traceback(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "absent.file", "--verbose"]) == 2
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.splitlines()[-1].startswith("dovetail: ")


def test_verify_names_the_instruction(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text.write_text(TEXT.replace(" push(compute)", ""))
    assert main(["asm", str(text)]) == 0
    capsys.readouterr()
    assert main(["verify", str(text.with_suffix(".dvt"))]) == 2
    assert "instruction 1 (sync compute pop(load))" in errors(capsys)


def test_a_wrong_line_is_named(text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text.write_text(TEXT.replace("cols=1", "cols=0"))
    assert main(["asm", str(text)]) == 2
    assert errors(capsys).startswith(f"{text}:5: ")
    assert not text.with_suffix(".dvt").exists()


def test_run_is_exact_and_its_json_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "result.json"
    assert main(["run", "conv2d:1,6,6,8,8,3,1,1", "--config", "tiny", "--seed", "7", "--json", str(target)]) == 0
    result = json.loads(target.read_text())
    assert list(result) == KEYS
    assert result["exact"] is True
    assert result["max_abs_error"] == 0
    assert result["macs"] == 6 * 6 * 8 * 8 * 3 * 3
    assert (result["workload"], result["device"], result["config"]) == ("conv2d:1,6,6,8,8,3,1,1", "fsim", "tiny")
    assert list(tmp_path.iterdir()) == [target]
    assert "conv2d:1,6,6,8,8,3,1,1" in capsys.readouterr().out


def test_a_matrix_product_is_run_too(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert main(["run", "matmul:9,10,11", "--config", "tiny", "--json", str(target)]) == 0
    result = json.loads(target.read_text())
    assert (result["exact"], result["macs"]) == (True, 9 * 10 * 11)


@pytest.mark.parametrize("name", [SMALL, "matmul:9,10,11"])
def test_the_cpu_is_a_device(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    assert main(["run", name, "--device", "cpu", "--threads", "2", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == KEYS
    assert (result["device"], result["exact"], result["cycles"]) == ("cpu", True, None)


@pytest.mark.parametrize(
    ("device", "stage", "shown"),
    [
        ("fsim", "schedule", r"gemm4x4 over "),
        ("fsim", "lowered", r"fused_gemm4x4_add\("),
        ("fsim", "copies", r"^vdla\.dma_copy2d\("),
        ("fsim", "tokens", r"^ex\.pop_dep_from\(ld\)"),
        ("fsim", "asm", r"^gemm uop\[.*\] overwrite loop="),
        ("cpu", "lowered", r"^for "),
        ("cpu", "llvm", r"^define "),
        ("cpu", "asm", r"^\s+ret"),
    ],
)
def test_print_shows_a_stage(
    device: str,
    stage: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    assert main(["run", SMALL, "--config", "tiny", "--device", device, "--print", stage]) == 0
    assert re.search(shown, capsys.readouterr().out, re.MULTILINE)


def test_every_stage_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for stage in stage_names("fsim"):
        assert main(["run", SMALL, "--config", "tiny", "--print", stage]) == 0
        assert capsys.readouterr().out.strip()


def test_the_printed_assembly_is_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", SMALL, "--config", "tiny", "--print", "asm"]) == 0
    text = tmp_path / "layer.asm"
    text.write_text(capsys.readouterr().out)
    assert main(["asm", str(text)]) == 0
    assert main(["verify", str(text.with_suffix(".dvt"))]) == 0


def test_json_on_standard_output_is_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "conv2d:1,4,4,4,4,1,1,0", "--config", "tiny", "--no-latency-hiding", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["exact"] is True
    assert result["latency_hiding"] is False


def test_one_wrong_element_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = workload.reference.requantise

    def one_off(*arguments: Any, **settings: Any) -> Any:
        expected = right(*arguments, **settings).astype(np.int16)
        expected[0, -1, -1, -1] += -1 if expected[0, -1, -1, -1] > 0 else 1
        return expected.astype(np.int8)

    monkeypatch.setattr(workload.reference, "requantise", one_off)
    target = tmp_path / "result.json"
    assert main(["run", "conv2d:1,4,4,4,4,3,1,1", "--config", "tiny", "--json", str(target)]) == 1
    result = json.loads(target.read_text())
    assert (result["exact"], result["max_abs_error"]) == (False, 1)
    assert "NO, off by up to 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (runtime.DeviceLost("it is gone"), 3, "dovetail: it is gone"),
        (runtime.DeviceTimeout("too slow"), 3, "dovetail: too slow"),
        (KeyboardInterrupt(), 130, "dovetail: interrupted"),
    ],
)
def test_device_faults_and_interrupts_say_so_and_leave_no_result(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*arguments: Any, **settings: Any) -> Any:
        raise error

    monkeypatch.setattr(runtime, "open", fail)
    assert main(["run", "C3", "--json", str(tmp_path / "result.json")]) == code
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert list(tmp_path.iterdir()) == []


def test_roofline_is_the_balance_of_products_and_traffic() -> None:
    macs, activations = 56 * 56 * 64 * 64, 2 * 56 * 56 * 64
    assert roofline(macs, activations, macs_per_cycle=256, bytes_per_cycle=8) == 1
    assert roofline(macs, activations, macs_per_cycle=256, bytes_per_cycle=4) == 0.5
    assert roofline(macs, activations, macs_per_cycle=256, bytes_per_cycle=16) == 1
