"""``dovetail bench layers``: the layers of ResNet-18, with latency hiding and without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, require_device, write_json
from .schedules import recorded_schedules
from .table import NONE, percent

if TYPE_CHECKING:
    from dovetail.layers import LayersResult


def layers(
    context: typer.Context,
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
    only_latency_hiding: Annotated[
        bool, typer.Option("--only-latency-hiding", help="Leave out the runs without latency hiding.")
    ] = False,
    no_latency_hiding: Annotated[
        bool, typer.Option("--no-latency-hiding", help="Leave out the runs with latency hiding.")
    ] = False,
    seed: options.Seed = 0,
    json: options.Json = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the roofline here: .png, .svg or .pdf.")] = None,
    timeout: options.Timeout = None,
    untuned: options.Untuned = False,
    verbose: options.Verbose = False,
) -> None:
    """Run C1 to C12, compare each with the reference, and show what latency hiding brings."""
    from dovetail.isa.config import load_config
    from dovetail.layers import measure_layers
    from dovetail.plots import plot_roofline, require_plot_file
    from dovetail.result import MODELLED

    check_outputs(json, plot)
    require_device(device, port=port)
    config, latency, bytes_per_cycle = options.of_device(context, device, config, latency, bytes_per_cycle)
    if plot is not None:
        require_plot_file(plot)
        if device not in MODELLED:
            raise typer.BadParameter(
                "--plot needs --device rtl or timing, whose memory is known to the cycle", param_hint="--device"
            )
    if only_latency_hiding and no_latency_hiding:
        raise typer.BadParameter("--only-latency-hiding and --no-latency-hiding leave nothing to run")
    hiding = (True,) if only_latency_hiding else (False,) if no_latency_hiding else (True, False)
    machine = load_config(config)
    with recorded_schedules(untuned), progress("compiling") as say:
        found = measure_layers(
            machine,
            config_name=config,
            device=device,
            port=port,
            hiding=hiding,
            seed=seed,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            timeout=timeout,
            progress=say,
        )
    write_json(found.as_dict(), json)
    if plot is not None:
        plot_roofline(found, plot)
    if json != STANDARD_OUTPUT:
        output().print(_table(found))
    raise typer.Exit(RIGHT if found.exact else WRONG)


def _table(found: LayersResult) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in ("MACs", "cycles", "utilization", "roofline", "without hiding", "exact", "compile s", "run s"):
        table.add_column(name, justify="right")
    without = {result.workload: result for result in found.without_latency_hiding}
    for result in found.layers:
        other = without.get(result.workload)
        errors = [one.max_abs_error or 0 for one in (result, other) if one is not None]
        table.add_row(
            result.workload,
            f"{result.macs:,}",
            NONE if result.cycles is None else f"{result.cycles:,}",
            percent(result.utilization),
            percent(result.roofline),
            percent(other.utilization if other else None),
            f"NO, off by up to {max(errors)}" if any(errors) else "yes",
            f"{result.compile_seconds:.2f}",
            f"{result.run_seconds:.2f}",
        )
    total, other_total = found.total, found.total_without
    table.add_section()
    table.add_row(
        "C2 to C12",
        f"{total.macs:,}",
        NONE if total.cycles is None else f"{total.cycles:,}",
        percent(total.utilization),
        "",
        percent(other_total.utilization if other_total else None),
    )
    return table
