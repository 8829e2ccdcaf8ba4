"""``dovetail bench``: measurements."""

from __future__ import annotations

import typer

from .bench_sim import sim

bench = typer.Typer(help="Measure.", no_args_is_help=False)
bench.command("sim")(sim)


@bench.callback()
def options() -> None:
    """Measure; each benchmark is a command."""
