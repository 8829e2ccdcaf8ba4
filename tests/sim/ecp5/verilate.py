"""Runs a Verilog module that makes its own clock and ends by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dovetail.sim.rtl.toolchain import MAKE_VARIABLES, tool_environment, verilator_binary

FLAGS = ("--timing", "--assert", "-Wno-fatal", "-Wno-lint", "-Wno-style")


def refusal(folder: Path, name: str, text: str, models: Sequence[Path]) -> str:
    """What Verilator says of a module that it refuses."""
    (folder / f"{name}.sv").write_text(text)
    command = [str(verilator_binary()), "--lint-only", *FLAGS, "--top-module", name, *map(str, models), f"{name}.sv"]
    done = subprocess.run(command, cwd=folder, env=tool_environment(), capture_output=True, text=True)
    assert done.returncode, "it was accepted"
    return done.stderr


def run(folder: Path, top: str, files: Mapping[str, bytes], sources: Sequence[str]) -> list[str]:
    """The lines that the module `top` prints."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    verilate = [str(verilator_binary()), "-cc", "--exe", "--main", *FLAGS, "--top-module", top, "--prefix", "Vtop"]
    make = ["make", "-f", "Vtop.mk", *MAKE_VARIABLES, "OPT_FAST=-O0", "-j2"]
    for command in ([*verilate, "-Mdir", str(folder), *sources], make, ["./Vtop"]):
        done = subprocess.run(command, cwd=folder, env=tool_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()
