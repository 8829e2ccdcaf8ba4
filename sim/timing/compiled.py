"""Compilation of the steps, and the records that hold their registers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from dovetail import hw
from dovetail.isa.cache import cache_dir


def _sources() -> str:
    """A digest of all that the object code depends on: Numba asks for a function's own file only."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(hw.__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


os.environ["NUMBA_CACHE_DIR"] = str(cache_dir() / "timing" / _sources())

from numba import njit  # noqa: E402

Registers = npt.NDArray[Any]
"""One record of integers, by name."""


OPTIONS: dict[str, Any] = {"cache": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}
"""Steps make no arrays: without Numba's run time nobody counts references to those that they are given."""

P = ParamSpec("P")
R = TypeVar("R")


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function; the object code is kept in the cache folder."""
    compiled: Callable[P, R] = njit(**OPTIONS)(function)
    return compiled


def registers(*names: str) -> np.dtype[Any]:
    """The type of a record with these registers."""
    return np.dtype([(name, np.int64) for name in names])


def cleared(kind: np.dtype[Any]) -> Registers:
    """A record of that type, all zero."""
    return np.zeros(1, kind)
