"""Types of tensors in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.dtypes import TypeMismatch, check_scalar, numpy_dtype

from .errors import GraphError

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorType:
    """A shape in numbers and the type of the elements, of those in `compiler.tir.dtypes`.

    Raises
    ------
    GraphError:
        There is no such type of elements, or an extent is negative.
    """

    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(extent) for extent in self.shape))
        try:
            check_scalar(self.dtype)
        except TypeMismatch as error:
            raise GraphError(str(error)) from None
        if any(extent < 0 for extent in self.shape):
            raise GraphError(f"extents are at least 0, not {list(self.shape)}")

    @classmethod
    def of(cls, array: Array) -> TensorType:
        """The type of an array."""
        return cls(array.shape, array.dtype.name)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements there are."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        return numpy_dtype(self.dtype)

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"
