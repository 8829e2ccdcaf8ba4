"""``dovetail compile``: a model becomes a module in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .output import STANDARD_OUTPUT, check_outputs, write_json

TARGETS = ("vdla", "cpu")


def compile_(
    model: Annotated[
        str,
        typer.Argument(
            help="A network's name (resnet18, ...), or a file: .onnx or .keras.", metavar="MODEL", show_default=False
        ),
    ],
    file: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the module: FILE.dovetail.", metavar="FILE")
    ] = None,
    target: Annotated[str, typer.Option("--target", help="vdla or cpu.", metavar="vdla|cpu")] = "vdla",
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    threads: options.Threads = 1,
    shape: options.Shapes = None,
    calibration: options.Calibration = None,
    stage: Annotated[
        str | None,
        typer.Option("--print", help="Instead of compiling, show the graph after a pass.", metavar="PASS"),
    ] = None,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Compile a model to one file that runs without the compiler."""
    from dovetail.network import compile_network, show_pass

    if target not in TARGETS:
        raise typer.BadParameter(f"no target {target!r}; use {' or '.join(TARGETS)}", param_hint="--target")
    if file is None and stage is None:
        raise typer.BadParameter("missing: where to write the module, -o FILE", param_hint="--output")
    check_outputs(file, json)
    shapes = options.parse_shapes(shape)
    with progress(f"reading {model}") as say:
        if stage is not None:
            typer.echo(show_pass(model, stage, shapes=shapes, calibration_data=calibration, progress=say))
            return
        assert file is not None
        summary = compile_network(
            model,
            file,
            machine=None if target == "cpu" else config,
            latency=latency,
            bytes_per_cycle=bytes_per_cycle,
            threads=threads,
            shapes=shapes,
            calibration_data=calibration,
            progress=say,
        )
    write_json(summary, json)
    if json != STANDARD_OUTPUT:
        table = Table(box=None, pad_edge=False, show_header=False)
        for key, value in summary.items():
            table.add_row(key.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        output().print(table)
