"""``dovetail bench``: measurements."""

from __future__ import annotations

import typer

from .bench_cpu import cpu
from .bench_cpu_tuning import cpu_tuning
from .bench_fusion import fusion
from .bench_layers import layers
from .bench_scaling import scaling
from .bench_sim import sim
from .bench_timing import timing
from .bench_tuner import tuner
from .console import show_help_without_command

bench = typer.Typer(help="Measure.", no_args_is_help=False)
bench.command("cpu")(cpu)
bench.command("cpu-tuning")(cpu_tuning)
bench.command("fusion")(fusion)
bench.command("layers")(layers)
bench.command("scaling")(scaling)
bench.command("sim")(sim)
bench.command("timing")(timing)
bench.command("tuner")(tuner)


@bench.callback(invoke_without_command=True)
def options(context: typer.Context) -> None:
    """Measure; each benchmark is a command."""
    show_help_without_command(context)
