"""``dovetail disasm``: program file to text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def disasm(
    file: Annotated[Path, typer.Argument(help="Program file.", metavar="FILE", show_default=False)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of the terminal.")] = None,
    verbose: options.Verbose = False,
) -> None:
    """Print a program file as text that `asm` accepts."""
    from dovetail.files import write_atomically
    from dovetail.isa.assembler import disassemble
    from dovetail.isa.program import Program

    text = disassemble(Program.load(file))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text.encode())
