"""``dovetail bench``: measurements."""

from __future__ import annotations

import typer

from .bench_cpu import cpu
from .bench_layers import layers
from .bench_sim import sim

bench = typer.Typer(help="Measure.", no_args_is_help=False)
bench.command("cpu")(cpu)
bench.command("layers")(layers)
bench.command("sim")(sim)


@bench.callback()
def options() -> None:
    """Measure; each benchmark is a command."""
