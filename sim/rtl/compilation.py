"""From sources to a simulator's executable: Verilator and the compiler, in a folder that appears as a whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dovetail.isa.cache import cache_dir
from dovetail.isa.processes import running
from dovetail.isa.progress import Progress

from .library import is_compilation, keep, restore
from .toolchain import MAKE_VARIABLES, tool_environment, verilator_binary, versions

MAX_JOBS = 4
KEY_DIGITS = 24
LOG_LINES = 5
"""Lines of a failed command's output that an error shows."""


class BuildError(RuntimeError):
    """A simulator cannot be built."""


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What a simulator is made of.

    Parameters
    ----------
    kind:
        A folder in the cache, for simulators of one sort.
    name:
        Begins the name of this one's folder.
    top:
        The top module.
    files:
        By name; all of them are part of what a build is kept by.
    sources:
        Those of `files` that Verilator is given by name, in that order.
    arguments:
        Verilator's.
    optimisation:
        The compiler's option for what runs every cycle.
    """

    kind: str
    name: str
    top: str
    files: Mapping[str, bytes]
    sources: Sequence[str]
    arguments: Sequence[str]
    optimisation: str = "-O3"

    @property
    def folder(self) -> Path:
        """Where it is kept; a text that differs when another build would come of it is in the name."""
        described = [versions(), *MAKE_VARIABLES, self.top, self.optimisation, *self.arguments, *self.sources]
        digest = hashlib.sha256("\n".join(described).encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return cache_dir() / self.kind / f"{self.name}-{digest.hexdigest()[:KEY_DIGITS]}"

    def build(self, progress: Progress) -> Path:
        """The executable, made unless it is in the cache.

        Raises
        ------
        BuildError:
            Verilator or the compiler refused.
        """
        folder = self.folder
        executable = folder / "simulator"
        if executable.exists():
            return executable
        with _locked(folder.with_suffix(".lock")):
            if not executable.exists():
                self._make(folder, progress)
        return executable

    def _make(self, folder: Path, progress: Progress) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name + ".partial-") as scratch:
            work, result = Path(scratch) / "work", Path(scratch) / "result"
            work.mkdir()
            result.mkdir()
            for name, content in self.files.items():
                (work / name).write_bytes(content)
            with (result / "build.log").open("w+") as log:
                progress("verilating", 0, 0)
                command = [str(verilator_binary()), "-cc", "--exe", "-Mdir", str(work), "-I" + str(work)]
                command += ["--top-module", self.top, "--prefix", "Vtop", "-o", "simulator"]
                command += [*self.arguments, "-LDFLAGS", f"-L{work}"]
                _run([*command, *(str(work / name) for name in self.sources)], work, log.name)
                _compile(work, self.optimisation, log.name, progress)
            (work / "simulator").rename(result / "simulator")
            if folder.exists():
                shutil.rmtree(folder)
            result.rename(folder)


def _compile(work: Path, optimisation: str, log: str, progress: Progress) -> None:
    make = ["make", "-f", "Vtop.mk", *MAKE_VARIABLES, f"OPT_FAST={optimisation}"]
    plan = subprocess.run(
        [*make, "-n"], cwd=work, env=tool_environment(), capture_output=True, text=True
    ).stdout.splitlines()
    shared = restore(plan, work)
    total = sum(is_compilation(line) and not (shared and "verilated" in line) for line in plan)
    jobs = max(2, min(os.cpu_count() or 2, MAX_JOBS))
    done = 0
    for line in _run_lines([*make, f"-j{jobs}"], work, log):
        if is_compilation(line):
            progress("compiling", done, total)
            done += 1
    if not shared:
        keep(plan, work)
    progress("compiling", total, total)


def _run(command: list[str], work: Path, log: str) -> None:
    for _ in _run_lines(command, work, log):
        pass


def _run_lines(command: list[str], work: Path, log: str) -> Iterator[str]:
    """Run a command, yield its output line by line and keep it in `log`."""
    lines = []
    with running(command, work, tool_environment()) as process, open(log, "a") as file:
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            lines.append(line.rstrip())
            yield line
    if process.returncode:
        errors = [line for line in lines if "rror" in line] or lines
        tool = Path(command[0]).name
        raise BuildError(f"{tool} failed with status {process.returncode}: {' | '.join(errors[:LOG_LINES])}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock that goes with a file; another process that wants it waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
