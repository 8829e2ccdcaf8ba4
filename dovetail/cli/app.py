"""The ``dovetail`` program: its commands, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from dovetail import __version__
from dovetail.files import OutputError

from .asm import asm
from .bench import bench
from .compile import compile_
from .console import STATE, complain, show_help_without_command
from .disasm import disasm
from .exits import INTERRUPTED, RIGHT, exit_code
from .fpga import fpga
from .records import records
from .run import run
from .tune import tune
from .verify import verify

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing. All files are written in places that name them, so without a name it was standard output."""
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What we started is in groups of its own, which a terminal that closes does not reach. Under nohup it need not."""

app = typer.Typer(
    name="dovetail",
    help="A deep-learning accelerator and its compiler, cut to fit each other.",
    epilog="Exit codes: 0 right, 1 wrong result, 2 bad usage or input, 3 device fault or time-out.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, tune, asm, disasm, verify):
    app.command()(command)
app.command("compile")(compile_)
app.add_typer(bench, name="bench")
app.add_typer(fpga, name="fpga")
app.add_typer(records, name="records")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dovetail {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What every command shares."""
    show_help_without_command(context)


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments:
        What follows the program's name; `sys.argv` without it.
    """
    STATE.verbose = False
    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _terminated) for number in heeded}
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name="dovetail", standalone_mode=False)
        if code == INTERRUPTED:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
        return code if isinstance(code, int) else RIGHT
    except (KeyboardInterrupt, typer.Abort):
        print("dovetail: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _leave_standard_output()
        return RIGHT
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
            _leave_standard_output()
            error = OutputError(f"standard output: cannot be written: {error.strerror}")
        code = exit_code(error)
        if code is None:
            raise
        complain(error)
        return code
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave_standard_output() -> None:
    """Let what is held back go nowhere, so that Python's own attempt at its end does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every context manager, so that devices close and nothing stays behind."""
    raise SystemExit(128 + number)
