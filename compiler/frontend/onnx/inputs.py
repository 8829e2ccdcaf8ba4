"""Inputs of a model: their shapes in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import GraphProto, TypeProto, ValueInfoProto

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.graph.types import TensorType

from .limits import Unsupported, check_shape
from .tensors import element_type, type_name

BATCH = ("", "N", "n", "B", "batch", "batch_size", "batchsize", "None", "?")
"""Names of a first dimension that is 1 where nothing else is said."""


def input_types(
    graph: GraphProto, label: str, shapes: Mapping[str, Sequence[int]]
) -> dict[str, TensorType | Unsupported]:
    """The type of each input that is no initializer; why there is none where its elements are unsupported.

    Raises
    ------
    FrontendError:
        A dimension is not fixed, or fixed otherwise than the model says; `shapes` names what is no input.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    names = [value.name for value in inputs]
    for name in shapes:
        if name not in names:
            raise FrontendError(f"{label}: shapes names {name!r}; the inputs are {', '.join(names) or 'none'}")
    symbols: dict[str, int] = {}
    for value in inputs:
        if value.name in shapes:
            _bind(value, shapes[value.name], symbols, label)
    found: dict[str, TensorType | Unsupported] = {}
    for value in inputs:
        try:
            found[value.name] = _type(value, shapes.get(value.name), symbols)
        except Unsupported as error:
            found[value.name] = error
        except FrontendError as error:
            raise FrontendError(f"{label}: {error}") from None
    return found


def _type(value: ValueInfoProto, given: Sequence[int] | None, symbols: Mapping[str, int]) -> TensorType:
    what = f"input {value.name!r}"
    dtype = _dtype(value.type, what)
    shape = _shape(value, given, symbols)
    check_shape(shape, np.dtype(dtype).itemsize, what)
    return TensorType(shape, dtype)


def _dtype(kind: TypeProto, what: str) -> str:
    if kind.WhichOneof("value") != "tensor_type":
        raise Unsupported(f"{what} is a {type_name(kind)}; only tensors are supported")
    return element_type(kind.tensor_type.elem_type, what)


def _bind(value: ValueInfoProto, shape: Sequence[int], symbols: dict[str, int], label: str) -> None:
    """Takes the numbers of symbolic dimensions from a shape that is given."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return
    if len(shape) != len(tensor.shape.dim):
        raise FrontendError(
            f"{label}: input {value.name!r} has {len(tensor.shape.dim)} dimensions; shapes gives {list(shape)}"
        )
    for place, (dim, size) in enumerate(zip(tensor.shape.dim, shape, strict=True)):
        if dim.HasField("dim_value") and dim.dim_value != size:
            raise FrontendError(
                f"{label}: dimension {place} of input {value.name!r} is {dim.dim_value}; shapes gives {size}"
            )
        if dim.dim_param and symbols.setdefault(dim.dim_param, int(size)) != size:
            raise FrontendError(
                f"{label}: dimension {dim.dim_param!r} is {symbols[dim.dim_param]} elsewhere; "
                f"shapes gives {size} for input {value.name!r}"
            )


def _shape(value: ValueInfoProto, given: Sequence[int] | None, symbols: Mapping[str, int]) -> tuple[int, ...]:
    if given is not None:
        return tuple(int(size) for size in given)
    tensor = value.type.tensor_type
    way_out = f"give all of its shape: shapes={{{value.name!r}: [...]}}, or --shape {value.name}=N,N,..."
    if not tensor.HasField("shape"):
        raise FrontendError(f"input {value.name!r} has no shape; {way_out}")
    sizes: list[int] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            sizes.append(dim.dim_value)
        else:
            sizes.append(symbols.get(dim.dim_param, -1))
    open_places = [place for place, dim in enumerate(tensor.shape.dim) if not dim.HasField("dim_value")]
    unknown = [place for place in open_places if tensor.shape.dim[place].dim_param not in symbols]
    if unknown == [0] and tensor.shape.dim[0].dim_param in BATCH:
        sizes[0] = 1
        return tuple(sizes)
    for place in unknown:
        name = tensor.shape.dim[place].dim_param
        called = f" ({name!r})" if name else ""
        raise FrontendError(f"dimension {place}{called} of input {value.name!r} is not fixed; {way_out}")
    return tuple(sizes)


def declared_types(graph: GraphProto) -> dict[str, TensorType]:
    """The types that the model itself gives for values between nodes, as far as they are whole and supported."""
    found: dict[str, TensorType] = {}
    for value in graph.value_info:
        dims = value.type.tensor_type.shape.dim
        if not value.type.tensor_type.HasField("shape") or not all(dim.HasField("dim_value") for dim in dims):
            continue
        try:
            found[value.name] = _type(value, None, {})
        except (Unsupported, FrontendError):
            continue
    return found
