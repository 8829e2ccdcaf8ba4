"""``dovetail fpga estimate``: what a build of a board would do."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .table import percent

if TYPE_CHECKING:
    from dovetail.board_estimate import Estimate

MAX_MHZ = 1000
CLOCKS = ("fmax_mhz", "target_mhz")
REPORTED = ("board", "config", *CLOCKS)


def estimate(
    board: Annotated[str, typer.Argument(help="Such as ulx3s-85f.", metavar="BOARD", show_default=False)],
    frequency: Annotated[
        float | None,
        typer.Option(
            "--frequency", parser=options.number(float, 1, MAX_MHZ), help="Of the accelerator's clock.", metavar="MHZ"
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="JSON of a build, for its clock and configuration.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", help="Preset, or a TOML file; by default the board's.", metavar="NAME|FILE.toml"),
    ] = None,
    no_network: Annotated[bool, typer.Option("--no-network", help="Leave out ResNet-18.")] = False,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Compute milliseconds and frames a second from cycles in the RTL simulation with the board's memory."""
    from dovetail import board_estimate
    from dovetail.fpga.boards import find_board
    from dovetail.isa.config import load_config

    check_outputs(json)
    chosen = find_board(board)
    machine, mhz = chosen.config, chosen.system_hz / 1e6
    if report is not None:
        if frequency is not None:
            raise typer.BadParameter("--report and --frequency both say the clock: give one", param_hint="--frequency")
        built = _read_report(report)
        if built["board"] != board:
            raise typer.BadParameter(f"{report} is of {built['board']}, not of {board}", param_hint="--report")
        machine, mhz = built["config"], min(built[name] for name in CLOCKS)
    mhz = frequency or mhz
    machine = config or machine
    with progress(f"{board}: compiling") as say:
        found = board_estimate.estimate(
            chosen, load_config(machine), mhz, progress=say, config_name=machine, network=not no_network
        )
    write_json(found.to_json(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(estimate_table(found))
        memory = found.memory
        console.print(
            f"\n{found.board} with {found.config} at {mhz:.2f} MHz: {board_estimate.COMPUTED}. Memory: "
            f"{memory.latency_cycles} cycles, {memory.bytes_per_cycle} bytes a cycle ({memory.basis}).",
            markup=False,
        )
    raise typer.Exit(RIGHT if found.exact else WRONG)


def estimate_table(found: Estimate) -> Table:
    """A row a workload."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("computed")
    for name in ("MACs", "cycles", "utilization", "ms", "frames/s"):
        table.add_column(name, justify="right")
    for one in (*found.layers, *([found.resnet18] if found.resnet18 else [])):
        numbers = f"{one.macs:,}", f"{one.cycles:,}", percent(one.utilization), f"{one.ms:.3f}", f"{one.fps:,.1f}"
        table.add_row(one.name, *numbers)
    return table


def _read_report(path: Path) -> dict[str, Any]:
    from dovetail.files import InputError, read_text

    try:
        values: dict[str, Any] = json_module.loads(read_text(path))
    except json_module.JSONDecodeError as error:
        raise InputError(f"{path}: no JSON: {error}") from None
    missing = [name for name in REPORTED if not isinstance(values, dict) or values.get(name) is None]
    if missing:
        raise InputError(f"{path}: no {missing[0]} in it; give the JSON that dovetail fpga build writes")
    for name in CLOCKS:
        mhz = values[name]
        if not isinstance(mhz, int | float) or not 0 < mhz <= MAX_MHZ:
            raise InputError(f"{path}: {name} must be a number up to {MAX_MHZ}, not {mhz!r}")
    return values
