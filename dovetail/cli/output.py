"""Result files, and what is checked before long work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from dovetail.files import OutputError, json_text, require_writable, write_atomically

STANDARD_OUTPUT = Path("-")


def check_outputs(*paths: Path | None) -> None:
    """Refuse now what could not be written after the work, or would be written over."""
    named = [path for path in paths if path is not None and path != STANDARD_OUTPUT]
    for path in named:
        require_writable(path)
    places = [path.resolve() for path in named]
    for place, path in zip(places, named, strict=True):
        if places.count(place) > 1 and (place.is_file() or not place.exists()):
            raise OutputError(f"{path}: named for two outputs, of which one would replace the other")


def require_device(
    device: str, *trace_files: Path | None, others: tuple[str, ...] = (), port: str | None = None
) -> None:
    """Refuse now a device that does not exist, does not write the files that are asked of it, or has no port."""
    from dovetail.fpga.boards import BOARDS
    from dovetail.runtime import DEVICES, WITHOUT_TRACES

    known = (*(name for name in DEVICES if name not in BOARDS), *others, *BOARDS)
    if device not in known:
        raise typer.BadParameter(f"no device {device!r}; supported are {', '.join(known)}", param_hint="--device")
    if device != "rtl" and any(trace_files):
        why = WITHOUT_TRACES.get(device, f"{device} has no cycles")
        if device in BOARDS:
            why = f"nobody can look into {device}"
        raise typer.BadParameter(f"--timeline and --waves need --device rtl: {why}", param_hint="--device")
    if port is not None and device not in BOARDS:
        raise typer.BadParameter(f"is of boards ({', '.join(BOARDS)}), not of {device}", param_hint="--port")


def write_json(value: Any, path: Path | None) -> None:
    """Write `value` as JSON to `path`, or to standard output for ``-``; nothing without a path."""
    if path == STANDARD_OUTPUT:
        typer.echo(json_text(value), nl=False)
    elif path is not None:
        write_atomically(path, json_text(value).encode())
