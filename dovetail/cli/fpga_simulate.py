"""``dovetail fpga simulate``: a board in simulation, for as long as it is wanted."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import output, progress
from .exits import RIGHT
from .output import STANDARD_OUTPUT, check_outputs, write_json

if TYPE_CHECKING:
    from dovetail.sim.board.process import SimulatedBoard
    from dovetail.sim.board.statistics import Statistics

WATCH_SECONDS = 0.5
MAX_NS = 1000


def simulate(
    board: Annotated[str, typer.Argument(help="Such as ulx3s-85f.", metavar="BOARD", show_default=False)],
    config: Annotated[
        str | None,
        typer.Option("--config", help="Preset, or a TOML file; by default the board's.", metavar="NAME|FILE.toml"),
    ] = None,
    divisor: Annotated[
        int | None,
        typer.Option(
            "--baud-divisor",
            help="Clocks in a bit of the serial line, 4 or more; by default the board's rate. Less is faster.",
            metavar="CLOCKS",
            show_default=False,
        ),
    ] = None,
    round_trip: Annotated[
        float,
        typer.Option(
            "--round-trip",
            parser=options.number(float, 0, MAX_NS),
            help="From the FPGA's clock to the SDRAM, and back with its data.",
            metavar="NS",
        ),
    ] = 0.0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Simulate a board down to the pins of its FPGA, and print the port for `--port` of other commands.

    It runs until it is interrupted, or until a chip on the board is used in a way that it forbids.
    """
    from dovetail.board_job import simulated
    from dovetail.fpga.boards import find_board
    from dovetail.isa.config import load_config

    check_outputs(json)
    chosen = find_board(board)
    machine = config or chosen.config
    with ExitStack() as held:
        with progress(f"{board}: elaborating") as say:
            simulation = held.enter_context(
                simulated(
                    chosen,
                    load_config(machine),
                    divisor=divisor,
                    round_trip=round_trip,
                    progress=lambda what, done, total: say(f"{board}: {what}", done, total),
                )
            )
        write_json({"board": board, "config": machine, "port": simulation.port, "pid": simulation.pid}, json)
        if json != STANDARD_OUTPUT:
            output().print(f"{board} with {machine} is at {simulation.port}; Ctrl-C ends it", markup=False)
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            _watch(simulation)
        if json != STANDARD_OUTPUT:
            output().print(_described(simulation.statistics()), markup=False)
    raise typer.Exit(RIGHT)


def _watch(simulation: SimulatedBoard) -> None:
    """Until it ends, which is an error, or somebody ends us."""
    if not sys.stderr.isatty():
        simulation.wait()
    with progress("waiting for a host") as say:
        while True:
            simulation.wait(WATCH_SECONDS)
            say(_described(simulation.statistics()), 0, 0)


def _described(statistics: Statistics) -> str:
    return (
        f"{statistics.nanoseconds / 1e6:,.1f} ms simulated, {statistics.bytes_in:,} bytes in, "
        f"{statistics.bytes_out:,} out, {statistics.reads:,} reads and {statistics.writes:,} writes of the SDRAM"
        + (f", {statistics.framing_errors:,} framing errors" if statistics.framing_errors else "")
    )
