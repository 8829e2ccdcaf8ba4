"""``dovetail run``: a workload on a device, compared with the reference."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, require_device, write_json
from .table import results_table, time_table


def run(
    workload: Annotated[
        str,
        typer.Argument(
            help="C1 to C12, conv2d:N,H,W,IC,OC,K,S,P, matmul:M,N,K, a network (resnet18, resnet50, mobilenetv2, "
            "transformer), or a file: .onnx, .keras or a compiled .dovetail.",
            metavar="WORKLOAD",
            show_default=False,
        ),
    ],
    device: Annotated[str, typer.Option("--device", help="fsim, rtl or cpu.", metavar="fsim|rtl|cpu")] = "fsim",
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    no_latency_hiding: options.NoLatencyHiding = False,
    seed: options.Seed = 0,
    json: options.Json = None,
    timeline: options.Timeline = None,
    waves: options.Waves = None,
    stage: Annotated[
        str | None,
        typer.Option("--print", help="Instead of running, show a stage: schedule, lowered, ... asm.", metavar="STAGE"),
    ] = None,
    threads: options.Threads = 1,
    shape: options.Shapes = None,
    calibration: options.Calibration = None,
    timeout: options.Timeout = None,
    verbose: options.Verbose = False,
) -> None:
    """Run a workload and compare its output with a reference; 0 only when they are equal."""
    from dovetail.cpu_job import CPU, run_on_cpu
    from dovetail.isa.config import load_config
    from dovetail.job import prepare_job, run_job
    from dovetail.network import is_network
    from dovetail.stages import show_stage

    check_outputs(json, timeline, waves)
    require_device(device, timeline, waves, others=(CPU,))
    if is_network(workload):
        from dovetail.network_job import run_source

        from .run_network import show

        if no_latency_hiding:
            raise typer.BadParameter("--no-latency-hiding is for single layers")
        with progress(f"{workload}: reading") as say:
            found = run_source(
                workload,
                device,
                config=config,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                seed=seed,
                threads=threads,
                shapes=options.parse_shapes(shape),
                calibration_data=calibration,
                timeline=timeline,
                waves=waves,
                timeout=timeout,
                progress=say,
            )
        raise typer.Exit(show(found, json))
    machine = load_config(config)
    if stage is not None:
        text = show_stage(workload, stage, device, machine, latency=latency, bytes_per_cycle=bytes_per_cycle)
        typer.echo(text.rstrip("\n"))
        return
    with progress(f"{workload}: compiling") as say:
        if device == CPU:
            result = run_on_cpu(workload, seed=seed, threads=threads, progress=say)
        else:
            job = prepare_job(
                workload,
                machine,
                config_name=config,
                latency_hiding=not no_latency_hiding,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                seed=seed,
            )
            result = run_job(
                job,
                device,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                timeline=timeline,
                waves=waves,
                timeout=timeout,
                progress=say,
            )
    write_json(result.as_dict(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(results_table([result]))
        times = time_table(result)
        if times is not None:
            console.print()
            console.print(times)
    raise typer.Exit(RIGHT if result.exact else WRONG)
