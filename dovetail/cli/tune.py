"""``dovetail tune``: schedules are searched for on devices, and recorded for the compiler to take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dovetail.result import CPU, MODELLED

from . import options
from .console import note, output, progress
from .exits import INTERRUPTED, RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, require_device, write_json
from .table import NONE, percent

if TYPE_CHECKING:
    from dovetail.isa.progress import Progress
    from dovetail.tuning.accelerator_trial import Machine
    from dovetail.tuning.parts import Part
    from dovetail.tuning.tune import Tuned, Tuner

MAX_TRIALS = 10**6


def tune(
    context: typer.Context,
    workload: Annotated[str, typer.Argument(help="C1 to C12, conv2d:..., matmul:..., a network, or a model's file.")],
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            parser=options.number(int, 1, MAX_TRIALS),
            help=f"Schedules to measure, in all; {options.TRIALS} for each convolution by default.",
            metavar="N",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="What chooses them.", metavar="xgboost|treernn|random|genetic|exhaustive")
    ] = "xgboost",
    device: Annotated[
        str, typer.Option("--device", help="Where they are measured.", metavar="timing|rtl|cpu|BOARD")
    ] = "timing",
    port: options.Port = None,
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    dtype: Annotated[
        str,
        typer.Option("--dtype", help="Of a layer on the cpu; on an accelerator it is int8.", metavar="int8|float32"),
    ] = "int8",
    pool: options.Pool = None,
    workers: options.Workers = None,
    seed: Annotated[
        int, typer.Option("--seed", parser=options.number(int, 0, options.MAX_SEED), help="Of the search.", metavar="N")
    ] = 0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            parser=options.number(float, 0.1, options.MAX_SECONDS),
            help="Seconds for a trial, waiting for a device not counted.",
            metavar="SECONDS",
        ),
    ] = options.TRIAL_SECONDS,
    records: options.Records = None,
    space: Annotated[
        bool, typer.Option("--space", help="Instead of tuning, show what there is to choose from, and what is not.")
    ] = False,
    shape: options.Shapes = None,
    calibration: options.Calibration = None,
    json: options.Json = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw best so far here: .png, .svg or .pdf.")] = None,
    verbose: options.Verbose = False,
) -> None:
    """Search for the schedules of a layer's or a network's convolutions; what is measured is recorded at once."""
    from dovetail.compiler.tune.records import Records, RecordsError, default_path
    from dovetail.isa.config import load_config
    from dovetail.network import is_network
    from dovetail.plots import require_plot_file
    from dovetail.runtime import DeviceError
    from dovetail.runtime.pool import open_pool
    from dovetail.tuning.accelerator_trial import Machine
    from dovetail.tuning.tune import MODELS, Tuner, check_device

    check_outputs(json, plot)
    if model not in MODELS:
        raise typer.BadParameter(f"no model {model!r}; use one of {', '.join(MODELS)}", param_hint="--model")
    require_device(device, others=(CPU,), port=port)
    if device == "fsim":
        raise typer.BadParameter("fsim counts no cycles; use timing, rtl, cpu or a board", param_hint="--device")
    if dtype not in ("int8", "float32"):
        raise typer.BadParameter(f"no type {dtype!r}; use int8 or float32", param_hint="--dtype")
    if device == CPU:
        options.refuse(context, "of accelerators, not of cpu", "config", "latency", "bytes_per_cycle")
        if is_network(workload):
            options.refuse(context, "a network has types of its own", "dtype")
    else:
        options.refuse(context, "of cpu", "dtype")
    options.require_own_workers(pool, workers)
    if device not in MODELLED and (workers or 1) > 1:
        raise typer.BadParameter(f"there is one {device} here, for one worker", param_hint="--workers")
    if device == CPU and pool is not None:
        raise typer.BadParameter("schedules for the cpu are measured on this computer", param_hint="--pool")
    if plot is not None:
        require_plot_file(plot)
    config, latency, bytes_per_cycle = options.of_device(context, device, config, latency, bytes_per_cycle)
    machine = Machine(load_config(config), device, latency, bytes_per_cycle, port)
    interrupted = False
    failure: Exception | None = None
    with progress(f"{workload}: reading") as say:
        parts = _parts(workload, machine, dtype, shape, calibration, say)
        if not parts:
            raise typer.BadParameter(f"{workload}: nothing of it has a schedule to search for", param_hint="WORKLOAD")
        if space:
            typer.echo("\n\n".join(f"{part.name}: {part.space.describe()}" for part in parts))
            return
        say("starting workers", 0, 0)
        resources = {device: 1} if pool is None else None
        if pool is None and device not in MODELLED:
            workers = 1
        if pool is None and device in MODELLED:
            check_device(parts[0], say)
        with (
            Records(records or default_path()) as kept,
            open_pool(pool, workers=workers, resources=resources) as devices,
        ):
            if devices.dashboard:
                note(f"dashboard at {devices.dashboard}")
            tuner = Tuner(
                parts,
                kept,
                devices,
                device=device,
                trials=trials or options.TRIALS * len(parts),
                model=model,
                seed=seed,
                timeout=timeout,
            )
            try:
                tuner.run(say)
            except KeyboardInterrupt:
                interrupted = True
            except (DeviceError, RecordsError) as error:
                failure = error
    tuned = tuner.tuned
    _report(workload, tuner, tuned, device, records or default_path(), json, plot)
    if interrupted:
        note("interrupted; what was measured is recorded, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED)
    if failure is not None:
        raise failure
    if tuner.made < tuner.trials:
        note(f"stopped after {tuner.made} of {tuner.trials} trials: nothing better is expected of more")
    raise typer.Exit(RIGHT if all(one.best is not None for one in tuned if one.trials) else WRONG)


def _parts(
    workload: str, machine: Machine, dtype: str, shape: list[str] | None, calibration: Path | None, say: Progress
) -> list[Part]:
    from dovetail.network import is_network, read_network
    from dovetail.tuning.cpu_parts import cpu_layer, cpu_network
    from dovetail.tuning.parts import accelerator_layer, accelerator_network
    from dovetail.workload import parse_workload

    if is_network(workload):
        shapes = options.parse_shapes(shape)
        network = read_network(workload, shapes=shapes, calibration_data=calibration, progress=say)
        return cpu_network(network, say) if machine.device == CPU else accelerator_network(network, machine, say)
    layer = parse_workload(workload)
    return cpu_layer(layer, dtype) if machine.device == CPU else accelerator_layer(layer, machine)


def _report(
    workload: str, tuner: Tuner, tuned: list[Tuned], device: str, records: Path, json: Path | None, plot: Path | None
) -> None:
    from dataclasses import asdict

    from dovetail.tuning.plot import plot_curves

    write_json(
        {
            "workload": workload,
            "device": device,
            "trials": tuner.made,
            "records": str(records),
            "parts": [asdict(one) for one in tuned],
        },
        json,
    )
    if plot is not None:
        plot_curves(tuned, plot)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(_table(tuned))
        console.print(f"{tuner.made} trials on {device}, recorded in {records}")


def _table(tuned: list[Tuned]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("convolution")
    for name in ("times", "schedules", "measured", "failed", "default", "best", "utilization", "faster"):
        table.add_column(name, justify="right")
    for one in tuned:
        table.add_row(
            one.name,
            str(one.weight),
            f"{one.settings:,}",
            f"{one.trials:,}",
            str(one.failed),
            _cost(one.default, one.unit),
            _cost(one.best, one.unit),
            percent(one.array / one.best if one.best and one.array else None),
            NONE if one.gain is None else f"{one.gain - 1:+.1%}",
        )
    return table


def _cost(value: float | None, unit: str) -> str:
    from dovetail.tuning.tune import cost_text

    return NONE if value is None else cost_text(value, unit)
