"""``dovetail verify``: the static verifier on a program file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def verify(
    file: Annotated[Path, typer.Argument(help="Program file.", metavar="FILE", show_default=False)],
    verbose: options.Verbose = False,
) -> None:
    """Check that a program ends, keeps to its buffers and its memory, and orders what it shares by tokens."""
    from dovetail.isa.program import Program
    from dovetail.isa.verify import verify as check

    program = Program.load(file)
    check(program)
    typer.echo(f"{file}: {len(program)} instructions, verified")
