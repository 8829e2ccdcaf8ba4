"""``dovetail compile``: a model becomes a module in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dovetail.files import MODULE_SUFFIX

from . import options
from .console import output, progress
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .run_network import note_cpu_only
from .schedules import recorded_schedules

if TYPE_CHECKING:
    from dovetail.network_compile import Compiled

VDLA, CPU = "vdla", "cpu"
TARGETS = (VDLA, CPU)
MEGABYTE = 10**6


def compile_(
    model: Annotated[
        str,
        typer.Argument(
            help="A network's name (resnet18, ...), or a file: .onnx or .keras.", metavar="MODEL", show_default=False
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Where to write the module: FILE{MODULE_SUFFIX}.", metavar="FILE"),
    ] = None,
    target: Annotated[str, typer.Option("--target", help="vdla or cpu.", metavar="vdla|cpu")] = VDLA,
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    threads: options.Threads = 1,
    seed: options.Seed = 0,
    shape: options.Shapes = None,
    calibration: options.Calibration = None,
    stage: Annotated[
        str | None,
        typer.Option("--print", help="Instead of compiling, show the graph after a pass.", metavar="PASS"),
    ] = None,
    json: options.Json = None,
    untuned: options.Untuned = False,
    verbose: options.Verbose = False,
) -> None:
    """Compile a model to one file that runs without the compiler."""
    from dovetail.network import is_network, read_network, show_pass

    if target not in TARGETS:
        raise typer.BadParameter(f"no target {target!r}; use {' or '.join(TARGETS)}", param_hint="--target")
    if not is_network(model):
        from dovetail.networks import NETWORKS

        raise typer.BadParameter(
            f"no model {model!r}; use {', '.join(NETWORKS)}, or a file named *.onnx or *.keras", param_hint="MODEL"
        )
    shapes = options.parse_shapes(shape)
    if stage is not None:
        with progress(f"reading {model}") as say:
            text = show_pass(model, stage, config=config, shapes=shapes, calibration_data=calibration, progress=say)
        typer.echo(text)
        return
    if file is None:
        raise typer.BadParameter("missing: where to write the module, -o FILE", param_hint="--output")
    path = _module_path(file)
    check_outputs(path, json)
    from dovetail.network_compile import compile_network
    from dovetail.network_job import target_of

    with recorded_schedules(untuned), progress(f"reading {model}") as say:
        built_for = target_of(
            CPU if target == CPU else "fsim",
            config,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            threads=threads,
        )
        network = read_network(model, shapes=shapes, calibration_data=calibration, progress=say)
        found = compile_network(network, path, built_for, config_name=config, seed=seed, progress=say)
    if target != CPU and found.config is None:
        note_cpu_only(model, network.is_quantised)
    write_json(found.as_dict(), json)
    if json != STANDARD_OUTPUT:
        output().print(_table(found))


def _module_path(file: Path) -> Path:
    """`file` with the suffix that modules have."""
    if file.suffix == MODULE_SUFFIX or (os.path.exists(file) and not os.path.isfile(file)):
        return file
    if file.suffix or not file.name:
        raise typer.BadParameter(f"{file}: a module's name ends in {MODULE_SUFFIX}", param_hint="--output")
    return file.with_name(file.name + MODULE_SUFFIX)


def _table(found: Compiled) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    share = 100 * found.accelerated_macs / found.macs if found.macs else 0.0
    table.add_row("module", f"{found.module}, {_megabytes(found.file_bytes)}")
    table.add_row("machine", "CPU" if found.config is None else f"{found.config}, {found.fingerprint}")
    table.add_row("layers on the accelerator", f"{found.layers_on_accelerator} of {found.layers}")
    table.add_row("MACs on the accelerator", f"{share:.1f}% of {found.macs:,}")
    table.add_row("weights", _megabytes(found.weight_bytes))
    table.add_row("instructions", f"{found.instructions:,}")
    table.add_row("memory", f"{_megabytes(found.dram_bytes)} of DRAM, {_megabytes(found.host_bytes)} of the host's")
    checked = "with NumPy's results" if found.checked else "with nothing: floats are rounded differently elsewhere"
    table.add_row("dovetail run compares", checked)
    table.add_row("seconds", f"{found.seconds:.1f}")
    return table


def _megabytes(value: int) -> str:
    return f"{value / MEGABYTE:.2f} MB" if value >= MEGABYTE // 10 else f"{value:,} bytes"
