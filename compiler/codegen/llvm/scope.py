"""What is known at one place of a function that is being written."""

from __future__ import annotations

from dataclasses import dataclass, field

from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Buffer

from .arena import Arena
from .builder import FunctionText, Value
from .errors import CodegenError
from .target import CpuTarget


@dataclass
class Scope:
    """The function, its target, and the values of variables and buffers.

    Attributes
    ----------
    arena, workspace:
        The places in the workspace of this thread, and its address.
    threads:
        How many threads may execute a parallel loop here.
    workers:
        The arena that each of the threads of a parallel loop has, and the workspace of the first.
    pool:
        The address of the thread pool.
    variables:
        Their values, of type i64.
    buffers:
        Their addresses.
    stack:
        Bytes of this function's stack that buffers take.
    """

    name: str
    function: FunctionText
    target: CpuTarget
    arena: Arena
    workspace: Value
    threads: int
    workers: Arena
    pool: Value
    variables: dict[Var, Value] = field(default_factory=dict)
    buffers: dict[Buffer, Value] = field(default_factory=dict)
    stack: int = 0

    def variable(self, var: Var) -> Value:
        """Its value.

        Raises
        ------
        CodegenError:
            It is not bound here.
        """
        if var not in self.variables:
            raise CodegenError(f"variable {var.name} is used outside of its loop")
        return self.variables[var]

    def buffer(self, buffer: Buffer) -> Value:
        """Its address.

        Raises
        ------
        CodegenError:
            It is not allocated here.
        """
        if buffer not in self.buffers:
            raise CodegenError(f"buffer {buffer.name} is neither a parameter nor allocated where it is used")
        return self.buffers[buffer]
