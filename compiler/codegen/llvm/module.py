"""Programs as functions that are called with NumPy arrays."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cached_property

import numpy as np

from dovetail.compiler.passes.vectorize import vectorize
from dovetail.compiler.tir.stmt import Program
from dovetail.isa.module import MAX_THREADS
from dovetail.isa.native import objects
from dovetail.isa.native.pool import pool

from . import jit, pipeline
from .arena import ALIGNMENT
from .arguments import Arguments, Array
from .errors import CodegenError
from .functions import CompiledText, write_module
from .target import CpuTarget, resolve


class LlvmModule:
    """A compiled program.

    Attributes
    ----------
    name:
        Of the program, and the symbol of its function.
    workspace_bytes:
        Bytes of memory that a call needs besides its arguments.
    """

    def __init__(self, program: Program, target: CpuTarget, threads: int) -> None:
        self.program = program
        self.target = target
        self.threads = threads
        self.name = program.name
        self._text: CompiledText = write_module(program, target, threads)
        self._arguments = Arguments(program)
        self._lock = threading.Lock()

    @property
    def workspace_bytes(self) -> int:
        return self._text.workspace

    @property
    def source(self) -> str:
        """LLVM's assembly language as generated."""
        return self._text.text

    @property
    def ir(self) -> str:
        """LLVM's assembly language, optimised."""
        return str(pipeline.optimise(self.source, self.target))

    @property
    def assembly(self) -> str:
        """The target's assembly language."""
        return pipeline.assembly(self.source, self.target)

    def object_code(self) -> bytes:
        """An object file, position-independent, whose one symbol is the program's name; see `functions`."""
        return jit.object_for(self.source, self.target)

    def __call__(self, *arrays: Array) -> None:
        """Runs the program on C-contiguous arrays, in place. One call of a module runs at a time.

        Raises
        ------
        ArgumentError:
            An array has another dtype or shape than its parameter, is not contiguous, or shares memory with an output.
        CodegenError:
            The module is for another processor.
        """
        self.bind(*arrays)()

    def bind(self, *arrays: Array) -> Callable[[], None]:
        """A call on these arrays, which are checked now and then used in place each time; see `__call__`."""
        words = [*self._arguments.bind(arrays), self._workspace, self._pool]
        entry = self._entry

        def call(kept: tuple[Array, ...] = arrays) -> None:
            with self._lock:
                entry(*words)

        return call

    @cached_property
    def _entry(self) -> ctypes._CFunctionType:
        if not self.target.is_host:
            raise CodegenError(
                f"{self.name} is compiled for {self.target.name} and cannot be called here; use object_code"
            )
        _ = self._pool  # it defines a symbol that the object needs
        self._code = objects.load([self.object_code()])
        arguments = [ctypes.c_void_p] * len(self.program.params)
        arguments += [ctypes.c_int64] * len(self.program.sizes)  # type: ignore[list-item]
        kind = ctypes.CFUNCTYPE(None, *arguments, ctypes.c_void_p, ctypes.c_void_p)
        return kind(self._code.address_of(self.name))

    @cached_property
    def _workspace(self) -> int:
        self._memory = np.empty(self.workspace_bytes + ALIGNMENT, np.uint8)
        return -(-self._memory.ctypes.data // ALIGNMENT) * ALIGNMENT

    @cached_property
    def _pool(self) -> int | None:
        return pool(self.threads) if self.threads > 1 else None


def compile_program(program: Program, *, target: str | CpuTarget = "host", threads: int = 1) -> LlvmModule:
    """Compiles a program of the generic dialect for a CPU.

    Vectorized loops become vectors, unrolled ones of few iterations are written out, parallel ones are shared by
    threads; loops of other kinds are executed one iteration after the other.

    Parameters
    ----------
    target:
        ``host``, one of `target.TARGETS`, or a `CpuTarget`.
    threads:
        How many threads share the iterations of parallel loops.

    Raises
    ------
    CodegenError:
        The program holds something that the CPU does not know, or there is no such target.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise CodegenError(f"threads must be between 1 and {MAX_THREADS}, not {threads}")
    return LlvmModule(vectorize(program), resolve(target), threads)
