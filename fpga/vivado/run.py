"""Runs Vivado on a project, if it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from .project import DESIGN, Project

COMMAND = ("vivado", "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", "build.tcl")
END_SECONDS = 10.0
Say = Callable[[str], None]


class VivadoError(RuntimeError):
    """Vivado refused the project. The message is its last error, and where the log is."""


def available() -> bool:
    """Whether there is a Vivado on the path."""
    return shutil.which(COMMAND[0]) is not None


def instruction(project: Project) -> str:
    """What to do where there is none, in one line."""
    return f"Vivado is not on the path: run 'cd {project.folder} && {' '.join(COMMAND)}' where it is"


def run(project: Project, say: Say = lambda text: None) -> None:
    """Build the bitstream; it takes a quarter of an hour or more.

    Parameters
    ----------
    say:
        Called with each line of Vivado's output.

    Raises
    ------
    VivadoError:
        It failed, such as when timing is not met, or wrote no bitstream.
    """
    errors = ["it does not say why"]
    with subprocess.Popen(
        COMMAND,
        cwd=project.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in map(str.strip, process.stdout):
                if line:
                    say(line)
                if line.startswith(("ERROR", "CRITICAL")) or " is missed by " in line:
                    errors.append(line)
        except BaseException:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if process.returncode:
        raise VivadoError(f"Vivado: {errors[-1]}; see {project.folder / 'vivado.log'}")
    missing = [path.name for path in (project.bitstream, project.bitstream.with_suffix(".hwh")) if not path.is_file()]
    if missing:
        raise VivadoError(
            f"Vivado wrote no {' and no '.join(missing)} for {DESIGN}; see {project.folder / 'vivado.log'}"
        )
