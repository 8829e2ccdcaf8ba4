"""``dovetail bench scaling``: larger arrays, faster memories, and several accelerators, on the timing simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .table import percent

if TYPE_CHECKING:
    from dovetail.scaling import Point, ScalingResult, Sharing


def scaling(
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Which, with commas between; C2 to C12 by default.", metavar="C2,C5,..."),
    ] = None,
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    json: options.Json = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw it here: .png, .svg or .pdf.")] = None,
    verbose: options.Verbose = False,
) -> None:
    """Show what larger arrays, faster memories and more accelerators would bring to C2 to C12.

    Cycles are of the timing simulator. --latency is that of the memories whose bytes a cycle vary, and
    --bytes-per-cycle those of the memories whose latency varies.
    """
    from dovetail.plots import require_plot_file
    from dovetail.scaling import LAYERS, measure_scaling

    check_outputs(json, plot)
    if plot is not None:
        require_plot_file(plot)
    names = LAYERS if layers is None else tuple(name.strip() for name in layers.split(","))
    with progress("compiling") as say:
        found = measure_scaling(layers=names, latency=latency, bytes_per_cycle=bytes_per_cycle, progress=say)
    write_json(found.as_dict(), json)
    if plot is not None:
        from dovetail.scaling_plot import plot_scaling

        plot_scaling(found, plot)
    if json != STANDARD_OUTPUT:
        console = output()
        for one in (_memories(found), _sharing(found)):
            console.print(one)
            console.print()
        console.print("MACs a cycle are of all accelerators together; each has an equal, fixed share of the memory")


def _memories(found: ScalingResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("machine")
    for name in ("peak", "latency", "bytes/cycle", "cycles", "MACs/cycle", "utilization"):
        table.add_column(name, justify="right")
    for way in (found.by_bandwidth, found.by_latency):
        for points in way.values():
            for point in points:
                table.add_row(*_cells(point))
            table.add_section()
    return table


def _cells(point: Point) -> tuple[str, ...]:
    return (
        point.config,
        f"{point.macs_per_cycle:,}",
        str(point.latency_cycles),
        str(point.bytes_per_cycle),
        f"{point.total:,}",
        f"{point.speed:.1f}",
        percent(point.utilization),
    )


def _sharing(found: ScalingResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("machine")
    for name in ("accelerators", "bytes/cycle", "each", "MACs/cycle", "over one", "utilization"):
        table.add_column(name, justify="right")
    alone: dict[tuple[str, int], Sharing] = {}
    for one in found.sharing:
        first = alone.setdefault((one.each.config, one.bytes_per_cycle), one)
        table.add_row(
            one.each.config,
            str(one.accelerators),
            str(one.bytes_per_cycle),
            str(one.each.bytes_per_cycle),
            f"{one.speed:.1f}",
            f"{one.speed / first.speed:.2f}x",
            percent(one.each.utilization),
        )
    return table
