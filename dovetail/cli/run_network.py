"""``dovetail run`` of networks and compiled modules: a table by layer, and what it agrees with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from dovetail.network_result import ACCELERATOR, Agreement, LayerResult, NetworkResult

from . import options
from .console import note, output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, write_json
from .table import NONE, percent, time_table

MEGABYTE = 10**6
MILLION = 10**6
LEAST_NAME = 12
"""Characters of a layer's name that stay in a narrow terminal."""
WHERE = {ACCELERATOR: "accel"}
HELPERS = ("_QuantizeLinear", "_DequantizeLinear")
"""What ends the names of nodes that a quantiser puts between those of the model."""
OUTPUT = "_Output"
"""What ends the names of values that these give."""


def run_network(
    workload: str,
    device: str,
    *,
    config: str,
    latency: int,
    bytes_per_cycle: int,
    threads: int,
    shapes: Mapping[str, tuple[int, ...]],
    calibration: Path | None,
    seed: int,
    inputs: Path | None,
    outputs: Path | None,
    json: Path | None,
    **files: Any,
) -> int:
    """Compile a network, run it and show the result; the exit code. `files` go to `network_job.run_network`."""
    from dovetail import network_job
    from dovetail.arrays import read_inputs
    from dovetail.network import read_network

    target = network_job.target_of(device, config, latency=latency, bytes_per_cycle=bytes_per_cycle, threads=threads)
    with progress(f"{workload}: reading") as say:
        network = read_network(workload, shapes=shapes, calibration_data=calibration, progress=say)
        data = None if inputs is None else read_inputs(inputs, network.tensors)
        job = network_job.prepare_network(network, target, config_name=config, inputs=data, seed=seed, progress=say)
        result = network_job.run_network(job, device, outputs=outputs, progress=say, **files)
    if device != result.device:
        note_cpu_only(workload, network.is_quantised)
    return show(result, json)


def run_module(path: Path, device: str | None, *, json: Path | None, **settings: Any) -> int:
    """Run a compiled module and show the result; the exit code. `settings` go to `module_job.run_module`."""
    from dovetail import module_job

    with progress(f"loading {path}") as say:
        result = module_job.run_module(path, device, progress=say, **settings)
    return show(result, json)


def note_cpu_only(workload: str, quantised: bool) -> None:
    """Say why the accelerator has nothing to do, and what would change that."""
    if quantised:
        note(f"{workload}: none of its operators suits the accelerator, so it runs on the CPU")
    else:
        note(
            f"{workload}: it is not quantised, so it runs on the CPU; for the accelerator quantise it with "
            f"{options.CALIBRATION} FILE.npz: samples of each input by its name, along the first axis"
        )


def show(result: NetworkResult, json: Path | None) -> int:
    """Write the JSON, print the tables, and give the exit code."""
    write_json(result.as_dict(), json)
    if json != STANDARD_OUTPUT:
        console = output()
        reasons = numbered_reasons(result)
        console.print(layers_table(result, reasons, console.width))
        for reason, number in reasons.items() if result.launches else ():
            console.print(f"[{number}] {reason}", markup=False)
        console.print()
        console.print(summary_table(result))
        times = time_table(result)
        if times is not None:
            console.print()
            console.print(times)
    return WRONG if result.exact is False else RIGHT


def numbered_reasons(result: NetworkResult) -> dict[str, int]:
    """Why operators are on the CPU, in the order in which the table refers to them."""
    reasons = dict.fromkeys(layer.reason for layer in result.layers if layer.reason)
    return {reason: number for number, reason in enumerate(reasons, 1)}


def layers_table(result: NetworkResult, reasons: Mapping[str, int], width: int) -> Table:
    """A row an operator, in lines of at most `width` characters; columns that the device has nothing for are left out.

    Parameters
    ----------
    reasons:
        Numbers that the column "where" refers to.
    """
    rows = [_row(layer, reasons) for layer in result.layers]
    rows.append(_total(result))
    columns = [name for name in rows[0] if any(row[name] not in ("", NONE) for row in rows)]
    unwanted = {"where"} if not result.launches else {"ms"} if result.cycles else set()
    columns = [name for name in columns if name not in unwanted]
    numbers = [max(len(text) for row in rows for text in (*name.split("\n"), row[name])) for name in columns[1:]]
    longest = max(len(row["layer"]) for row in rows)
    gap = 2 if longest + sum(numbers) + 2 * len(numbers) <= width else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    room = max(LEAST_NAME, width - sum(numbers) - gap * len(numbers))
    table.add_column("layer", no_wrap=True, vertical="bottom")
    for name in columns[1:]:
        left = name in ("operator", "where")
        table.add_column(name, justify="left" if left else "right", no_wrap=True, vertical="bottom")
    for row in rows:
        row["layer"] = shortened(row["layer"], room)
    for row in rows:
        table.add_row(*(Text(row[name]) for name in columns), style="bold" if row is rows[-1] else None)
    return table


def _row(layer: LayerResult, reasons: Mapping[str, int]) -> dict[str, str]:
    where = WHERE.get(layer.device, layer.device)
    return {
        "layer": layer_label(layer),
        "operator": layer.op,
        "where": f"{where} [{reasons[layer.reason]}]" if layer.reason else where,
        "MACs": _millions(layer.macs),
        "cycles": _count(layer.cycles),
        "utili-\nzation": percent(layer.utilization),
        "MB\nread": _megabytes(layer.dram_read_bytes),
        "MB\nwritten": _megabytes(layer.dram_write_bytes),
        "ms": NONE if layer.seconds is None else f"{1000 * layer.seconds:.3f}",
    }


def _total(result: NetworkResult) -> dict[str, str]:
    there = sum(layer.device == ACCELERATOR for layer in result.layers)
    return {
        "layer": "all",
        "operator": f"{len(result.layers)}",
        "where": f"{there} {WHERE[ACCELERATOR]}",
        "MACs": _millions(result.macs),
        "cycles": _count(result.cycles),
        "utili-\nzation": percent(result.utilization),
        "MB\nread": _megabytes(result.dram_read_bytes),
        "MB\nwritten": _megabytes(result.dram_write_bytes),
        "ms": f"{1000 * sum(layer.seconds or 0.0 for layer in result.layers):.3f}",
    }


def layer_label(layer: LayerResult) -> str:
    """The model's nodes that a layer came from, those of the quantiser only where there are no others.

    What names have in common with the first, up to a dot or slash, is there once.
    """
    own = [name for name in layer.origin if not name.endswith(HELPERS)]
    first, *others = own or layer.origin or (layer.name.replace(HELPERS[0] + OUTPUT, ""),)
    common = first[: max(first.rfind("."), first.rfind("/")) + 1]
    return _printable(" + ".join([first, *(name.removeprefix(common) for name in others)]))


def shortened(text: str, width: int) -> str:
    """`text` in `width` characters, without its middle: names begin alike."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return text[:head] + "\N{HORIZONTAL ELLIPSIS}" + text[head + 1 - width :]


def summary_table(result: NetworkResult) -> Table:
    """What holds for the network as a whole."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    share = 100 * result.accelerated_macs / result.macs if result.macs else 0.0
    times = "once" if result.launches == 1 else f"{result.launches} times"
    table.add_row("MACs on the accelerator", f"{share:.1f}%, started {times}" if result.launches else "none")
    table.add_row("equal to NumPy", _exactness(result))
    table.add_row("next to ONNX Runtime", Text(_printable(_agreement(result.onnxruntime))))
    compiling = "" if result.compile_seconds is None else f"{result.compile_seconds:.1f} to compile, "
    table.add_row("seconds", f"{compiling}{result.run_seconds:.3f} to run")
    return table


def _exactness(result: NetworkResult) -> str:
    if result.exact is None:
        return "not compared: a module knows its results only for its own inputs, and only of integers"
    if not result.exact:
        return "NO" if result.max_abs_error is None else f"NO, off by up to {result.max_abs_error:.4g}"
    if result.max_abs_error:
        return f"yes, each operator; the outputs but for rounding, at most {result.max_abs_error:.2g}"
    return "yes"


def _agreement(found: Agreement | str) -> str:
    if isinstance(found, str):
        return f"not compared: {found}"
    if not found.chained_max_steps:
        return f"all {found.tensors} int8 tensors are equal"
    return (
        f"{found.tensors} int8 tensors, each layer on its operands at most {_steps(found.max_steps)} off in "
        f"{100 * found.fraction:.2g}% of the elements; as a chain {_steps(found.chained_max_steps)}"
    )


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


def _printable(text: str) -> str:
    """A model's names can hold anything, such as what moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _millions(macs: int) -> str:
    if macs < MILLION // 10:
        return f"{macs:,}" if macs else NONE
    return f"{macs / MILLION:,.2f} M"


def _megabytes(value: int | None) -> str:
    return NONE if value is None else f"{value / MEGABYTE:.2f}"
