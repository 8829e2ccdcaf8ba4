"""Rewriting, and equality up to the choice of variables and buffers."""

from __future__ import annotations

from dovetail.compiler.tir.expr import Const, Expr, Load, Range, Var
from dovetail.compiler.tir.stmt import (
    Allocate,
    Barrier,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    Operand,
    Primitive,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    seq,
)
from dovetail.compiler.tir.structure import (
    Rewriter,
    allocated,
    free_vars,
    reads,
    renewed,
    replace_buffers,
    structural_equal,
    substitute,
    transform,
    walk,
    writes,
)


def buffer(name: str, scope: str = "global") -> Buffer:
    return Buffer(name, (Const(8),), "int32", scope)


def box(of: Buffer, begin: Expr) -> Region:
    return Region(of, (Range(begin, Const(4)),))


A, B = buffer("A"), buffer("B")
n = Var("n")


def sample(offset: int = 1, scope: str = "local", names: tuple[str, str] = ("x", "T")) -> Program:
    """Copies A to B by way of a buffer of its own."""
    x, t = Var(names[0]), buffer(names[1], scope)
    body = seq(
        Copy(box(t, Const(0)), box(A, x + n)),
        If(x < n, Store(B, (x,), Load(t, (x,)) + offset)),
    )
    return Program("main", (A, B), For(x, Const(4), Allocate(t, body)), (n,))


def test_equal_up_to_bound_variables_and_own_buffers() -> None:
    assert structural_equal(sample(), sample(names=("i", "cache")))
    assert not structural_equal(sample(), sample(offset=2))
    assert not structural_equal(sample(), sample(scope="shared"))
    x, y = Var("x"), Var("y")
    assert not structural_equal(x + 1, y + 1)
    assert structural_equal(For(x, Const(4), Store(A, (x,), x)), For(y, Const(4), Store(A, (y,), y)))
    assert not structural_equal(For(x, Const(4), Store(A, (x,), x)), For(y, Const(4), Store(A, (x,), y)))
    assert not structural_equal(Const(1), Const(1, "int8"))
    shifted = Program("other", (B, A), replace_buffers(sample().body, {A: B, B: A}), (n,))
    assert structural_equal(sample(), shifted)


def test_primitives_are_equal_by_name_and_fields() -> None:
    def invoke(**fields: int) -> Stmt:
        primitive = Primitive("add", None, lambda outputs, inputs: None, tuple(fields.items()))
        return Invoke(primitive, (Operand(box(A, Const(0)), (0,)),))

    assert structural_equal(invoke(lanes=4), invoke(lanes=4))
    assert not structural_equal(invoke(lanes=4), invoke(lanes=8))


def test_reads_writes_and_free_variables() -> None:
    program = sample()
    (t,) = allocated(program)
    assert (reads(program), writes(program)) == ((A, t), (t, B))
    assert free_vars(program) == (n,)
    loop = program.body
    assert isinstance(loop, For)
    assert free_vars(loop.body) == (loop.var, n)


def test_rewriting_what_is_not_there_gives_the_same_object() -> None:
    program = sample()
    assert transform(program, lambda node: None) is program
    assert substitute(program, {Var("x"): Const(0)}) is program
    assert replace_buffers(program, {buffer("C"): A}) is program


def test_statements_may_become_several_or_none() -> None:
    body = seq(Barrier(), Store(A, (Const(0),), n), Barrier())
    assert transform(body, lambda node: Seq() if isinstance(node, Barrier) else None) == Store(A, (Const(0),), n)
    twice = transform(body, lambda node: Seq((Barrier(), Barrier())) if isinstance(node, Barrier) else None)
    assert isinstance(twice, Seq) and len(twice.body) == 5


def test_rewriting_from_the_top() -> None:
    class Outermost(Rewriter):
        def visit_if(self, stmt: If) -> Stmt:
            return self(stmt.then)

        def visit_const(self, number: Const) -> Expr:
            return Const(int(number.value) * 10)

    x = Var("x")
    nested = If(x < 1, If(x < 2, Store(A, (Const(3),), x + 4)))
    assert str(Outermost()(nested)) == "A[30] = x + 40"


def test_renewed_statements_share_no_variable_and_no_buffer() -> None:
    body = sample().body
    copy = renewed(body)
    assert structural_equal(body, copy)
    assert not set(allocated(body)) & set(allocated(copy))
    bound = [{part.var for part in walk(node) if isinstance(part, For)} for node in (body, copy)]
    assert not bound[0] & bound[1]
