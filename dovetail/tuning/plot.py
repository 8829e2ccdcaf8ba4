"""Pictures of searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dovetail.plots import save

from .bench import ESTIMATE, TAUGHT
from .curves import CLOSE, TunerResult
from .tune import Tuned

COLUMNS = 4
COLORS = {
    "xgboost": "tab:blue",
    TAUGHT: "tab:purple",
    ESTIMATE: "tab:orange",
    "genetic": "tab:green",
    "random": "tab:gray",
}


def plot_curves(tuned: Sequence[Tuned], path: Path) -> None:
    """Draw how fast the best schedule so far is over the trials, a line a convolution; dots are single trials.

    On an accelerator this is its utilization; elsewhere the speed over that of the untuned schedule.

    Raises
    ------
    OutputError:
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for one in tuned:
        unit = one.array or one.default or 1.0
        best, single = (
            [(trial, unit / cost) for trial, cost in enumerate(costs, start=1) if cost is not None]
            for costs in (one.curve, one.costs)
        )
        if best:
            (line,) = axes.step(*zip(*best, strict=True), where="post", label=one.name, linewidth=1.2)
            places, speeds = zip(*single, strict=True)
            axes.scatter(places, speeds, s=5, color=line.get_color(), alpha=0.4, linewidths=0)
    bounded = any(one.array for one in tuned)
    axes.set_ylabel("utilization of the best so far" if bounded else "speed over the untuned schedule")
    axes.set_ylim(0)
    axes.set_xlabel("schedules measured")
    axes.grid(True, linewidth=0.3)
    axes.legend(loc="lower right", fontsize=8, ncols=2)
    save(figure, path)


def plot_tuner(found: TunerResult, path: Path) -> None:
    """Draw for each layer the median over seeds of the best so far, over the best known, a line a model.

    Raises
    ------
    OutputError:
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    rows = -(-(len(found.layers) + 1) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 2.5 * rows), layout="constrained")
    grid = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    handles: dict[str, Any] = {}
    for axes, layer in zip(grid, found.layers, strict=False):
        for model, color in COLORS.items():
            if model not in layer.curves:
                continue
            ratios = [(trial, layer.ratio(model, trial)) for trial in range(1, found.trials + 1)]
            points = [(trial, ratio) for trial, ratio in ratios if ratio is not None]
            if points:
                (handles[model],) = axes.step(*zip(*points, strict=True), where="post", color=color, linewidth=1.2)
        axes.axhline(CLOSE, color="black", linewidth=0.6, linestyle="--")
        axes.set_title(f"{layer.name}, of {layer.settings:,} schedules", fontsize=9)
        axes.set_ylim(0.99, 1.6)
        axes.set_xlim(1, found.trials)
        axes.grid(True, linewidth=0.3)
        axes.tick_params(labelsize=8)
    for axes in grid[len(found.layers) :]:
        axes.set_axis_off()
    figure.legend(handles.values(), handles.keys(), loc="lower right", fontsize=10)
    figure.supxlabel("schedules measured", fontsize=10)
    figure.supylabel(f"cycles of the best so far over the best known, median of {found.seeds} seeds", fontsize=10)
    save(figure, path)
