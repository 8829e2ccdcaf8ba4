"""A placed and routed design to a bitstream."""

from __future__ import annotations

from pathlib import Path

from dovetail.isa.progress import Progress

from .tools import Runner, Task, Tool, path_from

LOG = "packing.log"
BITSTREAM = "top.bit"


def pack(config: Path, folder: Path, run: Runner, progress: Progress) -> Path:
    """Write a compressed bitstream of ecppack's text.

    Returns
    -------
    Path
        The bitstream, in `folder`.

    Raises
    ------
    ToolFailed, ToolMissing:
        As `run`.
    """
    progress("packing", 0, 0)
    arguments = ["--compress", "--input", path_from(folder, config), "--bit", BITSTREAM]
    run(Task(Tool.ECPPACK, arguments, folder, LOG, [BITSTREAM]), lambda line: None)
    return folder / BITSTREAM
