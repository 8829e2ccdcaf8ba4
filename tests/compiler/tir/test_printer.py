"""Printed forms. The texts are those of the listings that the printer is specified by."""

from __future__ import annotations

from textwrap import dedent

import pytest

from dovetail.compiler.tir.expr import (
    Binary,
    Const,
    Expr,
    Load,
    Math,
    Op,
    Ramp,
    Range,
    Select,
    Var,
    all_of,
    cast,
    equal,
    maximum,
    minimum,
)
from dovetail.compiler.tir.expr import const as number
from dovetail.compiler.tir.stmt import (
    LOCAL,
    SHARED,
    Allocate,
    Barrier,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Pop,
    Primitive,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.isa.instructions import Unit

LD, EX = Unit.LOAD, Unit.COMPUTE
x, y, z = Var("x"), Var("y"), Var("z")
p, q = Var("p", "bool"), Var("q", "bool")


def buffer(name: str, *shape: int, scope: str = "global", dtype: str = "float32") -> Buffer:
    return Buffer(name, tuple(map(Const, shape)), dtype, scope)


def loops(*nest: tuple[Var, int], body: Stmt, kind: LoopKind = LoopKind.SERIAL) -> Stmt:
    for var, extent in reversed(nest):
        body = For(var, Const(extent), body, kind)
    return body


def box(of: Buffer, *ranges: tuple[Expr | int, int]) -> Region:
    return Region(of, tuple(Range(number(b) if isinstance(b, int) else b, Const(n)) for b, n in ranges))


def whole(of: Buffer) -> Region:
    return Region(of, tuple(Range(Const(0), extent) for extent in of.shape))


def operand(region: Region) -> Operand:
    return Operand(region, tuple(range(len(region.ranges))))


def accumulate(target: Buffer, indices: tuple[Expr, ...], value: Expr) -> Store:
    return Store(target, indices, Load(target, indices) + value)


def text(listing: str) -> str:
    return dedent(listing).strip()


A, B, C = buffer("A", 1024, 1024), buffer("B", 1024, 1024), buffer("C", 1024, 1024)
yo, xo, ko, yi, xi, ki = map(Var, ["yo", "xo", "ko", "yi", "xi", "ki"])


def test_default_schedule() -> None:
    k = Var("k")
    update = accumulate(C, (y, x), Load(A, (k, y)) * Load(B, (k, x)))
    body = seq(Store(C, (y, x), Const(0.0, "float32")), loops((k, 1024), body=update))
    assert str(Program("main", (A, B, C), loops((y, 1024), (x, 1024), body=body))) == text("""
        for y in range(1024):
            for x in range(1024):
                C[y][x] = 0
                for k in range(1024):
                    C[y][x] += A[k][y] * B[k][x]
    """)


def test_tiled() -> None:
    at = (yo * 8 + yi, xo * 8 + xi)
    init = loops((yi, 8), (xi, 8), body=Store(C, at, Const(0.0, "float32")))
    update = accumulate(C, at, Load(A, (ko * 8 + ki, at[0])) * Load(B, (ko * 8 + ki, at[1])))
    nest = loops((ko, 128), (yi, 8), (xi, 8), (ki, 8), body=update)
    assert str(loops((yo, 128), (xo, 128), body=seq(init, nest))) == text("""
        for yo in range(128):
            for xo in range(128):
                C[yo*8:yo*8+8][xo*8:xo*8+8] = 0
                for ko in range(128):
                    for yi in range(8):
                        for xi in range(8):
                            for ki in range(8):
                                C[yo*8+yi][xo*8+xi] += A[ko*8+ki][yo*8+yi] * B[ko*8+ki][xo*8+xi]
    """)


def test_tensorized() -> None:
    inp_a, inp_b = (buffer(name, 8, 8, scope="inp_buffer", dtype="int8") for name in ("AL", "BL"))
    acc = buffer("CL", 8, 8, scope="acc_buffer", dtype="int32")
    reset = Primitive("fill_zero", EX, lambda outputs, inputs: None)
    gemm = Primitive("fused_gemm8x8_add", EX, lambda outputs, inputs: None)
    body = loops(
        (yo, 128),
        (xo, 128),
        body=seq(
            Invoke(reset, (operand(whole(acc)),)),
            loops(
                (ko, 128),
                body=seq(
                    Copy(whole(inp_a), box(A, (ko * 8, 8), (yo * 8, 8))),
                    Copy(whole(inp_b), box(B, (ko * 8, 8), (xo * 8, 8))),
                    Invoke(gemm, (operand(whole(acc)),), (operand(whole(inp_a)), operand(whole(inp_b)))),
                ),
            ),
            Copy(box(C, (yo * 8, 8), (xo * 8, 8)), whole(acc)),
        ),
    )
    assert str(Program("main", (A, B, C), Allocate(inp_a, Allocate(inp_b, Allocate(acc, body))))) == text("""
        inp_buffer AL[8][8], BL[8][8]
        acc_buffer CL[8][8]
        for yo in range(128):
            for xo in range(128):
                vdla.fill_zero(CL)
                for ko in range(128):
                    vdla.dma_copy2d(AL, A[ko*8:ko*8+8][yo*8:yo*8+8])
                    vdla.dma_copy2d(BL, B[ko*8:ko*8+8][xo*8:xo*8+8])
                    vdla.fused_gemm8x8_add(CL, AL, BL)
                vdla.dma_copy2d(C[yo*8:yo*8+8,xo*8:xo*8+8], CL)
    """)


def test_threads() -> None:
    by, bx, ty, tx, k, i = map(Var, ["by", "bx", "ty", "tx", "k", "i"])
    cl = buffer("CL", 8, 8, scope=LOCAL)
    shared_a, shared_b = buffer("AS", 2, 8, scope=SHARED), buffer("BS", 2, 8, scope=SHARED)
    load_a = Store(shared_a, (ty, i * 4 + tx), Load(A, (k, by * 64 + ty * 8 + i * 4 + tx)))
    load_b = Store(shared_b, (ty, i * 4 + tx), Load(B, (k, bx * 64 + ty * 8 + i * 4 + tx)))
    update = accumulate(cl, (yi, xi), Load(shared_a, (ty, yi)) * Load(shared_b, (tx, xi)))
    body: Stmt = seq(
        loops((yi, 8), (xi, 8), body=Store(cl, (yi, xi), Const(0.0, "float32"))),
        loops(
            (k, 1024),
            body=seq(
                loops((i, 4), body=load_a),
                loops((i, 4), body=load_b),
                Barrier(),
                loops((yi, 8), (xi, 8), body=update),
            ),
        ),
        loops((yi, 8), (xi, 8), body=Store(C, (yo * 8 + yi, xo * 8 + xi), Load(cl, (yi, xi)))),
    )
    body = Allocate(cl, Allocate(shared_a, Allocate(shared_b, body)))
    for var, extent, thread in reversed(
        [(by, 64, "blockIdx.y"), (bx, 64, "blockIdx.x"), (ty, 2, "threadIdx.y"), (tx, 2, "threadIdx.x")]
    ):
        body = For(var, Const(extent), body, LoopKind.THREAD, thread)
    assert str(body) == text("""
        for thread_group (by, bx) in cross(64, 64):
            for thread_item (ty, tx) in cross(2, 2):
                local CL[8][8] = 0
                shared AS[2][8], BS[2][8]
                for k in range(1024):
                    for i in range(4):
                        AS[ty][i*4+tx] = A[k][by*64+ty*8+i*4+tx]
                    for i in range(4):
                        BS[ty][i*4+tx] = B[k][bx*64+ty*8+i*4+tx]
                    memory_barrier_among_threads()
                    for yi in range(8):
                        for xi in range(8):
                            CL[yi][xi] += AS[ty][yi] * BS[tx][xi]
                for yi in range(8):
                    for xi in range(8):
                        C[yo*8+yi][xo*8+xi] = CL[yi][xi]
    """)


def test_virtual_threads_with_tokens() -> None:
    tx, k = Var("tx"), Var("k")
    a = buffer("A", 128, 16)
    acc, inp = buffer("CL", 8, scope="acc_buffer"), buffer("AL", 8, scope="inp_buffer")
    add = Primitive("accumulate", EX, lambda outputs, inputs: None, (("inputs_first", True),))
    step = seq(
        Pop(LD, EX),
        Copy(whole(inp), box(a, (k, 1), (tx * 8, 8)), unit=LD),
        Push(LD, EX),
        Pop(EX, LD),
        Invoke(add, (operand(whole(acc)),), (operand(whole(inp)),), unit=EX),
        Push(EX, LD),
    )
    body = Allocate(acc, Allocate(inp, seq(Push(EX, LD), loops((k, 128), body=step), Pop(LD, EX))))
    assert str(For(tx, Const(2), body, LoopKind.VTHREAD)) == text("""
        for vthread tx in range(2):
            acc_buffer CL[8]
            inp_buffer AL[8]
            ex.push_dep_to(ld)
            for k in range(128):
                ld.pop_dep_from(ex)
                ld.dma_copy2d(AL, A[k][tx*8:tx*8+8])
                ld.push_dep_to(ex)
                ex.pop_dep_from(ld)
                ex.accumulate(AL, CL)
                ex.push_dep_to(ld)
            ld.pop_dep_from(ex)
    """)


def test_lowered_virtual_threads_name_their_copy() -> None:
    k = Var("k")
    inp = buffer("AL", 2, 8, scope="inp_buffer")
    copy = Copy(box(inp, (1, 1), (0, 8)), box(buffer("A", 128, 16), (k, 1), (8, 8)), unit=LD)
    assert str(copy) == "ld.dma_copy2d(AL[1], A[k][8:16])"


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Region(A, (Range(x * 2 - 1, Const(4), 2), Range(Const(0), Const(1024)))), "A[x*2-1:x*2+7:2]"),
        (Region(A, (Range(Const(0), Const(1024)), Range(x + 1, Const(1)))), "A[0:1024][x+1]"),
        (Region(A, (Range(y * 8, minimum(8, x - y * 8)), Range(x, Const(2)))), "A[y*8:y*8+min(8,x-y*8)][x:x+2]"),
        (Region(buffer("S"), ()), "S"),
    ],
)
def test_regions(region: Region, expected: str) -> None:
    assert str(Copy(region, region)).endswith(f", {expected})")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ((x + y) * z, "(x + y) * z"),
        (x + y * z, "x + y * z"),
        (x - (y - z), "x - (y - z)"),
        (x - y - z, "x - y - z"),
        (x // 2 * (y % 3), "x // 2 * (y % 3)"),
        (x + -3, "x - 3"),
        (-x * y, "-x * y"),
        (-(x * y), "-(x * y)"),
        ((x << 2) + 1, "(x << 2) + 1"),
        ((x & 1) | (y ^ 2), "x & 1 | y ^ 2"),
        (all_of([x < y, y <= 3, equal(z, 0)]), "x < y and y <= 3 and z == 0"),
        (~((p | q) & p), "not ((p or q) and p)"),
        (equal(x < y, p), "(x < y) == p"),
        (maximum(x, 0) + minimum(y, z), "max(x, 0) + min(y, z)"),
        (cast("int32", Var("a", "int8")) * cast("int32", Var("b", "int8")), "int32(a) * int32(b)"),
        (Select(x < 4, x, y), "select(x < 4, x, y)"),
        (Select(x < 4, Load(A, (x, y)), Const(0.5, "float32"), guard=True), "if_then_else(x < 4, A[x][y], 0.5)"),
        (Math("round_shift", (x, y)), "round_shift(x, y)"),
        (Load(A, (x * 2, Ramp(y * 8, 1, 8))), "A[x*2][y*8:y*8+8]"),
        (Load(A, ((x + 1) * 2, Ramp(Const(0), 2, 4))), "A[(x+1)*2][0:8:2]"),
        (Const(0.1, "float32"), "0.1"),
        (Const(1e30, "float32"), "1e+30"),
        (Binary(Op.SUB, x, Const(-2)), "x - -2"),
    ],
)
def test_expressions(expr: Expr, expected: str) -> None:
    assert str(expr) == expected


def test_statements() -> None:
    store = Store(A, (x, y), Const(1.0, "float32"))
    assert str(If(x < y, Seq(), store)) == text("""
        if x < y:
            pass
        else:
            A[x][y] = 1
    """)
    parallel = For(x, Const(4), loops((y, 8), body=store, kind=LoopKind.VECTORIZED), LoopKind.PARALLEL)
    assert str(parallel) == text("""
        for parallel x in range(4):
            for vectorized y in range(8):
                A[x][y] = 1
    """)
    assert str(For(x, Const(4), store, pragmas=(("lanes", True), ("unroll", 4)))) == text("""
        for x in range(4):  # lanes, unroll=4
            A[x][y] = 1
    """)
    padded = Copy(box(buffer("AL", 4, 4), (0, 4), (0, 4)), box(A, (x - 1, 4), (0, 4)), padding=-128)
    assert str(padded) == "vdla.dma_copy2d(AL, A[x-1:x+3][0:4], padding=-128)"


def test_internal_buffers_keep_their_order_and_share_a_line_by_scope() -> None:
    ring = Buffer("R", (Const(8),), "int8", "inp_buffer", copies=2)
    body = Allocate(buffer("T", 4, 4), Allocate(ring, Allocate(buffer("S", 2, scope="inp_buffer"), Barrier())))
    assert str(body) == text("""
        global T[4][4]
        inp_buffer R[8] (2 copies), S[2]
        memory_barrier_among_threads()
    """)
