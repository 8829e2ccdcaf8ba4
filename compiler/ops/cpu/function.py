"""Operators as functions on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.lower import lower
from dovetail.compiler.pipeline import cpu_stages, run_all
from dovetail.compiler.tir.stmt import Program

from .operator import Array, CpuOperator


class CpuFunction:
    """A compiled operator: ``function(data, *operator.pack(...), out)``, in place, on row-major arrays.

    Attributes
    ----------
    program:
        After all passes.
    """

    def __init__(self, operator: CpuOperator, threads: int = 1) -> None:
        lowered = lower(operator.schedule, operator.args, name=operator.name)
        self.operator = operator
        self.program: Program = run_all(lowered, cpu_stages())
        self.module = compile_program(self.program, threads=threads)
        self._shapes = operator.shapes

    def __call__(self, *arrays: Array) -> None:
        """Computes the last array from the others.

        Raises
        ------
        ValueError:
            An array has another number of elements, or is not contiguous.
        ArgumentError:
            An array has another dtype, or shares memory with the output.
        """
        self.bind(*arrays)()

    def bind(self, *arrays: Array) -> Callable[[], None]:
        """A call on these arrays, which are checked now and then used in place each time."""
        return self.module.bind(*self.views(arrays))

    def views(self, arrays: Sequence[Array]) -> list[Array]:
        """The arrays in the shapes that the program takes, without copies."""
        return [np.reshape(array, shape, copy=False) for array, shape in zip(arrays, self._shapes, strict=True)]


def build(operator: CpuOperator, threads: int = 1) -> CpuFunction:
    """Lowers and compiles an operator for this machine.

    Parameters
    ----------
    threads:
        How many threads share the work of a call.
    """
    return CpuFunction(operator, threads)
