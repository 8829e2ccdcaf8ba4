"""``dovetail fpga program``: a bitstream into a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import progress


def program(
    board: Annotated[str, typer.Argument(help="Such as ulx3s-85f.", metavar="BOARD", show_default=False)],
    bitstream: Annotated[
        Path | None, typer.Option("--bitstream", help="File; by default the one that fpga build writes for the board.")
    ] = None,
    flash: Annotated[
        bool, typer.Option("--flash", help="Into the board's flash memory, from which it starts when switched on.")
    ] = False,
    verbose: options.Verbose = False,
) -> None:
    """Load a bitstream into a board's FPGA through its USB cable."""
    from dovetail.fpga import loader
    from dovetail.fpga.boards import find_board
    from dovetail.fpga.flow.build import bitstream_path

    chosen = find_board(board)
    path = bitstream or bitstream_path(chosen.name, chosen.config)
    with progress(f"{chosen.name}: loading {path.name}"):
        loader.program(chosen, path, flash=flash)
    typer.echo(f"{chosen.name}: {path} is loaded")
