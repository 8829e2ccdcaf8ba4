"""``dovetail fpga``: boards."""

from __future__ import annotations

import typer
from rich.table import Table

from . import options
from .console import output, show_help_without_command
from .fpga_build import build
from .fpga_check import check
from .fpga_estimate import estimate
from .fpga_program import program
from .fpga_simulate import simulate

fpga = typer.Typer(help="Build for boards, load and simulate them.", no_args_is_help=False)
fpga.command("build")(build)
fpga.command("program")(program)
fpga.command("estimate")(estimate)
fpga.command("simulate")(simulate)
fpga.command("check")(check)


@fpga.command("boards")
def boards(verbose: options.Verbose = False) -> None:
    """List the boards that there are builds for."""
    from dovetail.fpga.boards import BOARDS
    from dovetail.fpga.flow.units import NAMES, PARTS

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("board", no_wrap=True)
    table.add_column("FPGA")
    table.add_column("configuration")
    for head in ("MHz", "memory, MB", *(NAMES[part] for part in PARTS)):
        table.add_column(head, justify="right")
    for board in BOARDS.values():
        table.add_row(
            board.name,
            board.device,
            board.config,
            f"{board.system_hz / 1e6:.2f}",
            f"{board.memory_bytes >> 20}",
            *(f"{getattr(board.capacity, part):,}" for part in PARTS),
        )
    output().print(table)


@fpga.callback(invoke_without_command=True)
def group(context: typer.Context) -> None:
    """Build for boards, load and simulate them; each is a command."""
    show_help_without_command(context)
