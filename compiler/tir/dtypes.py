"""Element types by name: ``int8`` ... ``int64``, ``uint8``, ``bool``, ``float32``; vectors such as ``float32x16``."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

SCALARS = ("bool", "int8", "uint8", "int16", "int32", "int64", "float32")
INDEX = "int32"
"""The type of loop variables and indices."""

_RANK = {name: rank for rank, name in enumerate(SCALARS)}


class TypeMismatch(TypeError):
    """A dtype is unknown, or an operator cannot take operands of these types."""


def check_dtype(dtype: str) -> str:
    """`dtype`, if it is known.

    Raises
    ------
    TypeMismatch:
        It is not.
    """
    check_scalar(scalar_of(dtype) if isinstance(dtype, str) else dtype)
    return dtype


def check_scalar(dtype: object) -> None:
    """Raises `TypeMismatch` if `dtype` is no type of single elements, by name."""
    if dtype not in SCALARS:
        raise TypeMismatch(f"no dtype {dtype!r}; use one of {', '.join(SCALARS)}")


def scalar_of(dtype: str) -> str:
    """``float32`` for ``float32x16``."""
    return dtype.partition("x")[0]


def lanes_of(dtype: str) -> int:
    """16 for ``float32x16``, 1 for a scalar."""
    return int(dtype.partition("x")[2] or 1)


def vector_of(dtype: str, lanes: int) -> str:
    """``float32x16`` for ``float32`` and 16."""
    return f"{scalar_of(dtype)}x{lanes}" if lanes > 1 else scalar_of(dtype)


def is_float(dtype: str) -> bool:
    return scalar_of(dtype) == "float32"


def is_integer(dtype: str) -> bool:
    return scalar_of(dtype) not in ("float32", "bool")


def bits_of(dtype: str) -> int:
    """Bits of one element."""
    return int(np.dtype(scalar_of(dtype)).itemsize * 8)


def numpy_dtype(dtype: str) -> np.dtype:
    return np.dtype(scalar_of(dtype))


def dtype_name(dtype: DTypeLike) -> str:
    """The name of a NumPy dtype.

    Raises
    ------
    TypeMismatch:
        The compiler has no such type.
    """
    return check_dtype(np.dtype(dtype).name)


def limits(dtype: str) -> tuple[int, int]:
    """Lowest and highest value of an integer type."""
    info = np.iinfo(numpy_dtype(dtype))
    return int(info.min), int(info.max)


def promoted(one: str, other: str) -> str:
    """The type in which two operands meet: the wider one, float32 above all integers.

    Raises
    ------
    TypeMismatch:
        uint8 with int8, which need a cast, or vectors of different lengths.
    """
    if one == other:
        return one
    if {scalar_of(one), scalar_of(other)} == {"uint8", "int8"}:
        raise TypeMismatch(f"{one} and {other} do not meet in either; cast one of them, to int16 or int32 for instance")
    lanes = {lanes_of(one), lanes_of(other)} - {1}
    if len(lanes) > 1:
        raise TypeMismatch(f"{one} and {other} have different lanes")
    wider = max(scalar_of(one), scalar_of(other), key=_RANK.__getitem__)
    return vector_of(wider, lanes.pop() if lanes else 1)
