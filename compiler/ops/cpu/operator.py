"""An operator that is ready to be lowered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.codegen.llvm.arena import ALIGNMENT
from dovetail.compiler.te import Schedule, Tensor
from dovetail.compiler.tir.expr import Const

Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class CpuOperator:
    """A scheduled tensor expression and what its constants look like.

    Attributes
    ----------
    args:
        What a call takes: the data, the packed constants, then the output. Each is the row-major array of the operator
        with its axes split, so that ``array.reshape(shape)`` is it without a copy.
    packing:
        From the operator's constants, as its documentation lists them, to the packed ones.
    """

    name: str
    schedule: Schedule
    args: tuple[Tensor, ...]
    packing: Callable[..., tuple[Array, ...]]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of `args` in numbers."""
        return tuple(constant_shape(tensor) for tensor in self.args)

    def pack(self, *constants: Array) -> tuple[Array, ...]:
        """The constants as the program reads them, each at the beginning of a cache line.

        Raises
        ------
        OperatorError:
            One has another shape or dtype.
        """
        return tuple(_aligned(array) for array in self.packing(*constants))


def _aligned(array: Array) -> Array:
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    copy: Array = memory[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def constant_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor without symbolic sizes."""
    return tuple(int(extent.value) for extent in tensor.shape if isinstance(extent, Const))
