"""Tensors in model files as NumPy arrays."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.graph.types import Array
from dovetail.compiler.tir.dtypes import SCALARS

from .limits import Unsupported, check_shape

LONGEST_NAME = 100
"""Characters of a file's name in a message."""
_PACKED = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
}
"""Fields that hold elements of a type where they are not raw; all others are in int32_data."""


def element_type(code: int, what: str) -> str:
    """The name of an element type.

    Raises
    ------
    Unsupported:
        The compiler has no such type.
    FrontendError:
        Nor has ONNX.
    """
    if code not in TensorProto.DataType.values() or code == TensorProto.UNDEFINED:
        raise FrontendError(f"{what} has the element type {code}, which ONNX does not define")
    name = TensorProto.DataType.Name(code).lower()
    known = "string" if code == TensorProto.STRING else np.dtype(helper.tensor_dtype_to_np_dtype(code)).name
    if known not in SCALARS:
        raise Unsupported(f"dtype {name} of {what} is unsupported; supported are {', '.join(SCALARS)}")
    return known


def read_tensor(tensor: TensorProto, what: str, folder: Path | None) -> Array:
    """The elements of a tensor.

    Parameters
    ----------
    what:
        How messages call it.
    folder:
        Of the model's file, where its external data are; None where there is no file.

    Raises
    ------
    FrontendError:
        Its shape is absurd, its data are of another size, or they are outside of the model's folder.
    Unsupported:
        The compiler has no such elements.
    """
    shape = tuple(tensor.dims)
    check_shape(shape, 1, what)
    dtype = np.dtype(element_type(tensor.data_type, what))
    check_shape(shape, dtype.itemsize, what)
    if tensor.HasField("segment"):
        raise Unsupported(f"{what} is in segments; only whole tensors are supported")
    size = prod(shape)
    if tensor.data_location == TensorProto.EXTERNAL:
        return _external(tensor, dtype, size, what, folder).reshape(shape)
    if tensor.HasField("raw_data"):
        given, wanted, unit = len(tensor.raw_data), size * dtype.itemsize, "bytes"
    else:
        given, wanted, unit = len(getattr(tensor, _PACKED.get(dtype.name, "int32_data"))), size, "elements"
    if given != wanted:
        raise FrontendError(f"{what} holds {given} {unit}; its shape {list(shape)} of {dtype} needs {wanted}")
    array = np.asarray(numpy_helper.to_array(tensor))
    return np.ascontiguousarray(array, dtype).reshape(shape)


def _external(tensor: TensorProto, dtype: np.dtype, size: int, what: str, folder: Path | None) -> Array:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FrontendError(f"{what} has its data in the file {location!r}; give the model by its path, to find that")
    home = folder.resolve()
    shown = repr(location if len(location) <= LONGEST_NAME else f"{location[:LONGEST_NAME]}...")
    try:
        path = (home / location).resolve()
        inside = bool(location) and not Path(location).is_absolute() and path.is_relative_to(home)
        if not inside:
            raise FrontendError(f"{what} has its data in {shown}, which is outside of the model's folder")
        if not path.is_file():
            raise FrontendError(f"{what} has its data in {shown}, which is no file in the model's folder")
        there = path.stat().st_size
    except (OSError, ValueError) as error:
        if isinstance(error, FrontendError):
            raise
        raise FrontendError(f"{what} has its data in {shown}, which cannot be read: {_why(error)}") from None
    offset = _number(entries.get("offset", "0"), "offset", what)
    wanted = size * dtype.itemsize
    length = _number(entries.get("length", str(wanted)), "length", what)
    if length != wanted or offset + length > there:
        raise FrontendError(
            f"{what} needs {wanted} bytes; its external data are {length} bytes from {offset} of {shown}, "
            f"which has {there}"
        )
    try:
        return np.fromfile(path, dtype.newbyteorder("<"), size, offset=offset).astype(dtype, copy=False)
    except OSError as error:
        raise FrontendError(f"{what} has its data in {shown}, which cannot be read: {_why(error)}") from None


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _number(text: str, key: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise FrontendError(f"{what}: the {key} of its external data must be a number, not {text!r}")
    return int(text)


def type_name(kind: onnx.TypeProto) -> str:
    """Which of ONNX's types it is: tensor, sequence, ..."""
    return str(kind.WhichOneof("value") or "unknown").removesuffix("_type").replace("_", " ")
