"""What the interpreter keeps of a buffer: its elements, and which of them have been written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dtypes import lanes_of, numpy_dtype
from .expr import Number

Array = NDArray[Any]
Index = int | NDArray[np.int64]
Box = tuple[tuple[int, int, int], ...]
"""Begin, extent and step an axis, in numbers."""


class InterpreterError(ValueError):
    """The program does what it must not, or does not take these arrays."""


@dataclass(eq=False)
class Memory:
    """The elements of a buffer.

    Attributes
    ----------
    written:
        Which elements have a value; None if all had one from the start.
    """

    name: str
    array: Array
    written: NDArray[np.bool_] | None = None

    @classmethod
    def garbage(cls, name: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> Memory:
        """Fresh memory: random bits, none of them written."""
        numpy_type = numpy_dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * numpy_type.itemsize
        if numpy_type == np.bool_:
            elements: Array = rng.integers(0, 2, shape).astype(np.bool_)
        else:
            elements = np.frombuffer(rng.bytes(size), numpy_type).reshape(shape).copy()
        return cls(name, elements, np.zeros(shape, np.bool_))

    def check(self, index: Sequence[Index]) -> None:
        """Raises `InterpreterError` if an index is outside."""
        for axis, (place, extent) in enumerate(zip(index, self.array.shape, strict=True)):
            low, high = (int(place.min()), int(place.max())) if isinstance(place, np.ndarray) else (place, place)
            if low < 0 or high >= extent:
                raise InterpreterError(
                    f"{self.name}{_index_text(index)} is outside of axis {axis} of {self.name}, "
                    f"whose shape is {self.array.shape}"
                )

    def element(self, index: tuple[int, ...]) -> Any:
        """An element as a Python number."""
        for place, extent in zip(index, self.array.shape, strict=True):
            if not 0 <= place < extent:
                self.check(index)
        if self.written is not None and not self.written.item(*index):
            raise InterpreterError(f"{self.name}{_index_text(index)} is read before it is written")
        return self.array.item(*index)

    def gather(self, index: tuple[Index, ...]) -> Array:
        """Several elements."""
        self.check(index)
        if self.written is not None and not self.written[index].all():
            raise InterpreterError(f"{self.name}{_index_text(index)} is read before it is written")
        elements: Array = self.array[index]
        return elements

    def store(self, index: tuple[Index, ...], value: Any) -> None:
        """Writes one element, or several where an index is an array."""
        self.check(index)
        self.array[index] = value
        if self.written is not None:
            self.written[index] = True

    def view(self, box: Box, output: bool) -> Array:
        """A box of the elements, of which a change changes the memory.

        Parameters
        ----------
        output:
            It need not have been written before, and is then.
        """
        slices = []
        for axis, ((begin, extent, step), limit) in enumerate(zip(box, self.array.shape, strict=True)):
            if begin < 0 or extent < 1 or begin + (extent - 1) * step >= limit:
                raise InterpreterError(
                    f"{extent} elements from {begin}, {step} apart, are not all in axis {axis} of {self.name}, "
                    f"whose shape is {self.array.shape}"
                )
            slices.append(slice(begin, begin + (extent - 1) * step + 1, step))
        place = tuple(slices)
        if self.written is not None:
            if output:
                self.written[place] = True
            elif not self.written[place].all():
                raise InterpreterError(f"{self.name}{_box_text(box)} is read before all of it is written")
        view: Array = self.array[place]
        return view

    def padded(self, box: Box, padding: Number) -> Array:
        """A copy of a box, which may lie outside of the memory in part: there it is `padding`."""
        places, inside = [], []
        for (begin, extent, step), limit in zip(box, self.array.shape, strict=True):
            place = begin + step * np.arange(max(extent, 0))
            valid = (place >= 0) & (place < limit)
            inside.append(valid)
            places.append(np.where(valid, place, 0))
        everywhere = reduce(np.logical_and, np.meshgrid(*inside, indexing="ij"), np.True_)
        found = np.zeros(tuple(len(valid) for valid in inside), self.array.dtype)
        found[...] = padding
        if not np.any(everywhere):
            return found
        grid = np.ix_(*places)
        if self.written is not None and not np.all(self.written[grid] | ~everywhere):
            raise InterpreterError(f"{self.name}{_box_text(box)} is read before all of it is written")
        return np.where(everywhere, self.array[grid], found)


def broadcast(value: Any, dtype: str) -> Any:
    """A number in all lanes of a vector `dtype`; a vector, or a number of a scalar type, as it is."""
    lanes = lanes_of(dtype)
    if lanes == 1 or isinstance(value, np.ndarray):
        return value
    return np.full(lanes, value, numpy_dtype(dtype))


def _index_text(index: Sequence[Index]) -> str:
    return "".join(f"[{part}]" for part in index)


def _box_text(box: Box) -> str:
    return "".join(f"[{begin}:{begin + extent * step}{f':{step}' if step != 1 else ''}]" for begin, extent, step in box)
