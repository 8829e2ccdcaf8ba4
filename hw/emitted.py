"""Emitted Verilog, kept by what it is made from: emitting it takes many times longer than reading it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

import dovetail.hw
import dovetail.isa
from dovetail.isa.cache import cache_dir
from dovetail.isa.config import Config
from dovetail.isa.container import replace_file

DIGITS = 16


@cache
def sources_digest(*packages: ModuleType) -> str:
    """Differs when the sources of these packages, of the hardware or of the instruction set, or Amaranth, do."""
    digest = hashlib.sha256(metadata.version("amaranth").encode())
    for package in (dovetail.hw, dovetail.isa, *packages):
        folder = Path(str(package.__file__)).resolve().parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def kept(name: str, emit: Callable[[], str], *packages: ModuleType) -> str:
    """What `emit` gives, from the cache where it can be.

    Parameters
    ----------
    name:
        Differs when what is emitted from the same sources does.
    packages:
        Whose sources `emit` depends on, besides the hardware's and the instruction set's.
    """
    path = cache_dir() / "verilog" / f"{sources_digest(*packages)[:DIGITS]}-{name}.v"
    try:
        return path.read_text()
    except FileNotFoundError:
        text = emit()
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
        return text


def verilog(config: Config) -> str:
    """What `hw.verilog.emit` gives for `config`, from the cache where it can be."""

    def made() -> str:
        from dovetail.hw.verilog import emit  # Amaranth is not needed, and need not load, when the text is kept

        return emit(config)

    return kept(f"{config.fingerprint:016x}", made)
