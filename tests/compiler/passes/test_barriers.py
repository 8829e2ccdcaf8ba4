"""Barriers among threads: where they stand, and that without any of them results are wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dovetail.compiler.passes.threads import BarrierError, insert_barriers
from dovetail.compiler.tir.expr import Const, Expr, Load, Var
from dovetail.compiler.tir.interpreter import InterpreterError, run
from dovetail.compiler.tir.stmt import (
    LOCAL,
    SHARED,
    Allocate,
    Barrier,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import transform, walk
from dovetail.compiler.tir.verifier import check

by, bx, ty, tx, k, i, j, yi, xi = (Var(name) for name in ("by", "bx", "ty", "tx", "k", "i", "j", "yi", "xi"))
GRID = ((by, "blockIdx.y"), (bx, "blockIdx.x"), (ty, "threadIdx.y"), (tx, "threadIdx.x"))
TILE, STEPS = 4, 6


def buffer(name: str, *shape: int, scope: str = "global") -> Buffer:
    return Buffer(name, tuple(map(Const, shape)), "float32", scope)


def loop(var: Var, extent: int | Expr, body: Stmt) -> Stmt:
    return For(var, Const(extent) if isinstance(extent, int) else extent, body)


def grid(body: Stmt, extent: int = 2) -> Stmt:
    for var, thread in reversed(GRID):
        body = For(var, Const(extent), body, LoopKind.THREAD, thread)
    return body


def cooperative_product() -> Program:
    """C = A.T @ B over 2 by 2 groups of 2 by 2 threads, each of which computes a tile from what all have fetched."""
    side = 2 * 2 * TILE
    a, b, c = buffer("A", STEPS, side), buffer("B", STEPS, side), buffer("C", side, side)
    own = buffer("CL", TILE, TILE, scope=LOCAL)
    shared = [buffer(name, 2, TILE, scope=SHARED) for name in ("AS", "BS")]
    fetches = [
        loop(var, TILE // 2, Store(to, (ty, var * 2 + tx), Load(of, (k, block * 2 * TILE + ty * TILE + var * 2 + tx))))
        for var, to, of, block in ((i, shared[0], a, by), (j, shared[1], b, bx))
    ]
    ys, xs = (Var("yi"), Var("xi")), (Var("yi"), Var("xi"))
    product = Load(shared[0], (ty, yi)) * Load(shared[1], (tx, xi))
    update = loop(yi, TILE, loop(xi, TILE, Store(own, (yi, xi), Load(own, (yi, xi)) + product)))
    zero = loop(ys[0], TILE, loop(ys[1], TILE, Store(own, ys, Const(0.0, "float32"))))
    place = (by * 2 * TILE + ty * TILE + xs[0], bx * 2 * TILE + tx * TILE + xs[1])
    out = loop(xs[0], TILE, loop(xs[1], TILE, Store(c, place, Load(own, xs))))
    body = seq(zero, loop(k, STEPS, seq(*fetches, update)), out)
    return Program("main", (a, b, c), grid(Allocate(own, Allocate(shared[0], Allocate(shared[1], body)))))


def test_cooperative_product(golden: Callable[[object, str], None], rng: np.random.Generator) -> None:
    program = insert_barriers(cooperative_product())
    check(program)
    golden(program, "barriers")
    left, right = rng.random((STEPS, 16), np.float32), rng.random((STEPS, 16), np.float32)
    result = np.zeros((16, 16), np.float32)
    run(program, left, right, result)
    np.testing.assert_allclose(result, left.T @ right, rtol=1e-5)


def test_every_barrier_is_needed(rng: np.random.Generator) -> None:
    program = insert_barriers(cooperative_product())
    barriers = [part for part in walk(program) if isinstance(part, Barrier)]
    assert len(barriers) == 2
    arrays = [rng.random((STEPS, 16), np.float32) for _ in range(2)]
    for removed in barriers:
        fewer = transform(program, lambda node, removed=removed: Seq() if node is removed else None)
        result = np.zeros((16, 16), np.float32)
        try:
            run(fewer, *arrays, result)
        except InterpreterError:
            continue
        assert not np.allclose(result, arrays[0].T @ arrays[1])


def test_barriers_before_a_loop_and_none_where_threads_share_nothing() -> None:
    shared, own = buffer("S", 2, scope=SHARED), buffer("L", 2, scope=LOCAL)
    fill = Store(shared, (tx,), Const(1.0, "float32"))
    use = loop(i, 2, Store(own, (i,), Load(shared, (1 - tx,))))
    program = insert_barriers(Program("main", (), grid(Allocate(shared, Allocate(own, seq(fill, use))))))
    assert str(program).splitlines()[-4:] == [
        "        S[tx] = 1",
        "        memory_barrier_among_threads()",
        "        for i in range(2):",
        "            L[i] = S[1-tx]",
    ]
    alone = Program("main", (), grid(Allocate(own, seq(Store(own, (tx,), Const(1.0, "float32")), use.body))))  # type: ignore[attr-defined]
    assert not any(isinstance(part, Barrier) for part in walk(insert_barriers(alone)))


def test_threads_that_would_part_ways_are_refused() -> None:
    shared, own = buffer("S", 2, scope=SHARED), buffer("L", 2, scope=LOCAL)
    exchange = seq(Store(shared, (tx,), Const(1.0, "float32")), Store(own, (tx,), Load(shared, (1 - tx,))))
    divided = Program("main", (), grid(Allocate(shared, Allocate(own, If(tx < 1, exchange)))))
    with pytest.raises(BarrierError, match=r"shared memory within if tx < 1, which depends on the thread tx; compute"):
        insert_barriers(divided)
    together = Program("main", (), grid(Allocate(shared, Allocate(own, loop(k, 3, If(k < 1, exchange))))))
    check(insert_barriers(together))
