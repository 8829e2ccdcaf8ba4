"""The one folder where everything that can be rebuilt is kept. It may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "DOVETAIL_CACHE"


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
