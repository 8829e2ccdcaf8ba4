"""``dovetail records``: what tuning has recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from . import options
from .console import output, show_help_without_command
from .output import check_outputs
from .table import NONE

records = typer.Typer(help="What tuning has recorded.", no_args_is_help=False)


@records.callback(invoke_without_command=True)
def group(context: typer.Context) -> None:
    """What tuning has recorded: list it, or carry it from one computer to another."""
    show_help_without_command(context)


@records.command("list")
def list_(file: options.Records = None, verbose: options.Verbose = False) -> None:
    """List what was tuned, and the best of each."""
    from dovetail.compiler.tune.records import Records, default_path
    from dovetail.result import MODELLED
    from dovetail.tuning.tune import cost_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("task", "machine", "memory"):
        table.add_column(name, overflow="fold")
    for name in ("measured", "best"):
        table.add_column(name, justify="right")
    with Records(file or default_path(), read_only=True) as kept:
        tasks = kept.tasks()
        for task in tasks:
            best = kept.best(task, simulators=MODELLED)
            cost = None if best is None else best.outcome.cost
            shown = NONE if cost is None else cost_text(cost, "cycles" if task.target == "vdla" else "ratio")
            what = f"{task.operator} {task.workload}"
            table.add_row(what, task.machine, task.memory or NONE, str(len(kept.of(task))), shown)
    if tasks:
        output().print(table)
    else:
        typer.echo(f"nothing is recorded in {file or default_path()}; dovetail tune records what it measures")


@records.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="To write, one record in a line, as JSON.", metavar="FILE.jsonl")],
    source: options.Records = None,
    verbose: options.Verbose = False,
) -> None:
    """Write all records to a file of JSON lines."""
    from dovetail.compiler.tune.records import Records, default_path

    check_outputs(file)
    with Records(source or default_path(), read_only=True) as kept:
        typer.echo(f"{kept.export_lines(file):,} records written to {file}")


@records.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What export wrote.", metavar="FILE.jsonl")],
    target: options.Records = None,
    verbose: options.Verbose = False,
) -> None:
    """Add the records in a file of JSON lines; those that are there already are left."""
    from dovetail.compiler.tune.records import Records, default_path

    with Records(target or default_path()) as kept:
        typer.echo(f"{kept.import_lines(file):,} new records in {kept.path}")
