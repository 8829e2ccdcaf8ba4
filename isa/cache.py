"""The one folder where everything that can be made again is kept. It may be deleted at any time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .container import replace_file

CACHE_VARIABLE = "DOVETAIL_CACHE"
_DIGEST_BYTES = hashlib.sha256().digest_size


def cache_dir() -> Path:
    """The cache folder, created if it is missing: ``$DOVETAIL_CACHE``, or ``~/.cache/dovetail``.

    Raises
    ------
    OSError:
        The folder cannot be created.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "dovetail"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read_object(kind: str, key: str) -> bytes | None:
    """An object in the cache, unless it is missing or damaged: linking half an object would end the process."""
    try:
        content = _object_path(kind, key).read_bytes()
    except OSError:
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def write_object(kind: str, key: str, code: bytes) -> None:
    """Keep an object for `read_object`; without a writable folder, do without."""
    try:
        path = _object_path(kind, key)
        path.parent.mkdir(exist_ok=True)
        replace_file(path, hashlib.sha256(code).digest() + code)
    except OSError:
        return


def _object_path(kind: str, key: str) -> Path:
    return cache_dir() / kind / f"{key}.o"
