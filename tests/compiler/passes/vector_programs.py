"""Programs of one nest over vectors, as `map_vectors` gets them, and data that stress arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.passes.map_vectors import map_vectors
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.tir import interpreter, verifier
from dovetail.compiler.tir.expr import Const, Expr, Load, Var
from dovetail.compiler.tir.stmt import GLOBAL, Buffer, For, Invoke, Program, Store
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.vdla import ACC_BUFFER, INP_BUFFER, LANES

ROWS, LANE_COUNT = 2, 16
ROW, LANE = Var("row"), Var("lane")

Array = NDArray[Any]


def buffer(name: str, dtype: str, scope: str, *shape: int) -> Buffer:
    return Buffer(name, tuple(map(Const, shape or (ROWS, LANE_COUNT))), dtype, scope)


ACC, OTHER = buffer("acc", "int32", ACC_BUFFER), buffer("other", "int32", ACC_BUFFER)
INP = buffer("inp", "int8", INP_BUFFER)
OUT, RESIDUAL = buffer("out", "int8", GLOBAL), buffer("residual", "int8", GLOBAL)
BIAS, MULTIPLIER, SHIFT = (buffer(name, "int32", GLOBAL, LANE_COUNT) for name in ("bias", "multiplier", "shift"))


def at(of: Buffer) -> Load:
    """The element of a buffer that a nest is at."""
    return Load(of, (ROW, LANE) if len(of.shape) == 2 else (LANE,))


def nest(target: Buffer, value: Expr, params: Sequence[Buffer]) -> Program:
    """target[row, lane] = value, in loops over rows and the lanes of a vector."""
    store = Store(target, (ROW, LANE), value)
    lanes = For(LANE, Const(LANE_COUNT), store, pragmas=((LANES, True),))
    program = Program("vectors", tuple(params), For(ROW, Const(ROWS), lanes))
    verifier.check(program)
    return program


def mapped(program: Program) -> Program:
    """`program` on the machine's operations alone."""
    done = map_vectors(simplify(program))
    verifier.check(done)
    return done


def operations(program: Program) -> list[str]:
    """The names of the primitives, in order."""
    return [node.primitive.name for node in walk(program) if isinstance(node, Invoke)]


def run(program: Program, arrays: Sequence[Array]) -> list[Array]:
    """The arguments after the program."""
    results = [array.copy() for array in arrays]
    interpreter.run(program, *results)
    return results


def extreme(rng: np.random.Generator, of: Buffer) -> Array:
    """Elements near the ends of their type, near zero, and anywhere; shifts from 0 to 63."""
    shape = of.extents
    if of is SHIFT:
        return np.where(rng.random(shape) < 0.3, rng.choice([0, 1, 62, 63], shape), rng.integers(0, 64, shape)).astype(
            np.int32
        )
    info = np.iinfo(of.dtype)
    ends = rng.choice([info.min, info.max], shape) + rng.integers(0, 3, shape) * rng.choice([-1, 1], shape)
    small = rng.integers(-300, 300, shape)
    wide = rng.integers(info.min, info.max, shape, endpoint=True)
    kind = rng.random(shape)
    return np.clip(np.where(kind < 0.25, ends, np.where(kind < 0.6, small, wide)), info.min, info.max).astype(of.dtype)
