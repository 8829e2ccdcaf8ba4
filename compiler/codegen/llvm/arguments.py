"""The arrays of a call: that they fit the program, and the sizes that they determine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.arith import evaluate
from dovetail.compiler.tir.dtypes import numpy_dtype
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Var
from dovetail.compiler.tir.stmt import Buffer, Program
from dovetail.compiler.tir.structure import writes

from .errors import ArgumentError, CodegenError

Array = NDArray[np.generic]


class Arguments:
    """Checks the arguments of one program."""

    def __init__(self, program: Program) -> None:
        self.params = program.params
        self.sizes = program.sizes
        written = set(writes(program.body))
        self.outputs = tuple(place for place, param in enumerate(program.params) if param in written)
        self._dtypes = [numpy_dtype(param.dtype) for param in program.params]
        self._fixed = [_extents(param) for param in program.params]
        missing = set(program.sizes) - {extent for param in program.params for extent in param.shape}
        for size in missing:
            raise CodegenError(f"size {size.name} of {program.name} is no extent of a parameter, so it cannot be known")

    def bind(self, arrays: Sequence[Array]) -> list[int]:
        """Addresses and sizes, as the compiled function takes them.

        Raises
        ------
        ArgumentError:
            An array has another dtype or shape, is not contiguous, or shares memory with one that is written.
        """
        if len(arrays) != len(self.params):
            names = ", ".join(param.name for param in self.params)
            raise ArgumentError(f"{len(self.params)} arrays are needed ({names}), not {len(arrays)}")
        addresses, sizes = [], dict[Var, int]()
        for place, array in enumerate(arrays):
            if not isinstance(array, np.ndarray):
                raise ArgumentError(f"{self._named(place)} is to be a NumPy array, not {type(array).__name__}")
            if array.dtype != self._dtypes[place]:
                raise ArgumentError(
                    f"{self._named(place)} is to be {self._dtypes[place]}, not {array.dtype}; use astype"
                )
            if array.shape != self._fixed[place]:
                self._match(place, array.shape, sizes)
            if not array.flags.c_contiguous:
                raise ArgumentError(f"{self._named(place)} is not contiguous; pass numpy.ascontiguousarray of it")
            if place in self.outputs and not array.flags.writeable:
                raise ArgumentError(f"{self._named(place)} is written, but it is read-only; pass a copy")
            addresses.append(array.__array_interface__["data"][0])
        for place, param in enumerate(self.params):
            if self._fixed[place] is None:
                shape = tuple(_evaluate(extent, sizes) for extent in param.shape)
                if arrays[place].shape != shape:
                    raise ArgumentError(f"{self._named(place)} is to have shape {shape}, not {arrays[place].shape}")
        self._apart(arrays, addresses)
        return [*addresses, *(sizes[size] for size in self.sizes)]

    def _named(self, place: int) -> str:
        return f"argument {place + 1} ({self.params[place].name})"

    def _match(self, place: int, shape: tuple[int, ...], sizes: dict[Var, int]) -> None:
        wanted = self.params[place].shape
        fits = self._fixed[place] is None and len(shape) == len(wanted)
        if not fits:
            text = "(" + ", ".join(str(extent) for extent in wanted) + ("," if len(wanted) == 1 else "") + ")"
            raise ArgumentError(f"{self._named(place)} is to have shape {text}, not {shape}")
        for extent, actual in zip(wanted, shape, strict=True):
            if isinstance(extent, Var):
                sizes.setdefault(extent, actual)

    def _apart(self, arrays: Sequence[Array], addresses: Sequence[int]) -> None:
        for output in self.outputs:
            begin = addresses[output]
            end = begin + arrays[output].nbytes
            for other, address in enumerate(addresses):
                if other != output and address < end and begin < address + arrays[other].nbytes:
                    raise ArgumentError(
                        f"{self._named(output)} is written and shares memory with {self._named(other)}; pass a copy"
                    )


def _extents(param: Buffer) -> tuple[int, ...] | None:
    return param.extents if all(isinstance(extent, Const) for extent in param.shape) else None


def _evaluate(expr: Expr, sizes: dict[Var, int]) -> int:
    match expr:
        case Const(value=value):
            return int(value)
        case Var():
            return sizes[expr]
        case Cast(a=a):
            return _evaluate(a, sizes)
        case Binary(op=op, a=a, b=b):
            return int(evaluate(op, _evaluate(a, sizes), _evaluate(b, sizes), expr.dtype))
    raise CodegenError(f"a shape cannot hold {expr}")
