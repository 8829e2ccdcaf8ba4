"""``dovetail bench timing``: the timing simulator's count and estimate against the RTL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json

if TYPE_CHECKING:
    from dovetail.tuning.timing_bench import TimingResult

MAX_SCHEDULES = 10**5


def timing(
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    schedules: Annotated[
        int,
        typer.Option(
            "--schedules",
            parser=options.number(int, 0, MAX_SCHEDULES),
            help="Random schedules of the layers to compare too.",
            metavar="N",
        ),
    ] = 200,
    confirm: Annotated[
        int,
        typer.Option(
            "--confirm",
            parser=options.number(int, 0, MAX_SCHEDULES),
            help="Of those, how many to run on the RTL too: the shortest of each layer, in turn.",
            metavar="N",
        ),
    ] = 8,
    seed: Annotated[
        int,
        typer.Option("--seed", parser=options.number(int, 0, options.MAX_SEED), help="Of the schedules.", metavar="N"),
    ] = 0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Count and estimate C1 to C12 beside the RTL, and random schedules of them, some of them beside the RTL too.

    It fails if a count is not the RTL's, or an estimate further off than promised.
    """
    from dovetail.isa.config import load_config
    from dovetail.tuning.timing_bench import measure_timing

    check_outputs(json)
    with progress("compiling") as say:
        found = measure_timing(
            load_config(config),
            schedules=schedules,
            confirm=confirm,
            seed=seed,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            progress=say,
        )
    write_json(found.as_dict(), json)
    if json != STANDARD_OUTPUT:
        _show(found)
    for line in found.broken:
        typer.echo(line, err=True)
    raise typer.Exit(WRONG if found.broken else RIGHT)


def _show(found: TimingResult) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in ("cycles on RTL", "counted", "estimated", "off by", "RTL s", "estimate ms", "times as fast"):
        table.add_column(name, justify="right")
    for one in found.layers:
        table.add_row(
            one.name,
            f"{one.cycles:,}",
            f"{one.counted:,}",
            f"{one.estimated:,}",
            f"{one.error:+.2%}",
            f"{one.rtl_seconds:.3f}",
            f"{1e3 * one.estimate_seconds:.3f}",
            f"{one.ratio:,.0f}",
        )
    console = output()
    console.print(table)
    console.print(f"\nall together: {found.ratio:,.0f} times as fast as the RTL")
    schedules = found.as_dict()["schedules"]
    if schedules["count"]:
        console.print(
            f"{schedules['count']} random schedules: off by {schedules['mean_error']:.2%} on average, at most "
            f"{schedules['max_error']:.2%}"
            + ("" if found.rank_correlation is None else f"; rank correlation {found.rank_correlation:.4f}")
            + f"; {found.confirmed} of them on the RTL too"
        )
