"""The options that running commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import STATE

LATENCY = 64
BYTES_PER_CYCLE = 16
MAX_SETTING = 65535


def _set_verbose(value: bool) -> None:
    STATE.verbose = value


Config = Annotated[str, typer.Option("--config", help="Preset, or a TOML file.", metavar="NAME|FILE.toml")]
Latency = Annotated[
    int, typer.Option("--latency", min=1, max=MAX_SETTING, help="DRAM: cycles until the first data.", metavar="N")
]
Bandwidth = Annotated[
    int,
    typer.Option(
        "--bytes-per-cycle", min=1, max=MAX_SETTING, help="DRAM: bytes a cycle, reads and writes together.", metavar="N"
    ),
]
NoLatencyHiding = Annotated[
    bool, typer.Option("--no-latency-hiding", help="Serialise load, compute and store, for comparison.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random tensors.", metavar="N")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result here; - is standard output.")]
Timeline = Annotated[Path | None, typer.Option("--timeline", help="Write a Chrome trace (Perfetto) here; rtl only.")]
Waves = Annotated[Path | None, typer.Option("--waves", help="Write waveforms (FST) here; rtl only.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Seconds that the run may take.")]
Verbose = Annotated[bool, typer.Option("--verbose", callback=_set_verbose, help="Show tracebacks with errors.")]
