"""``dovetail bench cpu-tuning``: what tuning brings to the layers of ResNet-18 on this machine's CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json

if TYPE_CHECKING:
    from dovetail.tuning.cpu_bench import CpuGain


def cpu_tuning(
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="Which, with commas between; C2 to C12 by default.", metavar="C2,C5,..."),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Schedules to measure for each layer.", metavar="N")
    ] = options.TRIALS,
    seed: options.Seed = 0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Tune C2 to C12 for this CPU in float32, and compare their speed with that of schedules that are not tuned."""
    from dovetail.tuning.cpu_bench import LAYERS, measure_cpu_tuning

    names = LAYERS if layers is None else tuple(name.strip() for name in layers.split(","))
    check_outputs(json)
    with progress("tuning") as say:
        found = measure_cpu_tuning(names, trials=trials, seed=seed, progress=say)
    write_json(found.as_dict(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(_table(found))
        console.print(
            "\nmedians, in milliseconds of the processor, one thread; the speed of tuned over"
            "\nnaive: the convolution as an untuned loop nest, a loop for each axis"
            "\nuntuned: the template with knobs that do not look at the shape"
            "\nrule: what the compiler takes where nothing is tuned, which is the default of `dovetail tune`"
        )
    raise typer.Exit(RIGHT if found.right else WRONG)


def _table(found: CpuGain) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in ("naive", "untuned", "rule", "tuned", "over naive", "over untuned", "over rule", "trials", "right"):
        table.add_column(name, justify="right")
    for layer in found.layers:
        times = (f"{value:.3f}" for value in (layer.naive, layer.untuned, layer.rule, layer.tuned))
        ratios = (f"{value:.2f}x" for value in (layer.over_naive, layer.over_untuned, layer.over_rule))
        tried = f"{layer.trials} of {layer.settings}"
        table.add_row(layer.workload, *times, *ratios, tried, "yes" if layer.right else "NO")
    table.add_section()
    means = (f"{value:.2f}x" for value in found.total.values())
    table.add_row("mean", "", "", "", "", *means, "", "")
    return table
