"""``dovetail bench``: measurements."""

from __future__ import annotations

import typer

from .bench_cpu import cpu
from .bench_fusion import fusion
from .bench_layers import layers
from .bench_sim import sim
from .console import show_help_without_command

bench = typer.Typer(help="Measure.", no_args_is_help=False)
bench.command("cpu")(cpu)
bench.command("fusion")(fusion)
bench.command("layers")(layers)
bench.command("sim")(sim)


@bench.callback(invoke_without_command=True)
def options(context: typer.Context) -> None:
    """Measure; each benchmark is a command."""
    show_help_without_command(context)
