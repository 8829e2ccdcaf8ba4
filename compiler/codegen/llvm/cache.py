"""Object code on disk, so that nothing is compiled twice."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import llvmlite

from .pipeline import OPTIONS
from .target import CpuTarget

CACHE_VARIABLE = "DOVETAIL_CACHE"
FOLDER = "llvm"
_DIGEST_BYTES = hashlib.sha256().digest_size


def object_key(text: str, target: CpuTarget) -> str:
    """What the object of a module depends on, as a file name."""
    parts = [llvmlite.__version__, str(OPTIONS), target.triple, target.cpu, ",".join(target.features), text]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def read_object(key: str) -> bytes | None:
    """The object in the cache, unless it is missing or damaged: linking half an object would end the process."""
    try:
        content = _path(key).read_bytes()
    except OSError:
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def write_object(key: str, code: bytes) -> None:
    """Puts the object in place in one step, so that nobody reads half of it; does nothing if it cannot."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)


def cache_dir() -> Path:
    """Where everything that can be rebuilt is kept: ``$DOVETAIL_CACHE``, or ``~/.cache/dovetail``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "dovetail"


def _path(key: str) -> Path:
    return cache_dir() / FOLDER / f"{key}.o"
