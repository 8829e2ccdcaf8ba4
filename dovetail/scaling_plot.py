"""The picture of `scaling`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dovetail.plots import save
from dovetail.scaling import ScalingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("tab:green", "tab:blue", "tab:red", "tab:purple", "tab:brown")
"""Of machines, in their order."""
MARKS = ("o", "s", "^", "D")
"""Of memories that are shared, the slowest first."""


def plot_scaling(found: ScalingResult, path: str | Path) -> None:
    """Draw speed over bandwidth, utilization over latency, and speed over the number of accelerators.

    Raises
    ------
    OutputError:
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    figure.suptitle(f"{', '.join(found.points[0].cycles)}, counted by the timing simulator", fontsize=11)
    _speed(left, found)
    _latency(middle, found)
    _accelerators(right, found)
    for axes in (left, middle, right):
        axes.grid(True, which="major", linewidth=0.3)
    save(figure, path)


def _speed(axes: Axes, found: ScalingResult) -> None:
    for colour, (name, points) in zip(COLOURS, found.by_bandwidth.items(), strict=False):
        places = [point.bytes_per_cycle for point in points]
        axes.plot(places, [point.speed for point in points], marker="o", color=colour, label=name)
        peak = points[0].macs_per_cycle
        axes.axhline(peak, color=colour, linewidth=0.8, linestyle="--")
        axes.text(places[0], peak, f"peak of {name}: {peak}", color=colour, fontsize=8, va="bottom")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    _powers(axes)
    _whole(axes, places)
    axes.set_xlabel("memory: bytes a cycle")
    axes.set_ylabel("MAC per cycle")
    axes.set_title(f"Bandwidth, at {found.latency} cycles of latency", fontsize=10)


def _latency(axes: Axes, found: ScalingResult) -> None:
    for colour, (name, points) in zip(COLOURS, found.by_latency.items(), strict=False):
        places = [point.latency_cycles for point in points]
        axes.plot(places, [100 * point.utilization for point in points], marker="o", color=colour, label=name)
    axes.set_xscale("log", base=2)
    _whole(axes, places)
    axes.set_ylim(0, 105)
    axes.set_xlabel("memory: cycles of latency")
    axes.set_ylabel("% of peak")
    axes.set_title(f"Latency, at {found.bytes_per_cycle} bytes a cycle", fontsize=10)
    axes.legend(loc="lower left", fontsize=9)


def _accelerators(axes: Axes, found: ScalingResult) -> None:
    most = max(one.accelerators for one in found.sharing)
    memories = sorted({one.bytes_per_cycle for one in found.sharing if one.accelerators == most})
    for colour, name in zip(COLOURS, found.by_bandwidth, strict=False):
        for mark, memory in zip(MARKS, memories, strict=False):
            chosen = [one for one in found.sharing if (one.each.config, one.bytes_per_cycle) == (name, memory)]
            counts = [one.accelerators for one in chosen]
            style = "-" if memory == memories[-1] else ":"
            label = f"{name}, {memory} bytes a cycle"
            axes.plot(counts, [one.speed for one in chosen], style, marker=mark, color=colour, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    _powers(axes)
    _whole(axes, sorted({one.accelerators for one in found.sharing}))
    axes.set_xlabel("accelerators that share the memory")
    axes.set_ylabel("MAC per cycle, all together")
    axes.set_title("Accelerators, each with an equal share of the memory", fontsize=10)
    axes.legend(loc="lower right", fontsize=7)


def _whole(axes: Axes, places: list[int]) -> None:
    """Ticks at these places, as numbers."""
    axes.set_xticks(places, [str(place) for place in places])
    axes.minorticks_off()


def _powers(axes: Axes) -> None:
    """Numbers instead of powers along the vertical."""
    axes.yaxis.set_major_formatter("{x:.0f}")
