"""What people see: results on standard output; progress and errors on standard error."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from dovetail.isa.progress import Progress


@dataclass
class State:
    """What the options of the command in progress decided."""

    verbose: bool = False


STATE = State()
PERIOD = 5.0
"""Seconds between lines about steps of the same work."""


def output() -> Console:
    """Where results go. Without a terminal lines are not cut at the usual 80 columns."""
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def show_help_without_command(context: typer.Context) -> None:
    """Print the help of a group of commands that was given none."""
    if context.invoked_subcommand is None:
        text = context.get_help()  # with rich at hand it is printed already, and this is empty
        if text:
            typer.echo(text)


@contextmanager
def progress(first: str) -> Iterator[Progress]:
    """Show what is being done and for how long; the function that it gives changes the text.

    On a terminal this is one line that disappears; elsewhere each new text is a line.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(first)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(first, total=None)

        def show(text: str, done: int, total: int) -> None:
            count = f"{done:,}" + (f" of {total:,}" if total else "")
            bar.update(task, description=f"{text}: {count}" if done else text)

        yield show


class _Lines:
    """Progress without a terminal: of work in many steps, whose texts begin alike, only a line now and then."""

    def __init__(self, first: str) -> None:
        self.last, self.shown = "", -PERIOD
        self(first, 0, 0)

    def __call__(self, text: str, done: int, total: int) -> None:
        again = total and text.split(" ")[0] == self.last.split(" ")[0]
        if text == self.last or (again and time.monotonic() < self.shown + PERIOD):
            return
        self.last, self.shown = text, time.monotonic()
        count = f" ({done + 1:,} of {total:,})" if total else ""
        print(text + count, file=sys.stderr, flush=True)


def note(text: str) -> None:
    """One line about what a user should know."""
    print("dovetail: note:", " ".join(text.split()), file=sys.stderr, flush=True)


def complain(error: Exception) -> None:
    """One line about `error`; with ``--verbose`` the traceback as well."""
    if STATE.verbose:
        traceback.print_exception(error)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    print("dovetail:", " ".join(message.split()), file=sys.stderr)
