"""``dovetail bench tuner``: how few trials each model needs to find the best schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json
from .table import NONE, percent

if TYPE_CHECKING:
    from dovetail.tuning.compare import TunerResult

MAX_CANDIDATES = 10**6
MAX_SEEDS = 100
RECORDS = "bench-tuner.sqlite"
"""In the cache; the compiler does not look there."""


def tuner(
    layers: Annotated[
        str, typer.Option("--layers", help="With commas between; C2 to C12 by default.", metavar="C2,C3,...")
    ] = "",
    trials: Annotated[
        int,
        typer.Option("--trials", parser=options.number(int, 1, 10**4), help="Of each search.", metavar="N"),
    ] = options.TRIALS,
    seeds: Annotated[
        int,
        typer.Option("--seeds", parser=options.number(int, 1, MAX_SEEDS), help="Searches of a model.", metavar="N"),
    ] = 5,
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates",
            parser=options.number(int, 1, MAX_CANDIDATES),
            help="Schedules to measure of each layer, for the best known.",
            metavar="N",
        ),
    ] = 2000,
    config: options.Config = "default",
    latency: options.Latency = options.LATENCY,
    bytes_per_cycle: options.Bandwidth = options.BYTES_PER_CYCLE,
    pool: options.Pool = None,
    workers: options.Workers = None,
    records: Annotated[
        Path | None,
        typer.Option("--records", help="Where measurements are kept; by default in the cache.", metavar="FILE"),
    ] = None,
    no_confirm: Annotated[bool, typer.Option("--no-confirm", help="Leave out the runs on the RTL.")] = False,
    json: options.Json = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the searches here: .png, .svg or .pdf.")] = None,
    verbose: options.Verbose = False,
) -> None:
    """Search with XGBoost, genetically and at random, for several seeds; each schedule is measured once.

    Whatever is recorded is not measured again, so that a benchmark that was broken off goes on.
    """
    from dovetail.compiler.tune.records import Records
    from dovetail.isa.cache import cache_dir
    from dovetail.isa.config import load_config
    from dovetail.plots import require_plot_file
    from dovetail.runtime.pool import open_pool
    from dovetail.tuning.accelerator_trial import Machine
    from dovetail.tuning.bench import Bench
    from dovetail.tuning.compare import LAYERS, measure_tuner
    from dovetail.tuning.plot import plot_tuner

    check_outputs(json, plot)
    options.require_own_workers(pool, workers)
    if plot is not None:
        require_plot_file(plot)
    names = tuple(layers.split(",")) if layers else LAYERS
    unknown = [name for name in names if name not in LAYERS]
    if unknown:
        raise typer.BadParameter(f"no layer {unknown[0]!r}; use C2 to C12, with commas between", param_hint="--layers")
    machine = Machine(load_config(config), "timing", latency, bytes_per_cycle)
    with (
        progress("starting workers") as say,
        Records(records or cache_dir() / RECORDS) as kept,
        open_pool(pool, workers=workers) as devices,
    ):
        bench = Bench(kept, devices, device=machine.device, timeout=options.TRIAL_SECONDS)
        found = measure_tuner(
            machine,
            bench,
            layers=names,
            trials=trials,
            seeds=seeds,
            candidates=candidates,
            confirm=not no_confirm,
            progress=say,
        )
    write_json(found.as_dict(), json)
    if plot is not None:
        plot_tuner(found, plot)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(_table(found))
        slowest = max(one.prediction_ms for one in found.layers)
        console.print(f"\na prediction takes {slowest:.3f} ms at most, features included")
    raise typer.Exit(RIGHT if no_confirm or all(one.rtl == one.known for one in found.layers) else WRONG)


def _table(found: TunerResult) -> Table:
    models = list(dict.fromkeys(model for layer in found.layers for model in layer.curves))
    mark = found.trials
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in ("schedules", "measured", "default", "best known", "on RTL", "utilization"):
        table.add_column(name, justify="right")
    for model in models:
        table.add_column(f"{model}: after {mark}", justify="right")
        table.add_column("trials to 2%", justify="right")
    for one in found.layers:
        cells = [f"{one.settings:,}", f"{one.candidates:,}", NONE if one.default is None else f"{one.default:,.0f}"]
        cells += [f"{one.known:,.0f}"]
        cells += [NONE if one.rtl is None else f"{one.rtl:,.0f}", percent(one.array / one.known)]
        for model in models:
            ratio, needed = (one.ratio(model, mark), one.trials_needed(model)) if model in one.curves else (None, None)
            cells += [NONE if ratio is None else f"{ratio:.3f}", NONE if needed is None else f"{needed:.0f}"]
        table.add_row(one.name, *cells)
    return table
