"""``dovetail bench fusion``: a network with its operators fused and one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, require_device, write_json
from .table import NONE

if TYPE_CHECKING:
    from dovetail.fusion import FusionResult


def fusion(
    context: typer.Context,
    workload: Annotated[
        str, typer.Argument(help="A network's name, or a file: .onnx or .keras.", metavar="NETWORK")
    ] = "resnet18",
    device: Annotated[
        str,
        typer.Option(
            "--device", help="rtl, timing, fsim, or a board such as ulx3s-85f.", metavar="rtl|timing|fsim|BOARD"
        ),
    ] = "rtl",
    port: options.Port = None,
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    seed: options.Seed = 0,
    json: options.Json = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the two forms here: .png, .svg or .pdf.")] = None,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Run a network fused and unfused, on the accelerator and on the CPU."""
    from dovetail.fusion import measure_fusion
    from dovetail.plots import plot_fusion, require_plot_file

    check_outputs(json, plot)
    require_device(device, port=port)
    config, latency, bytes_per_cycle = options.of_device(context, device, config, latency, bytes_per_cycle)
    if plot is not None:
        require_plot_file(plot)
    with progress(f"reading {workload}") as say:
        found = measure_fusion(
            workload,
            device=device,
            port=port,
            config=config,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            seed=seed,
            timeout=timeout,
            progress=say,
        )
    write_json(found.as_dict(), json)
    if plot is not None:
        plot_fusion(found, plot)
    if json != STANDARD_OUTPUT:
        output().print(_table(found))
    raise typer.Exit(RIGHT if found.exact else WRONG)


def _table(found: FusionResult) -> Table:
    total = found.as_dict()["total"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(found.workload)
    for name in ("fused", "unfused", "ratio"):
        table.add_column(name, justify="right")
    one, other = found.fused, found.unfused
    table.add_row("operators on the accelerator", str(one.operators), str(other.operators), "")
    table.add_row("cycles", _count(one.cycles), _count(other.cycles), _ratio(total["cycles_ratio"]))
    table.add_row("DRAM bytes", _count(one.dram_bytes), _count(other.dram_bytes), _ratio(total["bytes_ratio"]))
    table.add_row(
        "CPU seconds, 1 thread", f"{one.cpu_seconds:.3f}", f"{other.cpu_seconds:.3f}", _ratio(total["cpu_ratio"])
    )
    table.add_row("equal to NumPy", "yes" if one.exact else "NO", "yes" if other.exact else "NO", "")
    return table


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
