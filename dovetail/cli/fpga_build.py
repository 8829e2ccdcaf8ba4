"""``dovetail fpga build``: a bitstream for a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .table import percent

if TYPE_CHECKING:
    from dovetail.board_estimate import Estimate
    from dovetail.fpga.boards import Board
    from dovetail.fpga.flow.report import BuildReport
    from dovetail.isa.config import Config

MAX_SEED = (1 << 31) - 1
MAX_SEEDS = 100
MAX_MHZ = 400
UNITS = 2
"""Levels of units that are shown on the terminal; the page has all of them."""


def build(
    board: Annotated[str, typer.Argument(help="Such as ulx3s-85f.", metavar="BOARD", show_default=False)],
    config: Annotated[
        str | None,
        typer.Option("--config", help="Preset, or a TOML file; by default the board's.", metavar="NAME|FILE.toml"),
    ] = None,
    frequency: Annotated[
        float | None,
        typer.Option(
            "--frequency",
            parser=options.number(float, 1, MAX_MHZ),
            help="Of the accelerator's clock, in MHz; by default the board's.",
            metavar="MHZ",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", parser=options.number(int, 0, MAX_SEED), help="Of the placement.", metavar="N")
    ] = 1,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            parser=options.number(int, 1, MAX_SEEDS),
            help="Try so many, from --seed on, until the timing is met.",
            metavar="N",
        ),
    ] = 4,
    nextpnr: Annotated[
        str | None,
        typer.Option(
            "--nextpnr",
            envvar="DOVETAIL_NEXTPNR",
            help="Place and route with this nextpnr-ecp5 of the machine's own; several times as fast.",
            metavar="PROGRAM",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for everything; build/fpga/BOARD-CONFIG by default.")
    ] = None,
    no_estimate: Annotated[
        bool, typer.Option("--no-estimate", help="Leave out of the report what layers and ResNet-18 would take.")
    ] = False,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Build a bitstream with open tools, or for a Zynq a Vivado project, with logs and a report."""
    from dovetail.fpga.boards import find_board

    check_outputs(json)
    chosen = find_board(board)
    if frequency is not None:
        chosen = replace(chosen, system_hz=round(frequency * 1e6))
    machine = config or chosen.config
    if chosen.family == "zynq":
        _build_project(chosen, machine, out, json)
    else:
        _build_bitstream(chosen, machine, out, seed, seeds, nextpnr, json, with_estimate=not no_estimate)


def _build_bitstream(
    board: Board,
    config: str,
    out: Path | None,
    seed: int,
    seeds: int,
    nextpnr: str | None,
    json: Path | None,
    *,
    with_estimate: bool,
) -> None:
    from dovetail.fpga.flow.build import PAGE
    from dovetail.fpga.flow.build import build as build_bitstream
    from dovetail.fpga.flow.report import TimingError
    from dovetail.fpga.flow.tools import Tool
    from dovetail.isa.config import load_config

    machine = load_config(config)
    with progress("elaboration") as say:
        try:
            report = build_bitstream(
                board,
                machine,
                config_name=config,
                out=out,
                seed=seed,
                seeds=seeds,
                progress=say,
                programs={Tool.NEXTPNR: nextpnr} if nextpnr else {},
            )
        except TimingError as error:
            write_json(error.report.as_dict(), json)
            raise
    found = _estimate(report, machine) if with_estimate else None
    write_json({**report.as_dict(), **({"estimate": found.to_json()} if found else {})}, json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(_summary(report))
        console.print()
        console.print(_units(report))
        console.print(f"\n{report.bitstream}; more is in {report.bitstream.with_name(PAGE)}", markup=False)


def _estimate(report: BuildReport, machine: Config) -> Estimate | None:
    """What the build would do at the bitstream's clock, in its reports too; None, with a line that says why, if that
    cannot be told."""
    from dovetail.board_estimate import add_to_report, estimate
    from dovetail.compiler.errors import CompileError
    from dovetail.fpga.flow.build import HZ_PER_MHZ, PAGE, REPORT
    from dovetail.runtime.errors import DeviceError

    with progress("what it would do: compiling") as say:
        try:
            mhz = report.board.system_hz / HZ_PER_MHZ
            found = estimate(report.board, machine, mhz, progress=say, config_name=report.config)
        except (CompileError, DeviceError, OSError) as error:
            typer.echo(f"no estimate of layers in the report: {error}", err=True)
            return None
    if not found.exact:
        typer.echo("no estimate of layers in the report: their results are wrong in the RTL simulation", err=True)
        raise typer.Exit(WRONG)
    add_to_report(found, report.bitstream.with_name(PAGE), report.bitstream.with_name(REPORT))
    return found


def _build_project(board: Board, config: str, out: Path | None, json: Path | None) -> None:
    from dovetail.fpga.flow.zynq import build_project
    from dovetail.isa.config import load_config

    machine = load_config(config)
    with progress("writing the project") as say:
        found = build_project(board, machine, config_name=config, out=out, progress=say)
    write_json(found.as_dict(), json)
    if json != STANDARD_OUTPUT:
        typer.echo(found.message)


def _summary(report: BuildReport) -> Table:
    from dovetail.fpga.flow.units import NAMES, PARTS

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"{report.config} on {report.board.name}")
    for head in ("used", "of", ""):
        table.add_column(head, justify="right")
    for part in PARTS:
        used, limit = getattr(report.used, part), getattr(report.board.capacity, part)
        table.add_row(NAMES[part], f"{used:,}", f"{limit:,}", percent(used / limit))
    table.add_row("MHz after routing", f"{report.clock.mhz:.2f}", f"{report.clock.target_mhz:.2f}", "met")
    table.add_row("seconds", f"{sum(report.seconds.values()):,.0f}")
    return table


def _units(report: BuildReport) -> Table:
    from dovetail.fpga.flow.units import NAMES, PARTS

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("unit")
    for part in PARTS:
        table.add_column(NAMES[part], justify="right")
    shown: Mapping[str, Any] = {unit: use for unit, use in report.units.items() if unit.count(".") < UNITS}
    for unit, use in shown.items():
        name = "  " * unit.count(".") + unit.rpartition(".")[2]
        table.add_row(name, *(f"{getattr(use, part):,}" if getattr(use, part) else "" for part in PARTS))
    return table
