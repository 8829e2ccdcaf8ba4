"""Pictures of results."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dovetail.files import OutputError, write_atomically
from dovetail.fusion import FusionResult
from dovetail.layers import LayersResult
from dovetail.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOCUMENT_WITH, DOCUMENT_WITHOUT = 0.88, 0.70
"""Shares of peak compute that VDLA reached with and without latency hiding (TVM, OSDI 2018, figure 21)."""


def require_plot_file(path: str | Path) -> None:
    """Raise `OutputError` unless `path` ends as a picture's name does and matplotlib is there to draw it."""
    if Path(path).suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OutputError(f"{path}: a plot's name ends in .png, .svg or .pdf")
    try:
        import matplotlib  # noqa: F401  (what it needs is looked for before long work, not after)
    except ImportError:
        raise OutputError(f"{path}: plots need matplotlib: pip install 'dovetail[bench]'") from None


def plot_roofline(found: LayersResult, path: str | Path) -> None:
    """Draw each layer's products a cycle over its products a byte of its tensors, under the roofline of the machine.

    Filled marks are with latency hiding, hollow ones without.

    Raises
    ------
    OutputError:
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    peak, bytes_per_cycle = found.config.macs_per_cycle, found.bytes_per_cycle
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    intensities = [result.macs / result.tensor_bytes for result in found.layers]
    low, high = min([*intensities, peak / bytes_per_cycle]) / 2, max(intensities) * 2
    corner = peak / bytes_per_cycle
    axes.plot([low, corner, high], [low * bytes_per_cycle, peak, peak], color="black", linewidth=1.5)
    axes.text(corner, peak, f"peak: {peak} MAC/cycle", ha="left", va="bottom", fontsize=9)
    axes.text(low, low * bytes_per_cycle, f"  {bytes_per_cycle} bytes/cycle", ha="left", va="top", fontsize=9)
    for share, label in ((DOCUMENT_WITH, "with"), (DOCUMENT_WITHOUT, "without")):
        axes.axhline(share * peak, color="tab:orange", linewidth=0.8, linestyle="--")
        text = f"VDLA (OSDI'18) {label} latency hiding: {share:.0%} "
        axes.text(high, share * peak, text, color="tab:orange", fontsize=8, ha="right", va="top")
    _marks(axes, found.without_latency_hiding, filled=False)
    _marks(axes, found.layers, filled=True)
    axes.set_xscale("log", base=2)
    axes.set_xlim(low, high)
    axes.set_ylim(0, peak * 1.1)
    axes.set_xlabel("MAC per byte of the layer's tensors")
    axes.set_ylabel("MAC per cycle")
    axes.set_title(_title(found), fontsize=10)
    axes.grid(True, which="major", linewidth=0.3)
    axes.legend(loc="lower right", fontsize=9)
    save(figure, path)


def plot_fusion(found: FusionResult, path: str | Path) -> None:
    """Draw what a network costs fused and unfused, next to each other; unfused is 1.

    Raises
    ------
    OutputError:
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    one, other = found.fused, found.unfused
    rows = [("DRAM bytes", one.dram_bytes, other.dram_bytes), ("CPU time", one.cpu_seconds, other.cpu_seconds)]
    if one.cycles and other.cycles:
        rows.insert(0, ("cycles", one.cycles, other.cycles))
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for place, (_, fused, unfused) in enumerate(rows):
        axes.bar(place - 0.2, 1, 0.4, color="tab:gray", label="unfused" if not place else None)
        axes.bar(place + 0.2, fused / unfused, 0.4, color="tab:blue", label="fused" if not place else None)
        axes.text(place + 0.2, fused / unfused, f"1/{unfused / fused:.2f}", ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylabel("relative to unfused")
    axes.set_ylim(0, 1.3)
    axes.legend(loc="upper right", ncols=2, fontsize=9)
    axes.set_title(f"{found.workload}, {found.config} on {found.device}", fontsize=10)
    save(figure, path)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the name's ending. Raises `OutputError` when the file cannot be written."""
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix[1:], dpi=150)
    write_atomically(path, picture.getvalue())


def _marks(axes: Axes, results: Sequence[Result], *, filled: bool) -> None:
    points = [(one.macs / one.tensor_bytes, one.macs / one.cycles, one.workload) for one in results if one.cycles]
    if not points:
        return
    horizontal, vertical, _ = zip(*points, strict=True)
    label = "with latency hiding" if filled else "without"
    face = "tab:blue" if filled else "none"
    axes.scatter(horizontal, vertical, s=36, label=label, zorder=3, facecolors=face, edgecolors="tab:blue")
    for place, (x, y, name) in enumerate(sorted(points if filled else ())):
        below = -12 - 9 * (place % 2)  # neighbours are near each other, and all are near the peak
        axes.annotate(name, (x, y), xytext=(0, below), textcoords="offset points", ha="center", fontsize=8)


def _title(found: LayersResult) -> str:
    first = found.layers[0]
    memory = f"{first.memory.latency_cycles} cycles of latency, {first.memory.bytes_per_cycle} bytes a cycle"
    text = f"{first.config} on {first.device}, {memory}"
    total, without = found.total, found.total_without
    if total.utilization is not None:
        text += f"\nC2 to C12: {total.utilization:.1%} of peak"
        if without is not None and without.utilization is not None:
            text += f", {without.utilization:.1%} without latency hiding"
    return text
