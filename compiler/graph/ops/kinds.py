"""Groups of element types, and shapes that meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.dtypes import SCALARS, is_float, is_integer
from dovetail.compiler.tir.expr import Const, Expr

FLOATS = tuple(dtype for dtype in SCALARS if is_float(dtype))
INTEGERS = tuple(dtype for dtype in SCALARS if is_integer(dtype))
NUMBERS = (*INTEGERS, *FLOATS)
BOOLEANS = ("bool",)


def expect_dtype(op: str, given: TensorType, dtypes: Sequence[str]) -> None:
    """Raises `GraphError` unless the elements of `given` are of one of `dtypes`."""
    if given.dtype not in dtypes:
        raise GraphError(f"{op} takes {' or '.join(dtypes)}, not {given}; cast it")


def expect_axis(op: str, given: TensorType, axis: int) -> None:
    """Raises `GraphError` unless `given` has an axis of that number, counted from 0."""
    if not 0 <= axis < given.rank:
        raise GraphError(f"{op}: {given} has no axis {axis}; its axes are 0 to {given.rank - 1}")


def broadcast(op: str, *types: TensorType) -> tuple[int, ...]:
    """The shape in which operands meet, by NumPy's rules.

    Raises
    ------
    GraphError:
        There is none.
    """
    try:
        return np.broadcast_shapes(*(kind.shape for kind in types))
    except ValueError:
        shapes = " and ".join(str(list(kind.shape)) for kind in types)
        raise GraphError(f"{op}: shapes {shapes} do not broadcast") from None


def broadcast_read(tensor: te.Tensor, at: Sequence[Expr]) -> Expr:
    """The element of `tensor` that a broadcast puts at `at`."""
    sizes = extents(tensor)
    own = at[len(at) - len(sizes) :]
    return tensor[tuple(Const(0) if size == 1 else index for index, size in zip(own, sizes, strict=True))]
