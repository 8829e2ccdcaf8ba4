"""The machine's Verilog, kept by configuration: emitting it takes many times longer than reading it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import dovetail.hw
import dovetail.isa
from dovetail.isa.cache import cache_dir
from dovetail.isa.config import Config
from dovetail.isa.container import replace_file


@cache
def sources_digest() -> str:
    """Differs when the hardware's or the instruction set's sources, or Amaranth, do."""
    digest = hashlib.sha256(metadata.version("amaranth").encode())
    for package in (dovetail.hw, dovetail.isa):
        folder = Path(str(package.__file__)).resolve().parent
        for path in sorted(folder.glob("*.py")):
            digest.update(f"{folder.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def verilog(config: Config) -> str:
    """What `hw.verilog.emit` gives for `config`, from the cache where it can be."""
    path = cache_dir() / "verilog" / f"{sources_digest()[:16]}-{config.fingerprint:016x}.v"
    try:
        return path.read_text()
    except FileNotFoundError:
        from dovetail.hw.verilog import emit  # Amaranth is not needed, and need not load, when the text is kept

        text = emit(config)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
        return text
