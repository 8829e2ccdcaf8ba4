"""Operators on single elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.ops.operator import extents
from dovetail.compiler.tir.dtypes import TypeMismatch, check_scalar, is_float, is_integer, limits, numpy_dtype
from dovetail.compiler.tir.expr import Expr, Number

from .binary_functions import BINARY, EXPONENTS, BinaryFunction
from .kinds import BOOLEANS, NUMBERS, broadcast, broadcast_read, expect_dtype
from .unary_functions import UNARY, UnaryFunction


@dataclass(frozen=True, kw_only=True)
class _Function(Op):
    """A function of elements, which is also the operator's name.

    Attributes
    ----------
    function:
        One of `functions`.
    """

    functions: ClassVar[Mapping[str, UnaryFunction | BinaryFunction]]

    function: str

    def __post_init__(self) -> None:
        if self.function not in self.functions:
            takes = "one operand" if self.operands[0] == 1 else "two operands"
            known = ", ".join(self.functions)
            raise GraphError(f"{self.function!r} is no function of {takes}; use one of {known}")

    @property
    def name(self) -> str:
        return self.function

    def attributes(self) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class Unary(_Function):
    """A function of each element, one of `unary_functions.UNARY`."""

    functions: ClassVar[Mapping[str, UnaryFunction | BinaryFunction]] = UNARY

    @property
    def meaning(self) -> UnaryFunction:
        return UNARY[self.function]

    def infer(self, *types: TensorType) -> TensorType:
        expect_dtype(self.name, types[0], self.meaning.dtypes)
        return TensorType(types[0].shape, "bool" if self.meaning.test else types[0].dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data = np.asarray(arrays[0])
        with np.errstate(all="ignore"):
            result = np.asarray(self.meaning.numpy(data))
        return result.astype(bool if self.meaning.test else data.dtype, copy=False)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        return te.compute(data.shape, lambda *at: self.meaning.expr(data[at]), name=_identifier(self.function))


@dataclass(frozen=True, kw_only=True)
class Binary(_Function):
    """A function of two elements, one of `binary_functions.BINARY`; shapes broadcast as in NumPy.

    Both operands are of one type, but for the exponent of ``pow``, which may be any number.
    """

    operands: ClassVar[tuple[int, int | None]] = (2, 2)
    functions: ClassVar[Mapping[str, UnaryFunction | BinaryFunction]] = BINARY

    @property
    def meaning(self) -> BinaryFunction:
        return BINARY[self.function]

    def infer(self, *types: TensorType) -> TensorType:
        one, other = types
        expect_dtype(self.name, one, self.meaning.dtypes)
        if self.function == "pow":
            expect_dtype(f"the exponent of {self.name}", other, EXPONENTS)
        elif one.dtype != other.dtype:
            raise GraphError(f"{self.name} takes operands of one type, not {one} and {other}; cast one of them")
        return TensorType(broadcast(self.name, one, other), "bool" if self.meaning.test else one.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            result = np.asarray(self.meaning.numpy(*arrays))
        return result.astype(bool if self.meaning.test else arrays[0].dtype, copy=False)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        one, other = tensors

        def element(*at: Expr) -> Expr:
            return self.meaning.expr(broadcast_read(one, at), broadcast_read(other, at))

        return te.compute(_meeting(*tensors), element, name=_identifier(self.function))


@dataclass(frozen=True, kw_only=True)
class Where(Op):
    """The second operand where the first, of booleans, holds, else the third; shapes broadcast as in NumPy."""

    operands: ClassVar[tuple[int, int | None]] = (3, 3)

    def infer(self, *types: TensorType) -> TensorType:
        condition, one, other = types
        expect_dtype(f"the condition of {self.name}", condition, BOOLEANS)
        if one.dtype != other.dtype:
            raise GraphError(f"{self.name} takes operands of one type, not {one} and {other}; cast one of them")
        return TensorType(broadcast(self.name, *types), one.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        return np.where(*arrays)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        def element(*at: Expr) -> Expr:
            condition, one, other = (broadcast_read(tensor, at) for tensor in tensors)
            return te.select(condition, one, other)

        return te.compute(_meeting(*tensors), element, name="chosen")


@dataclass(frozen=True, kw_only=True)
class Cast(Op):
    """Each element as another type.

    Floats are cut towards zero; what int64 cannot hold, nor uint64 where it goes to that, becomes its nearest limit and
    not-a-number 0, then integers wrap. As a boolean all but 0 is true.
    """

    dtype: str

    def __post_init__(self) -> None:
        try:
            check_scalar(self.dtype)
        except TypeMismatch as error:
            raise GraphError(str(error)) from None

    def infer(self, *types: TensorType) -> TensorType:
        return TensorType(types[0].shape, self.dtype)

    def evaluate(self, *arrays: Array) -> Array:
        data, target = arrays[0], numpy_dtype(self.dtype)
        with np.errstate(all="ignore"):
            if is_float(data.dtype.name) and is_integer(self.dtype):
                whole = _whole(data, "int64").astype(target)
                return np.where(data > 0, _whole(data, "uint64"), whole) if self.dtype == "uint64" else whole
            return np.asarray(data.astype(target))

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        return te.compute(data.shape, lambda *at: te.cast(self.dtype, data[at]), name="converted")


@dataclass(frozen=True, kw_only=True)
class Clip(Op):
    """Each number, but at least `minimum` and at most `maximum`, where they are given; not-a-number stays."""

    minimum: Number | None = None
    maximum: Number | None = None

    def infer(self, *types: TensorType) -> TensorType:
        expect_dtype(self.name, types[0], NUMBERS)
        return types[0]

    def bounds(self, dtype: str) -> tuple[Number | None, Number | None]:
        """The bounds as numbers of `dtype`."""
        if is_float(dtype):
            return self.minimum, self.maximum
        low, high = limits(dtype)

        def held(bound: Number | None) -> Number | None:
            return None if bound is None else max(low, min(high, bound))

        return held(self.minimum), held(self.maximum)

    def evaluate(self, *arrays: Array) -> Array:
        result = np.asarray(arrays[0])
        low, high = self.bounds(result.dtype.name)
        if low is not None:
            result = np.maximum(result, np.asarray(low, result.dtype))
        if high is not None:
            result = np.minimum(result, np.asarray(high, result.dtype))
        return np.asarray(result)

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        data = tensors[0]
        low, high = self.bounds(data.dtype)

        def element(*at: Expr) -> Expr:
            result = data[at]
            if low is not None:
                result = te.max(result, te.cast(data.dtype, low))
            return result if high is None else te.min(result, te.cast(data.dtype, high))

        return te.compute(data.shape, element, name="clipped")


def _identifier(function: str) -> str:
    return f"{function}_" if function in ("not", "and", "or") else function


def _meeting(*tensors: te.Tensor) -> tuple[int, ...]:
    return np.broadcast_shapes(*(extents(tensor) for tensor in tensors))


def _whole(data: Array, dtype: str) -> Array:
    low, high = limits(dtype)
    inside = np.where(np.isnan(data), 0, data)
    bounded = np.where((inside < float(high)) & (inside > float(low)), inside, 0).astype(dtype)
    top, bottom = np.asarray(high, dtype), np.asarray(low, dtype)
    return np.where(inside >= float(high), top, np.where(inside <= float(low), bottom, bounded))
