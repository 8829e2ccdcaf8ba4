"""Runs a Verilog module that makes its own clock and ends by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dovetail.isa.progress import silent
from dovetail.sim.rtl.compilation import Compilation
from dovetail.sim.rtl.toolchain import tool_environment, verilator_binary

FLAGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")


def refusal(folder: Path, name: str, text: str, models: Sequence[Path]) -> str:
    """What Verilator says of a module that it refuses."""
    (folder / f"{name}.sv").write_text(text)
    command = [str(verilator_binary()), "--lint-only", *FLAGS, "--top-module", name, *map(str, models), f"{name}.sv"]
    done = subprocess.run(command, cwd=folder, env=tool_environment(), capture_output=True, text=True)
    assert done.returncode, "it was accepted"
    return done.stderr


def run(folder: Path, top: str, files: Mapping[str, bytes], sources: Sequence[str]) -> list[str]:
    """The lines that the module `top` prints when it is run in `folder`."""
    compilation = Compilation(
        kind="benches",
        name=top,
        top=top,
        files=files,
        sources=sources,
        arguments=["--main", "--timing", *FLAGS],
        optimisation="-O0",
    )
    done = subprocess.run([compilation.build(silent)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if not line.startswith("-")]
