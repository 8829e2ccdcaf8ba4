"""The features of a loop program: their names, what they mean, and how counts become them.

A program is seen as statements of a few kinds, each in a nest of loops of its own inside of outer loops that several
share. A run is one execution of such a nest; of copies, of the statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..space import Features

Counts = Mapping[str, Any]
"""Whole numbers by name: floats, or arrays with one for each of many programs."""

SCOPES = ("inp", "wgt", "acc")
"""Of buffers on the accelerator."""
LOADS = tuple(f"load_{scope}" for scope in SCOPES)
MOVES = (*LOADS, "store")
KINDS = (*MOVES, "tensor", "vector", "plain")
"""`load_inp`, `load_wgt`, `load_acc`: copies into those buffers, in bytes. `store`: what brings elements from a buffer
on the accelerator to memory, in bytes. `tensor`: tensor instructions of two inputs or more. `vector`: other
instructions. `plain`: all other statements, which is all that a CPU's program has, in elements."""

RUN_COUNTS = {
    "runs": "runs",
    "points": "bytes, instructions or elements of all runs",
    "first": "of the first run",
    "last": "of the last run",
    "most": "of the largest run",
}
LOOPS = {
    "vthreads": "virtual threads",
    "parallel": "iterations of parallel loops and of those over threads, the most inside one another",
    "lanes": "lanes of vectors",
    "unrolled": "iterations of unrolled loops, the most inside one another",
}
OTHER = {
    "kernel": "tensor instructions in a row that add to the same accumulators, at most",
    "inner": "iterations of the loop around those, at most",
    "reads": "elements that plain statements read",
    "touched": "bytes of the buffers that they read or write, each once",
    "arithmetic": "operations of plain statements",
}


@dataclass(frozen=True)
class Feature:
    """log2 of (1 + a count) divided by (1 + another), or of the first alone.

    Attributes
    ----------
    meaning:
        What is counted, in words.
    """

    name: str
    meaning: str
    count: str
    divisor: str = ""


def _features() -> tuple[Feature, ...]:
    table = [Feature(name, meaning, name) for name, meaning in (LOOPS | OTHER).items()]
    for kind in KINDS:
        table += [Feature(f"{kind}.{name}", f"{kind}: {what}", f"{kind}.{name}") for name, what in RUN_COUNTS.items()]
        table.append(Feature(f"{kind}.mean", f"{kind}: of a run, on average", f"{kind}.points", f"{kind}.runs"))
    for move in MOVES:
        table.append(Feature(f"{move}.row", f"{move}: bytes in a row, on average", f"{move}.points", f"{move}.rows"))
        table.append(
            Feature(f"{move}.work", f"tensor instructions for a run of {move}", "tensor.points", f"{move}.runs")
        )
    for load in LOADS:
        table.append(Feature(f"{load}.padding", f"{load}: bytes that are padding", f"{load}.padding"))
    for scope in SCOPES:
        table.append(Feature(f"{scope}.bytes", f"bytes of a copy of the buffer {scope}", f"{scope}.bytes"))
        table.append(Feature(f"{scope}.copies", "copies of it, for each virtual thread", f"{scope}.copies"))
        what = f"bytes that tensor instructions read of {scope} for one that is loaded"
        table.append(Feature(f"{scope}.reuse", what, f"{scope}.read", f"load_{scope}.points"))
    table.append(Feature("moved", "bytes that copies and stores move", "moved"))
    table.append(Feature("intensity", "tensor instructions for each of these bytes", "tensor.points", "moved"))
    table.append(Feature("plain.reuse", "elements read for each byte touched", "reads", "touched"))
    return tuple(table)


FEATURES = _features()
NAMES = tuple(feature.name for feature in FEATURES)


def as_features(counts: Counts, size: int) -> Features:
    """[size, F]: features of as many programs; counts that are missing are 0."""
    counts = {**counts, "moved": sum((counts.get(f"{move}.points", 0) for move in MOVES), 0.0)}
    logs = {name: np.log2(1.0 + np.asarray(count, np.float64)) for name, count in counts.items()}
    found = np.zeros((len(FEATURES), size), np.float32)
    for row, feature in zip(found, FEATURES, strict=True):
        value = logs.get(feature.count, 0.0)
        row[...] = value - logs.get(feature.divisor, 0.0) if feature.divisor else value
    return np.ascontiguousarray(found.T)


def describe() -> str:
    """A line for each feature."""
    width = max(map(len, NAMES))
    return "\n".join(f"{feature.name:{width}}  {feature.meaning}" for feature in FEATURES)
