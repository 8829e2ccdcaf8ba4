"""Element types by name: ``int8`` ... ``int64``, ``uint8`` ... ``uint64``, ``bool``, ``float32`` and ``float64``;
vectors such as ``float32x16``."""

from __future__ import annotations

import numpy as np

FLOATS = ("float32", "float64")
SCALARS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", *FLOATS)
"""In the order in which they are wider."""
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
    return scalar_of(dtype) in FLOATS


def is_integer(dtype: str) -> bool:
    return scalar_of(dtype) not in ("bool", *FLOATS)


def is_signed(dtype: str) -> bool:
    """Whether it has negative numbers."""
    return not scalar_of(dtype).startswith(("u", "bool"))


def bits_of(dtype: str) -> int:
    """Bits of one element."""
    return int(np.dtype(scalar_of(dtype)).itemsize * 8)


def numpy_dtype(dtype: str) -> np.dtype:
    return np.dtype(scalar_of(dtype))


def limits(dtype: str) -> tuple[int, int]:
    """Lowest and highest value of an integer type."""
    info = np.iinfo(numpy_dtype(dtype))
    return int(info.min), int(info.max)


def promoted(one: str, other: str) -> str:
    """The type in which two operands meet: the wider one, floats above all integers.

    Raises
    ------
    TypeMismatch:
        An unsigned integer with a signed one that is not wider, which need a cast, or vectors of different lengths.
    """
    if one == other:
        return one
    if _apart(one, other) or _apart(other, one):
        raise TypeMismatch(f"{one} and {other} do not meet in either; cast one of them, to a wider type for instance")
    lanes = {lanes_of(one), lanes_of(other)} - {1}
    if len(lanes) > 1:
        raise TypeMismatch(f"{one} and {other} have different lanes")
    wider = max(scalar_of(one), scalar_of(other), key=_RANK.__getitem__)
    return vector_of(wider, lanes.pop() if lanes else 1)


def _apart(unsigned: str, signed: str) -> bool:
    integers = is_integer(unsigned) and is_integer(signed)
    return integers and not is_signed(unsigned) and is_signed(signed) and bits_of(signed) <= bits_of(unsigned)
