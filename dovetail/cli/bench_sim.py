"""``dovetail bench sim``: how fast the simulators are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .output import STANDARD_OUTPUT, check_outputs, write_json


def sim(
    workload: Annotated[str, typer.Option("--workload", help="As of run.", metavar="WORKLOAD")] = "C2",
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    no_latency_hiding: options.NoLatencyHiding = False,
    seed: options.Seed = 0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Compare the RTL under cocotb with a bare C++ loop on the same model, and with the functional simulator."""
    from dovetail.benchmarks import simulation_speed
    from dovetail.isa.config import load_config
    from dovetail.job import prepare_job

    check_outputs(json)
    machine = load_config(config)
    with progress(f"{workload}: making the program") as say:
        job = prepare_job(
            workload,
            machine,
            config_name=config,
            latency_hiding=not no_latency_hiding,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            seed=seed,
        )
        speed = simulation_speed(job, latency=latency, bytes_per_cycle=bytes_per_cycle, progress=say)
    write_json(speed.as_dict(), json)
    if json != STANDARD_OUTPUT:

        def over(seconds: float) -> str:
            return f"{speed.rtl_seconds / seconds:.0f}"

        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("simulator")
        table.add_column("seconds", justify="right")
        table.add_column("cycles a second", justify="right")
        table.add_row("RTL under cocotb", f"{speed.rtl_seconds:.3f}", f"{speed.rtl_cycles_per_second:,.0f}")
        table.add_row("RTL in a bare C++ loop", "", f"{speed.bare_cycles_per_second:,.0f}")
        table.add_row("functional", f"{speed.fsim_seconds:.4f}", "-")
        for name, seconds in (("timing", speed.timing_seconds), ("timing, estimated", speed.estimate_seconds)):
            table.add_row(name, f"{seconds:.4f}", f"{speed.rtl_cycles_per_second * speed.rtl_seconds / seconds:,.0f}")
        console = output()
        console.print(table)
        console.print(
            f"\n{workload}: cocotb at {100 * speed.ratio:.0f}% of the bare loop; functional {over(speed.fsim_seconds)} "
            f"times faster than RTL, timing {over(speed.timing_seconds)}, its estimate {over(speed.estimate_seconds)} "
            f"({100 * speed.estimate_error:+.2f}% off)"
        )
