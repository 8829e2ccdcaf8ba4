"""``dovetail asm``: text to program file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dovetail.files import PROGRAM_SUFFIX, OutputError, read_text

from . import options


def asm(
    file: Annotated[Path, typer.Argument(help="Assembly text.", metavar="FILE", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Program file; else FILE with suffix {PROGRAM_SUFFIX}."),
    ] = None,
    verbose: options.Verbose = False,
) -> None:
    """Assemble a text into a program file."""
    from dovetail.isa.assembler import parse

    program = parse(read_text(file), name=str(file))
    target = output or file.with_suffix(PROGRAM_SUFFIX)
    if target == file:
        raise OutputError(f"{file}: the program would replace the text; name another file with --output")
    program.save(target)
    typer.echo(f"{target}: {len(program)} instructions, {len(program.segments)} segments")
