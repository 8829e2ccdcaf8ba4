"""The ``dovetail`` program: its commands, and how errors become one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from dovetail import __version__

from .asm import asm
from .bench import bench
from .console import STATE, complain
from .disasm import disasm
from .exits import INTERRUPTED, RIGHT, exit_code
from .run import run
from .verify import verify

app = typer.Typer(
    name="dovetail",
    help="A deep-learning accelerator and its compiler, cut to fit each other.",
    epilog="Exit codes: 0 right, 1 wrong result, 2 bad usage or input, 3 device fault or time-out.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, asm, disasm, verify):
    app.command()(command)
app.add_typer(bench, name="bench")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dovetail {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What every command shares."""


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments:
        What follows the program's name; `sys.argv` without it.
    """
    STATE.verbose = False
    previous = signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="dovetail", standalone_mode=False)
        return code if isinstance(code, int) else RIGHT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return RIGHT
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        complain(error)
        return code
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every context manager, so that devices close and nothing stays behind."""
    raise SystemExit(128 + number)
