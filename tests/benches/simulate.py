"""Builds the simulators of the benches and runs cocotb modules in them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import cocotb_tools.config

from dovetail.fpga.vivado.wrapper import MODULE, wrapper
from dovetail.hw.emitted import sources_digest, verilog
from dovetail.isa.cache import cache_dir
from dovetail.isa.config import Config, load_config
from dovetail.sim.rtl.toolchain import (
    MAKE_VARIABLES,
    cocotb_environment,
    link_flags,
    require_tools,
    tool_environment,
    verilator_binary,
    versions,
)

from . import units

SEED_VARIABLE = "DOVETAIL_SEED"
CONFIG_VARIABLE = "DOVETAIL_BENCH_CONFIG"
HERE = Path(__file__).resolve().parent
DEFAULT_SEED = "1"
TIMEOUT_SECONDS = 300
QUICK = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0", "VM_PARALLEL_BUILDS=0")
"""These models run for seconds and are mostly Python's: what counts is how fast they compile."""
PUBLIC = """`verilator_config
public_flat_rw -module "{}" -var "*"
public_flat_rd -module "dovetail" -var "obs__running"
"""


class Design(Enum):
    """What is simulated."""

    UNITS = "units"
    MACHINE = MODULE


def configuration(name: str) -> Config:
    """A preset, or ``wide``: `tiny` on a bus of 128 bits."""
    if name == "wide":
        return replace(load_config("tiny"), bus_bits=128)
    return load_config(name)


def run(design: Design, module: str, config_name: str, *, only: str = "") -> None:
    """Run the tests of cocotb module `module` and fail unless all of them passed.

    The random seed is `DOVETAIL_SEED` of the environment; a test draws the same numbers whether it runs alone or not.

    Parameters
    ----------
    only:
        A regular expression for the names of the tests; without it, cocotb's own `COCOTB_TEST_FILTER` holds.
    """
    seed = os.environ.get(SEED_VARIABLE, DEFAULT_SEED)
    executable = _build(design, configuration(config_name))
    with tempfile.TemporaryDirectory() as scratch:
        results, log = Path(scratch) / "results.xml", Path(scratch) / "log"
        environment = cocotb_environment(design.value, f"tests.benches.{module}") | {
            "COCOTB_RANDOM_SEED": seed,
            "COCOTB_RESULTS_FILE": str(results),
            "COCOTB_ANSI_OUTPUT": "0",
            "GPI_LOG_LEVEL": "WARNING",
            "PYTHONWARNINGS": "ignore::DeprecationWarning",
            CONFIG_VARIABLE: config_name,
        }
        if only:
            environment["COCOTB_TEST_FILTER"] = only
        with log.open("w") as output:
            ended = _simulate(executable, environment, output)
        print(log.read_text(errors="replace"))
        failed = ended + _failures(results)
    assert not failed, f"{module} on {config_name} with {SEED_VARIABLE}={seed}: {', '.join(failed)}"


def _simulate(executable: Path, environment: dict[str, str], output: IO[str]) -> list[str]:
    """Run a simulator; what is to be said of how it ended."""
    command, folder = [str(executable)], Path(output.name).parent
    try:
        status = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
        ).returncode
    except subprocess.TimeoutExpired:
        return [f"the simulator did not end in {TIMEOUT_SECONDS} s"]
    return [f"the simulator ended with status {status}"] if status else []


def _failures(results: Path) -> list[str]:
    if not results.exists():
        return ["there are no results"]
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    if not cases:
        return ["no test was run"]
    return [
        f"{case.get('name')} failed"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None or case.find("skipped") is not None
    ]


def _build(design: Design, config: Config) -> Path:
    """The simulator of `design`, from the cache where it can be."""
    require_tools()
    commands = (_verilate(design, Path()), _make_variables())
    digest = hashlib.sha256(repr((sources_digest(), versions(), commands, config)).encode())
    around = wrapper(config) if design is Design.MACHINE else (HERE / "units.py").read_text()
    digest.update((PUBLIC + around).encode())
    folder = cache_dir() / "benches" / f"{design.value}-{digest.hexdigest()[:24]}"
    executable = folder / "simulator"
    with _locked(folder.with_suffix(".lock")):
        if not executable.exists():
            _make(executable, design, config)
    return executable


def _make(executable: Path, design: Design, config: Config) -> None:
    folder = executable.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name + ".partial-") as scratch:
        work = Path(scratch)
        text = units.emit(config) if design is Design.UNITS else verilog(config) + wrapper(config)
        (work / "design.v").write_text(text)
        (work / "public.vlt").write_text(PUBLIC.format(design.value))
        for command in (_verilate(design, work), ["make", "-f", "Vtop.mk", "-j2", *_make_variables()]):
            done = subprocess.run(command, cwd=work, env=tool_environment(), capture_output=True, text=True)
            assert done.returncode == 0, f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-2000:]}"
        (work / "simulator").rename(executable)


def _verilate(design: Design, work: Path) -> list[str]:
    sources = [cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"]
    sources += [work / "public.vlt", work / "design.v"]
    return [
        *(str(verilator_binary()), "-cc", "--exe", "--vpi", "-Mdir", str(work), "--prefix", "Vtop", "-o", "simulator"),
        *("--top-module", design.value, "--timescale", "1ns/1ps", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
        *("--x-assign", "unique", "--x-initial", "unique", "-LDFLAGS", link_flags()),
        *map(str, sources),
    ]


def _make_variables() -> list[str]:
    return [*(variable for variable in MAKE_VARIABLES if not variable.startswith("OPT_")), *QUICK]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
