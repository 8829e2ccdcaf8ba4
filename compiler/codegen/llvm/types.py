"""LLVM's types for dtypes, and constants as LLVM writes them."""

from __future__ import annotations

import struct

import numpy as np

from dovetail.compiler.tir.dtypes import bits_of, is_float, lanes_of, scalar_of
from dovetail.compiler.tir.expr import Number

POINTER = "ptr"
INDEX = "i64"
BOOL = "i1"


def element_type(dtype: str) -> str:
    """The type of one element in a register: ``float`` for ``float32x16``."""
    if is_float(dtype):
        return "float" if bits_of(dtype) == 32 else "double"
    return BOOL if scalar_of(dtype) == "bool" else f"i{bits_of(dtype)}"


def register_type(dtype: str) -> str:
    """The type of a value in a register: ``<16 x float>`` for ``float32x16``."""
    return vector(element_type(dtype), lanes_of(dtype))


def memory_type(dtype: str) -> str:
    """The type of one element in memory, where a boolean takes a byte."""
    return "i8" if scalar_of(dtype) == "bool" else element_type(dtype)


def vector(element: str, lanes: int) -> str:
    """``<16 x float>`` for ``float`` and 16, ``float`` for ``float`` and 1."""
    return f"<{lanes} x {element}>" if lanes > 1 else element


def element_of(type_: str) -> str:
    """``float`` for ``<16 x float>``."""
    return type_.split(" x ")[1][:-1] if type_.startswith("<") else type_


def lanes_of_type(type_: str) -> int:
    """16 for ``<16 x float>``, 1 for ``float``."""
    return int(type_[1:].split(" x ")[0]) if type_.startswith("<") else 1


def suffix(type_: str) -> str:
    """How the names of overloaded intrinsics spell a type: ``v16f32``, ``i64``, ``v16p0``."""
    element = {"float": "f32", "double": "f64", "ptr": "p0"}.get(element_of(type_), element_of(type_))
    return f"v{lanes_of_type(type_)}{element}" if type_.startswith("<") else element


def constant_text(value: Number, type_: str) -> str:
    """A number as a constant of `type_`; of a vector, in every lane."""
    element = element_of(type_)
    if element in ("float", "double"):
        number = float(np.float32(value)) if element == "float" else float(value)
        text = f"0x{struct.unpack('>Q', struct.pack('>d', number))[0]:016X}"
    elif element == BOOL:
        text = "true" if value else "false"
    else:
        text = str(int(value))
    return f"splat ({element} {text})" if type_.startswith("<") else text
