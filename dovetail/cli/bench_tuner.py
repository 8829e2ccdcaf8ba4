"""``dovetail bench tuner``: how few trials each model needs to find the best schedules."""

from __future__ import annotations

from collections.abc import Sequence
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
    from dovetail.tuning.curves import Cycles, LayerCurves, TunerResult

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
    """Search with XGBoost, by the analytical estimate alone, genetically and at random, for several seeds.

    Each schedule is measured once.

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
    from dovetail.tuning.curves import CLOSE
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
        console.print(_schedules(found, confirmed=not no_confirm))
        console.print()
        console.print(_searches(found))
        slowest = max(one.prediction_ms for one in found.layers)
        where = "in simulation" if no_confirm else "on the RTL"
        console.print(f"\ncycles are those {where}; searched is the worst that {found.models[0]} found with any seed,")
        console.print("tuned the better of that and untuned, as in `dovetail tune`")
        console.print(
            f"of a model: trials until it was within {CLOSE - 1:.0%} of the best known, and what it had after"
        )
        console.print(f"{found.trials}, over the best known; medians of {found.seeds} seeds")
        console.print(f"a prediction takes {slowest:.3f} ms at most, features included")
    same = all(one.rtl == one.measured for layer in found.layers for one in layer.schedules)
    raise typer.Exit(RIGHT if no_confirm or same else WRONG)


def _schedules(found: TunerResult, *, confirmed: bool) -> Table:
    """What schedules take."""
    table = _empty(("schedules", "measured", "untuned", "searched", "tuned", "best known", "utilization"))
    for one, cells in zip(found.layers, schedule_cells(found, confirmed=confirmed), strict=False):
        table.add_row(one.name, f"{one.settings:,}", f"{one.candidates:,}", *cells)
    if len(found.layers) > 1:
        table.add_row("all", "", "", *schedule_cells(found, confirmed=confirmed)[-1])
    return table


def _searches(found: TunerResult) -> Table:
    """What models found, and how soon."""
    table = _empty(found.models)
    for one, cells in zip(found.layers, search_cells(found, found.models), strict=False):
        table.add_row(one.name, *cells)
    if len(found.layers) > 1:
        table.add_row("all", *search_cells(found, found.models)[-1])
    return table


def schedule_cells(found: TunerResult, *, confirmed: bool) -> list[list[str]]:
    """For each layer, and last for all, cycles untuned, searched, tuned and best known, and utilization."""
    rows = [_cells(one.array, [_cost(cycles, confirmed=confirmed) for cycles in _columns(one)]) for one in found.layers]
    return [*rows, _cells(sum(one.array for one in found.layers), _totals(found, confirmed=confirmed))]


def search_cells(found: TunerResult, models: Sequence[str]) -> list[list[str]]:
    """For each layer, and last for all, what each model found, and before that how soon."""
    rows = [[_search(one, model, found.trials) for model in models] for one in found.layers]
    return [*rows, [_ratio(found.mean_ratio(model, found.trials)) for model in models]]


def _empty(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _columns(one: LayerCurves) -> tuple[Cycles | None, ...]:
    return one.untuned, one.searched, one.tuned, one.known


def _cost(cycles: Cycles | None, *, confirmed: bool) -> float | None:
    return None if cycles is None else cycles.rtl if confirmed else cycles.measured


def _totals(found: TunerResult, *, confirmed: bool) -> list[float | None]:
    """Cycles of all layers together, a sum for each of `_columns`."""
    totals: list[float | None] = []
    for cycles in zip(*map(_columns, found.layers), strict=True):
        costs = [_cost(one, confirmed=confirmed) for one in cycles]
        known = [cost for cost in costs if cost is not None]
        totals.append(sum(known) if len(known) == len(costs) else None)
    return totals


def _cells(array: float, costs: Sequence[float | None]) -> list[str]:
    """Cycles, and how far untuned and tuned schedules keep the array busy."""
    untuned, _, tuned, _ = costs
    used = [NONE if cost is None else percent(array / cost) for cost in (untuned, tuned)]
    return [NONE if cost is None else f"{cost:,.0f}" for cost in costs] + [" to ".join(used)]


def _search(one: LayerCurves, model: str, trials: int) -> str:
    """Trials until it was close, and what it had in the end."""
    if model not in one.curves:
        return ""
    needed = one.trials_needed(model)
    return f"{NONE if needed is None else format(needed, '.0f')}, {_ratio(one.ratio(model, trials))}"


def _ratio(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.3f}"
