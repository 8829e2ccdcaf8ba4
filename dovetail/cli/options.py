"""The options that running commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dovetail.isa.module import MAX_THREADS

from .console import STATE

LATENCY = 64
BYTES_PER_CYCLE = 16
MAX_SETTING = 65535
MAX_SEED = (1 << 64) - 1
MAX_SECONDS = 10**7
MAX_WORKERS = 256
TRIALS = 64
"""Schedules that are measured for a convolution."""
TRIAL_SECONDS = 120.0
"""Seconds that each may take."""
CALIBRATION = "--calibration"
MAX_SHOWN = 40
"""Characters of a wrong number."""


def number(kind: type[int] | type[float], low: int, high: int) -> Callable[[str], float]:
    """A parser of numbers from `low` to `high`, whose message is one line."""
    what = "a whole number" if kind is int else "a number"

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise typer.BadParameter(f"must be {what} from {low} to {high}, not {str(text)[:MAX_SHOWN]}")
        return value

    return parse


def given(context: typer.Context, parameter: str) -> bool:
    """Whether the user gave a parameter; else it has its default."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def refuse(context: typer.Context, why: str, *parameters: str) -> None:
    """Refuse options that the workload does not take."""
    for parameter in context.command.params:
        if parameter.name in parameters and given(context, parameter.name):
            raise typer.BadParameter(why, param_hint=parameter.opts[0])


def require_own_workers(pool: str | None, workers: int | None) -> None:
    """Refuse a number of workers for a pool that has its own."""
    if pool is not None and workers is not None:
        raise typer.BadParameter("a pool has its own workers", param_hint="--workers")


def of_device(
    context: typer.Context, device: str, config: str, latency: int, bytes_per_cycle: int
) -> tuple[str, int, int]:
    """Configuration, and memory to compile for, as the user chose them, or else as a board has them."""
    from dovetail.fpga.boards import BOARDS

    board = BOARDS.get(device)
    if board is None:
        return config, latency, bytes_per_cycle
    return (
        config if given(context, "config") else board.config,
        latency if given(context, "latency") else board.memory.latency_cycles,
        bytes_per_cycle if given(context, "bytes_per_cycle") else board.memory.bytes_per_cycle,
    )


def _set_verbose(value: bool) -> None:
    STATE.verbose = value


Config = Annotated[str, typer.Option("--config", help="Preset, or a TOML file.", metavar="NAME|FILE.toml")]
Latency = Annotated[
    int,
    typer.Option(
        "--latency", parser=number(int, 1, MAX_SETTING), help="DRAM: cycles until the first data.", metavar="N"
    ),
]
Bandwidth = Annotated[
    int,
    typer.Option(
        "--bytes-per-cycle",
        parser=number(int, 1, MAX_SETTING),
        help="DRAM: bytes a cycle, reads and writes together.",
        metavar="N",
    ),
]
NoLatencyHiding = Annotated[
    bool, typer.Option("--no-latency-hiding", help="Serialise load, compute and store, for comparison.")
]
Seed = Annotated[
    int, typer.Option("--seed", parser=number(int, 0, MAX_SEED), help="Of the random tensors.", metavar="N")
]
Threads = Annotated[int, typer.Option("--threads", parser=number(int, 1, MAX_THREADS), help="Of cpu.", metavar="N")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result here; - is standard output.")]
Timeline = Annotated[Path | None, typer.Option("--timeline", help="Write a Chrome trace (Perfetto) here; rtl only.")]
Waves = Annotated[Path | None, typer.Option("--waves", help="Write waveforms (FST) here; rtl only.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", parser=number(float, 0, MAX_SECONDS), help="Seconds that the run may take.", metavar="SECONDS"
    ),
]
Port = Annotated[
    str | None,
    typer.Option(
        "--port",
        help="Where a board is, such as /dev/ttyUSB0; by default it is looked for. Of a Zynq its bitstream.",
        metavar="PORT",
    ),
]
Pool = Annotated[
    str | None,
    typer.Option("--pool", help="A Dask scheduler, as tcp://host:8786; else this computer.", metavar="ADDRESS"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        parser=number(int, 1, MAX_WORKERS),
        help="Processes on this computer; by default as many as it has processors.",
        metavar="N",
    ),
]
Untuned = Annotated[bool, typer.Option("--untuned", help="Take no schedules that tuning has recorded.")]
Records = Annotated[
    Path | None,
    typer.Option(
        "--records",
        help="Where measured schedules are kept; $DOVETAIL_RECORDS or a file in the cache by default.",
        metavar="FILE",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", callback=_set_verbose, help="Show tracebacks with errors.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", help="Of an input that a model leaves open; may be repeated.", metavar="NAME=N,N,..."),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        CALIBRATION,
        help="Quantise a float model: inputs by name in a .npz file, samples along the first axis.",
        metavar="FILE.npz",
    ),
]


def parse_shapes(texts: list[str] | None) -> dict[str, tuple[int, ...]]:
    """Shapes by name from ``NAME=N,N,...``."""
    shapes = {}
    for text in texts or []:
        name, _, numbers = text.rpartition("=")
        parts = numbers.split(",")
        if not name or not all(part.strip().isdecimal() for part in parts):
            raise typer.BadParameter(f"{text!r} is no NAME=N,N,...", param_hint="--shape")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes
