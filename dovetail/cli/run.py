"""``dovetail run``: a workload on a device, compared with the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dovetail.files import MODULE_SUFFIX

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, require_device, write_json
from .schedules import recorded_schedules
from .table import results_table, time_table


def run(
    context: typer.Context,
    workload: Annotated[
        str,
        typer.Argument(
            help="C1 to C12, conv2d:N,H,W,IC,OC,K,S,P, matmul:M,N,K, a network (resnet18, resnet50, mobilenetv2, "
            "transformer), or a file: .onnx, .keras or a compiled .dovetail.",
            metavar="WORKLOAD",
            show_default=False,
        ),
    ],
    device: Annotated[
        str,
        typer.Option(
            "--device",
            help="fsim, rtl, timing, cpu, or a board such as ulx3s-85f.",
            metavar="fsim|rtl|timing|cpu|BOARD",
        ),
    ] = "fsim",
    port: options.Port = None,
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
        typer.Option(
            "--print",
            help="Instead of running, show a stage: schedule, lowered, ... asm; of a network the graph after a pass.",
            metavar="STAGE",
        ),
    ] = None,
    threads: options.Threads = 1,
    shape: options.Shapes = None,
    calibration: options.Calibration = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="Of a network: arrays by the names of its inputs.", metavar="FILE.npz"),
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option("--output", help="Write a network's outputs here.", metavar="FILE.npz")
    ] = None,
    timeout: options.Timeout = None,
    untuned: options.Untuned = False,
    verbose: options.Verbose = False,
) -> None:
    """Run a workload and compare its output with a reference; 0 only when they are equal."""
    check_outputs(json, timeline, waves, outputs)
    require_device(device, timeline, waves, others=("cpu",), port=port)
    if Path(workload).suffix == MODULE_SUFFIX:
        options.refuse(context, "a compiled module has no stages", "stage")
        decided = ("shape", "calibration", "threads", "no_latency_hiding")
        options.refuse(context, "decided when the module was compiled", *decided)
        from .run_network import run_module

        code = run_module(
            Path(workload),
            device if options.given(context, "device") else None,
            config=config if options.given(context, "config") else None,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            port=port,
            seed=seed if options.given(context, "seed") else None,
            inputs=inputs,
            outputs=outputs,
            timeline=timeline,
            waves=waves,
            timeout=timeout,
            json=json,
        )
        raise typer.Exit(code)
    config, latency, bytes_per_cycle = options.of_device(context, device, config, latency, bytes_per_cycle)
    from dovetail.network import is_network, show_pass

    if not is_network(workload):
        options.refuse(context, "only networks take this", "shape", "calibration", "inputs", "outputs")
        with recorded_schedules(untuned):
            _run_layer(
                workload,
                device,
                config,
                port=port,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                latency_hiding=not no_latency_hiding,
                seed=seed,
                json=json,
                timeline=timeline,
                waves=waves,
                stage=stage,
                threads=threads,
                timeout=timeout,
            )
        return
    options.refuse(context, "only single layers take this", "no_latency_hiding")
    shapes = options.parse_shapes(shape)
    if stage is not None:
        with progress(f"{workload}: reading") as say:
            text = show_pass(workload, stage, config=config, shapes=shapes, calibration_data=calibration, progress=say)
        typer.echo(text)
        return
    from .run_network import run_network

    with recorded_schedules(untuned):
        code = run_network(
            workload,
            device,
            config=config,
            port=port,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            threads=threads,
            shapes=shapes,
            calibration=calibration,
            seed=seed,
            inputs=inputs,
            outputs=outputs,
            timeline=timeline,
            waves=waves,
            timeout=timeout,
            json=json,
        )
    raise typer.Exit(code)


def _run_layer(
    workload: str,
    device: str,
    config: str,
    *,
    port: str | None,
    latency: int,
    bytes_per_cycle: int,
    latency_hiding: bool,
    seed: int,
    json: Path | None,
    timeline: Path | None,
    waves: Path | None,
    stage: str | None,
    threads: int,
    timeout: float | None,
) -> None:
    from dovetail.cpu_job import run_on_cpu
    from dovetail.isa.config import load_config
    from dovetail.job import prepare_job, run_job
    from dovetail.networks import NETWORKS
    from dovetail.result import CPU
    from dovetail.stages import show_stage
    from dovetail.workload import is_layer

    if not is_layer(workload):
        raise typer.BadParameter(
            f"no workload {workload!r}; use C1 to C12, conv2d:N,H,W,IC,OC,K,S,P, matmul:M,N,K, a network "
            f"({', '.join(NETWORKS)}), or a file named *.onnx, *.keras or *{MODULE_SUFFIX}",
            param_hint="WORKLOAD",
        )
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
                latency_hiding=latency_hiding,
                latency=latency,
                bytes_per_cycle=bytes_per_cycle,
                seed=seed,
            )
            result = run_job(
                job,
                device,
                port=port,
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
