"""A build for a Zynq board: the Vivado project, and Vivado's work where it is installed."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from dovetail.fpga.boards import Board
from dovetail.fpga.vivado.project import Project, generate
from dovetail.isa.config import Config
from dovetail.isa.processes import running
from dovetail.isa.progress import Progress, silent

from .build import output_folder
from .errors import FlowError, ToolFailed
from .units import PARTS

VIVADO = "vivado"
ARGUMENTS = ("-mode", "batch", "-nojournal", "-source", "build.tcl")
LOG = "build.log"


@dataclass(frozen=True, kw_only=True)
class ZynqBuild:
    """A project, and whether Vivado has built its bitstream. What Vivado says of it is in its own reports."""

    board: Board
    config: str
    project: Project
    built: bool
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """The object of ``dovetail fpga build --json``."""
        return {
            "board": self.board.name,
            "config": self.config,
            "fmax_mhz": None,
            **dict.fromkeys(PARTS),
            "bitstream": str(self.project.bitstream) if self.built else None,
            "seconds": round(self.seconds, 1),
        }

    @property
    def message(self) -> str:
        """One line: what there is, or what is left to do."""
        if self.built:
            return f"{self.project.bitstream}: built by Vivado"
        return (
            f"{self.project.folder}: the project is written, but Vivado is not installed here; where it is, run "
            f"{VIVADO} {' '.join(ARGUMENTS)} in that folder"
        )


def build_project(
    board: Board, config: Config, *, config_name: str, out: Path | None = None, progress: Progress = silent
) -> ZynqBuild:
    """Write the Vivado project of `config` for `board`, and run Vivado on it where it is on the path.

    Raises
    ------
    ConfigError:
        The board is of another family, or the processing system cannot make its clock.
    FlowError:
        The folder cannot be written.
    ToolFailed:
        Vivado stops with an error, or writes no bitstream.
    """
    began = time.monotonic()
    folder = out or output_folder(board.name, config_name)
    try:
        project = generate(board, config, folder, config_name=config_name)
    except OSError as error:
        raise FlowError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None
    vivado = shutil.which(VIVADO)
    if vivado is not None:
        _run(vivado, project, progress)
    return ZynqBuild(
        board=board, config=config_name, project=project, built=vivado is not None, seconds=time.monotonic() - began
    )


def _run(vivado: str, project: Project, progress: Progress) -> None:
    progress("Vivado", 0, 0)
    project.bitstream.unlink(missing_ok=True)
    log = project.folder / LOG
    reason = "no bitstream was written"
    with log.open("w") as file, running([vivado, *ARGUMENTS], project.folder, os.environ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if line.startswith("ERROR"):
                reason = line.strip()
            elif line.startswith("Starting "):
                progress(f"Vivado: {line.strip()}", 0, 0)
    if process.returncode or not project.bitstream.is_file():
        raise ToolFailed(f"Vivado ended with status {process.returncode}: {reason}; its log is {log}")
