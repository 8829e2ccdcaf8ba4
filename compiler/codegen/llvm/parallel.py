"""Parallel loops: the body becomes a function, which the threads of a pool call with the iterations that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Buffer, For
from dovetail.compiler.tir.structure import allocated, free_vars, reads, writes
from dovetail.isa.native.pool import PARALLEL_FOR

from .arena import MAIN_BYTES, WORKER_BYTES, Arena
from .builder import FunctionText, Value, constant
from .scope import Scope
from .types import INDEX, POINTER

if TYPE_CHECKING:
    from .statements import Statements

_WORD = 8


def write_parallel(outer: Statements, loop: For) -> None:
    """Appends a parallel loop. Parallel loops inside of it are executed by the thread that comes to them."""
    scope, f = outer.scope, outer.scope.function
    extent = outer.expressions.index(loop.extent).base
    inside = set(allocated(loop))
    buffers = [buffer for buffer in dict.fromkeys((*reads(loop), *writes(loop))) if buffer not in inside]
    variables = list(free_vars(loop))
    captured = [*(scope.buffer(b) for b in buffers), *(scope.variable(v) for v in variables), scope.workspace]
    name = f"{scope.name}.parallel{f.module.number()}"
    closure = f.alloca(INDEX, len(captured), _WORD)
    for place, value in enumerate(captured):
        f.do(f"store {value}, {f.element(closure, INDEX, constant(place))}, align {_WORD}")
    f.module.declare(PARALLEL_FOR, "void", [POINTER, POINTER, POINTER, INDEX])
    f.do(f"call void @{PARALLEL_FOR}({scope.pool}, {POINTER} @{name}, {closure}, {extent})")
    _write_entry(scope, name, [value.type for value in captured])
    _write_body(outer, loop, name, buffers, variables)


def _write_entry(scope: Scope, name: str, types: list[str]) -> None:
    """The function that threads call unpacks the closure for the body, whose parameters may then be noalias."""
    params = [f"{POINTER} %closure", f"{INDEX} %worker", f"{INDEX} %begin", f"{INDEX} %end"]
    f = FunctionText(scope.function.module, name, params, "internal ")
    values = []
    for place, type_ in enumerate(types):
        address = f.element(Value(POINTER, "%closure"), INDEX, constant(place))
        values.append(f.op(type_, f"load {type_}, {address}, align {_WORD}"))
    main = f.op(INDEX, f"load {INDEX}, ptr @{MAIN_BYTES}")
    each = f.op(INDEX, f"load {INDEX}, ptr @{WORKER_BYTES}")
    mine = f.op(INDEX, f"mul {each}, %worker")
    offset = f.op(INDEX, f"add {main}, {mine.text}")
    workspace = f.element(values.pop(), "i8", offset)
    bounds = [Value(INDEX, "%begin"), Value(INDEX, "%end")]
    f.do(f"call void @{name}.body({', '.join(map(str, [*values, workspace, *bounds]))})")
    f.finish()


def _write_body(outer: Statements, loop: For, name: str, buffers: list[Buffer], variables: list[Var]) -> None:
    scope = outer.scope
    params = [f"{POINTER} noalias %b{n}" for n in range(len(buffers))]
    params += [f"{INDEX} %v{n}" for n in range(len(variables))]
    params += [f"{POINTER} noalias %workspace", f"{INDEX} %begin", f"{INDEX} %end"]
    f = FunctionText(scope.function.module, f"{name}.body", params, "internal ", "noinline")
    inner = Scope(
        name=name,
        function=f,
        target=scope.target,
        arena=Arena(),
        workspace=Value(POINTER, "%workspace"),
        threads=1,
        workers=scope.workers,
        pool=scope.pool,
        variables={var: Value(INDEX, f"%v{n}") for n, var in enumerate(variables)},
        buffers={buffer: Value(POINTER, f"%b{n}") for n, buffer in enumerate(buffers)},
    )
    statements = type(outer)(inner)
    with f.loop(Value(INDEX, "%begin"), Value(INDEX, "%end"), loop_properties(loop)) as variable:
        statements.iteration(loop, variable)
    f.finish()
    scope.workers.peak = max(scope.workers.peak, inner.arena.peak)


def loop_properties(loop: For) -> list[str]:
    """What LLVM is told of a loop: the pragma ``unroll`` gives how many iterations to write out."""
    count = int(dict(loop.pragmas).get("unroll", 1))
    return [f'!"llvm.loop.unroll.count", i32 {count}'] if count > 1 else []
