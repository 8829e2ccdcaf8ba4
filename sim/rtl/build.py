"""Builds simulators, and keeps them by what goes into them.

A build is a folder in the cache with the executable and the log of its making. It appears as a whole: it is made in a
folder of its own, under a lock, and moved into place.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dovetail.hw.interfaces import level_bits
from dovetail.isa.cache import cache_dir
from dovetail.isa.config import Config
from dovetail.sim.progress import Progress, silent

from .control import c_header, sv_header
from .emitted import verilog
from .group import running
from .launch import TOP
from .library import is_compilation, keep, restore
from .toolchain import MAKE_VARIABLES, link_flags, require_tools, tool_environment, verilator_binary, versions

HERE = Path(__file__).resolve().parent
BARE_TOP = "bench"
MAX_JOBS = 4
HDL = ("bench.sv", "dram.sv", "host.sv", "observer.sv", "axi_checks.sv", "public.vlt")
CPP = ("shared.cpp", "memory.cpp", "control.cpp", "observe.cpp", "buffers.cpp")
HEADERS = ("shared.h", "simulator.h")
FST_HEADERS = ("fst/lz4.h", "fst/zlib.h")
FST_LIBRARIES = ("liblz4.a", "libz.a")
EMPTY_ARCHIVE = b"!<arch>\n"
LOG_LINES = 5
"""Lines of a failed command's output that an error shows."""


class BuildError(RuntimeError):
    """A simulator cannot be built."""


class Flavour(Enum):
    """What a simulator is for."""

    FAST = "fast"
    """Full speed."""
    REGRESS = "regress"
    """Checks the AXI rules, and begins with random values in everything that has no initial value."""


@dataclass(frozen=True)
class Options:
    """One kind of build.

    Parameters
    ----------
    waves:
        Can record FST waves; slower.
    bare:
        The C++ loop without cocotb, for comparison.
    """

    flavour: Flavour = Flavour.FAST
    waves: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        return self.flavour.value + "-waves" * self.waves + "-bare" * self.bare

    @property
    def optimisation(self) -> str:
        """For what runs every cycle. Programs of the regression are short, its builds many."""
        return "-O3" if self.flavour is Flavour.FAST else "-O1"

    def verilator_arguments(self, config: Config) -> list[str]:
        arguments = [
            *("-GBUS_BITS=" + str(config.bus_bits), "-GLEVEL_BITS=" + str(level_bits(config.token_depth))),
            *("-O3", "--timescale", "1ns/1ns", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
            *("-CFLAGS", f"-march=native -DDOVETAIL_BUS_BYTES={config.bus_bytes}"),
        ]
        if self.flavour is Flavour.FAST:
            arguments += ["--x-assign", "fast", "--x-initial", "fast", "--no-assert"]
        else:
            arguments += ["--x-assign", "unique", "--x-initial", "unique", "--assert", "-DDOVETAIL_CHECKS"]
        if self.waves:
            arguments += ["--trace-fst"]
        return arguments if self.bare else [*arguments, "--timing", "--vpi", "-LDFLAGS", link_flags()]


def build(config: Config, options: Options | None = None, progress: Progress = silent) -> Path:
    """The executable of a simulator, built unless it is in the cache.

    Raises
    ------
    ToolMissing:
        There is no compiler, make or perl.
    BuildError:
        Verilator or the compiler refused.
    """
    require_tools()
    options = options or Options()
    progress("elaborating", 0, 0)
    text = verilog(config)
    folder = cache_dir() / "rtl" / _key(config, options, text)
    executable = folder / "simulator"
    if executable.exists():
        return executable
    with _locked(folder.with_suffix(".lock")):
        if not executable.exists():
            _make(folder, config, options, text, progress)
    return executable


def _key(config: Config, options: Options, text: str) -> str:
    digest = hashlib.sha256("\n".join([text, versions(), c_header(), sv_header(), *MAKE_VARIABLES]).encode())
    digest.update(repr((options.optimisation, options.verilator_arguments(config))).encode())
    for name in _sources(options):
        digest.update(name.encode() + b"\0" + (HERE / name).read_bytes())
    return f"{options.name}-{digest.hexdigest()[:24]}"


def _main(options: Options) -> str:
    return "bare.cpp" if options.bare else "main.cpp"


def _sources(options: Options) -> list[str]:
    return [*HDL, *CPP, *HEADERS, *FST_HEADERS, _main(options)]


def _make(folder: Path, config: Config, options: Options, text: str, progress: Progress) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name + ".partial-") as scratch:
        work, result = Path(scratch) / "work", Path(scratch) / "result"
        work.mkdir()
        result.mkdir()
        (work / "dovetail.v").write_text(text)
        (work / "control.h").write_text(c_header())
        (work / "control.svh").write_text(sv_header())
        for name in _sources(options):
            shutil.copy(HERE / name, work)
        for library in FST_LIBRARIES:
            (work / library).write_bytes(EMPTY_ARCHIVE)  # linked for waves; the headers in fst/ hold all of it
        with (result / "build.log").open("w+") as log:
            progress("verilating", 0, 0)
            sources = [_main(options), *CPP, "dovetail.v", *HDL]
            command = [str(verilator_binary()), "-cc", "--exe", "-Mdir", str(work), "-I" + str(work)]
            command += ["--top-module", BARE_TOP if options.bare else TOP, "--prefix", "Vtop", "-o", "simulator"]
            command += options.verilator_arguments(config)
            command += ["-LDFLAGS", f"-L{work}"]
            _run(command + [str(work / name) for name in sources], work, log.name)
            _compile(work, options, log.name, progress)
        (work / "simulator").rename(result / "simulator")
        if folder.exists():
            shutil.rmtree(folder)
        result.rename(folder)


def _compile(work: Path, options: Options, log: str, progress: Progress) -> None:
    make = ["make", "-f", "Vtop.mk", *MAKE_VARIABLES, f"OPT_FAST={options.optimisation}"]
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
