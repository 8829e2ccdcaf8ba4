"""``dovetail bench cpu``: the layers of ResNet-18 on this machine's CPU, beside ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .table import percent

if TYPE_CHECKING:
    from dovetail.cpu_bench import CpuSpeed


def cpu(
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Which, with commas between; C2 to C12 by default.", metavar="C2,C5,..."),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Compile C2 to C12 for this CPU in float32 and int8, check them, and compare their speed with ONNX Runtime's."""
    from dovetail.cpu_bench import LAYERS, check_layers, measure_cpu
    from dovetail.onnx_conv import require_packages

    names = list(LAYERS) if layers is None else [name.strip() for name in layers.split(",")]
    check_outputs(json)
    check_layers(names)
    require_packages()
    with progress("compiling") as say:
        found = measure_cpu(names, seed=seed, progress=say)
    write_json(found.as_dict(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(_table(found))
        console.print(
            "\nmedians, in milliseconds; speed over ONNX Runtime's in one thread, and of two threads over one"
        )
    raise typer.Exit(RIGHT if found.right else WRONG)


def _table(found: CpuSpeed) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for dtype in ("float32", "int8"):
        for name in (dtype, "ONNX Runtime", "speed", "2 threads", "right"):
            table.add_column(name, justify="right")
    for layer in found.layers:
        cells = [layer.workload]
        for speed in (layer.float32, layer.int8):
            cells += [
                f"{speed.milliseconds:.3f}",
                f"{speed.onnxruntime_milliseconds:.3f}",
                percent(speed.ratio),
                f"{speed.threads2_ratio:.2f}x",
                "yes" if speed.right else f"NO, off by up to {speed.max_error:.3g}",
            ]
        table.add_row(*cells)
    total = found.total
    table.add_section()
    ratios = percent(total["float32_ratio"]), percent(total["int8_ratio"])
    table.add_row("mean", "", "", ratios[0], f"{total['threads2_ratio']:.2f}x", "", "", "", ratios[1])
    return table
