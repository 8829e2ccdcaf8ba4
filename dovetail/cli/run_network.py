"""``dovetail run`` of a network: a table by layer, and what it agrees with."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from dovetail.network_result import Agreement, LayerResult, NetworkResult

from .console import output
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, write_json
from .table import NONE, percent, time_table

NAME_WIDTH = 40
MEGABYTE = 10**6


def show(result: NetworkResult, json: Path | None) -> int:
    """Write the JSON, print the tables, and give the exit code."""
    write_json(result.as_dict(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        console.print(layers_table(result))
        console.print()
        console.print(summary_table(result))
        times = time_table(result)
        if times is not None:
            console.print()
            console.print(times)
    return RIGHT if result.exact else WRONG


def layers_table(result: NetworkResult) -> Table:
    """A row an operator."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "operator", "where"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for name in ("MACs", "cycles", "utilization", "MB read", "MB written"):
        table.add_column(name, justify="right")
    table.add_column("why on the CPU", overflow="fold")
    for layer in result.layers:
        table.add_row(*_row(layer))
    table.add_section()
    table.add_row(
        "all",
        "",
        f"{sum(layer.device == 'accelerator' for layer in result.layers)} of {len(result.layers)}",
        f"{result.macs:,}",
        _count(result.cycles),
        percent(result.utilization),
        _megabytes(result.dram_read_bytes),
        _megabytes(result.dram_write_bytes),
    )
    return table


def _row(layer: LayerResult) -> tuple[str, ...]:
    return (
        (" + ".join(layer.origin) or layer.name)[:NAME_WIDTH],
        layer.op,
        layer.device,
        f"{layer.macs:,}" if layer.macs else NONE,
        _count(layer.cycles),
        percent(layer.utilization),
        _megabytes(layer.dram_read_bytes),
        _megabytes(layer.dram_write_bytes),
        layer.reason,
    )


def summary_table(result: NetworkResult) -> Table:
    """What holds for the network as a whole."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    share = 100 * result.accelerated_macs / result.macs if result.macs else 0.0
    table.add_row("MACs on the accelerator", f"{share:.1f}%, started {result.launches} times" if share else "none")
    table.add_row("equal to NumPy", "yes" if result.exact else f"NO, off by up to {result.max_abs_error:.4g}")
    table.add_row("next to ONNX Runtime", _agreement(result.onnxruntime))
    table.add_row("seconds", f"{result.compile_seconds:.1f} to compile, {result.run_seconds:.2f} to run")
    return table


def _agreement(found: Agreement | None) -> str:
    if found is None:
        return "not compared: the model has no int8 tensors"
    if not found.max_steps:
        return f"all {found.tensors} int8 tensors are equal"
    return (
        f"{found.tensors} int8 tensors, at most {found.max_steps} step off ({found.worst}), "
        f"in at most {100 * found.fraction:.2g}% of a tensor's elements"
    )


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _megabytes(value: int | None) -> str:
    return NONE if value is None else f"{value / MEGABYTE:.2f}"
