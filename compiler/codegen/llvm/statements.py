"""Statements to LLVM instructions."""

from __future__ import annotations

from dovetail.compiler.tir.dtypes import bits_of
from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import Allocate, Barrier, Buffer, For, If, Invoke, LoopKind, Seq, Stmt, Store

from . import memory
from .arena import ALIGNMENT, STACK_BUFFER_BYTES, STACK_BYTES
from .builder import Value, constant
from .errors import CodegenError
from .expressions import Expressions
from .intrinsics import write_invoke
from .parallel import loop_properties, write_parallel
from .scope import Scope
from .types import POINTER, memory_type

MAX_UNROLLED = 256
"""Iterations that are written out; LLVM's time grows with the square of their number."""


class Statements:
    """Writes statements at the current end of a scope's function."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.expressions = Expressions(scope)

    def write(self, stmt: Stmt) -> None:
        """Appends `stmt`.

        Raises
        ------
        CodegenError:
            It is of a kind that the CPU does not know.
        """
        match stmt:
            case Seq(body=body):
                for part in body:
                    self.write(part)
            case For():
                self._loop(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                at = memory.offset(self.scope, buffer, indices, self.expressions.value)
                memory.store(self.scope, buffer, at, self.expressions.value(value))
            case If(condition=condition, then=then, orelse=orelse):
                held = self.expressions.value(condition)
                if held.lanes > 1:
                    raise CodegenError(f"an if whose condition is a vector cannot be compiled: {condition}")
                otherwise = (lambda: self.write(orelse)) if orelse is not None else None
                self.scope.function.when(held, lambda: self.write(then), otherwise)
            case Allocate(buffer=buffer, body=body):
                self._allocate(buffer, body)
            case Invoke():
                write_invoke(self.scope, self.expressions.value, stmt)
            case Barrier():
                raise CodegenError(
                    "threads of a group meet at a barrier, but a CPU executes them one after the other; use parallel "
                    "instead of bind, and no shared memory"
                )
            case _:
                raise CodegenError(f"a {type(stmt).__name__} cannot be compiled for the CPU: {stmt}")

    def _loop(self, loop: For) -> None:
        scope, f = self.scope, self.scope.function
        if loop.kind is LoopKind.PARALLEL and scope.threads > 1:
            write_parallel(self, loop)
            return
        extent = self.expressions.index(loop.extent).base
        if extent.known is not None and extent.known <= (MAX_UNROLLED if loop.kind is LoopKind.UNROLLED else 1):
            for number in range(int(extent.known)):
                self.iteration(loop, constant(number))
            return
        with f.loop(constant(0), extent, loop_properties(loop)) as variable:
            self.iteration(loop, variable)

    def iteration(self, loop: For, number: Value) -> None:
        """The body of a loop with its variable set."""
        self.scope.variables[loop.var] = number
        self.write(loop.body)
        del self.scope.variables[loop.var]

    def _allocate(self, buffer: Buffer, body: Stmt) -> None:
        scope, f = self.scope, self.scope.function
        element = memory_type(buffer.dtype)
        size = bits_of(buffer.dtype) // 8
        if not all(isinstance(extent, Const) for extent in buffer.shape):
            self._allocate_symbolic(buffer, body)
            return
        count = 1
        for extent in buffer.extents:
            count *= extent
        used = scope.arena.used
        if size * count <= STACK_BUFFER_BYTES and scope.stack + size * count <= STACK_BYTES:
            scope.stack += size * count
            scope.buffers[buffer] = f.alloca(element, max(count, 1), ALIGNMENT)
        else:
            offset = scope.arena.take(size * count)
            scope.buffers[buffer] = f.element(scope.workspace, "i8", constant(offset))
        self.write(body)
        scope.arena.used = used
        del scope.buffers[buffer]

    def _allocate_symbolic(self, buffer: Buffer, body: Stmt) -> None:
        scope, f = self.scope, self.scope.function
        size = constant(bits_of(buffer.dtype) // 8)
        for extent in buffer.shape:
            size = f.mul(size, self.expressions.index(extent).base)
        # aligned_alloc wants a multiple of the alignment.
        padded = f.op("i64", f"and {f.add(size, constant(2 * ALIGNMENT - 1))}, {-ALIGNMENT}")
        f.module.declarations["aligned_alloc"] = "declare noalias ptr @aligned_alloc(i64, i64)"
        f.module.declare("free", "void", [POINTER])
        address = f.op(POINTER, f"call ptr @aligned_alloc(i64 {ALIGNMENT}, {padded})")
        scope.buffers[buffer] = address
        self.write(body)
        f.do(f"call void @free({address})")
        del scope.buffers[buffer]
