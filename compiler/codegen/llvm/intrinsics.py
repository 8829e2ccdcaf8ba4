"""Tensor intrinsics of CPUs: dot products of four 8-bit pairs, summed in 32 bits a lane.

x86 has them as ``vpdpbusd`` (AVX512-VNNI, AVX-VNNI), aarch64 as ``sdot`` and ``usdot``. On other processors the same
intrinsics become widening multiplications.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.te import functions as t
from dovetail.compiler.te.intrinsic import TensorIntrinsic
from dovetail.compiler.te.language import compute, placeholder, reduce_axis
from dovetail.compiler.tir.dtypes import bits_of
from dovetail.compiler.tir.expr import Const, Expr
from dovetail.compiler.tir.stmt import Invoke, Operand, Primitive

from .builder import FunctionText, Value, constant
from .dot_products import GROUP, dot_product
from .errors import CodegenError
from .memory import offset
from .scope import Scope
from .transposes import transposed
from .types import memory_type, vector

FILL = "llvm.fill"
DOT = "llvm.dot4"
TRANSPOSE = "llvm.transpose"
"""Values of the field ``op`` of primitives for CPUs."""

_Arrays = tuple[NDArray[np.generic], ...]


@lru_cache
def dot4(lanes: int = 16, unsigned: bool = True) -> TensorIntrinsic:
    """``out[j] = sum(a[k] * b[j, k])`` over k < 4, for j < lanes.

    Parameters
    ----------
    unsigned:
        a is uint8, else int8; b is int8, and out int32.
    """
    dtype = "uint8" if unsigned else "int8"
    a = placeholder((GROUP,), dtype, name="a")
    b = placeholder((lanes, GROUP), "int8", name="b")
    k = reduce_axis((0, GROUP), name="k")
    out = compute((lanes,), lambda j: t.sum(a[k].astype("int32") * b[j, k].astype("int32"), axis=k), name="out")
    name = f"dot4_{dtype}x{lanes}"
    return TensorIntrinsic(
        name=name,
        output=out,
        inputs=(a, b),
        reset=Primitive("fill_zero", None, _fill_zero, (("op", FILL), ("value", 0))),
        update=Primitive(name, None, _add_dot_products, (("op", DOT),)),
    )


@lru_cache
def transpose(rows: int, lanes: int, dtype: str) -> TensorIntrinsic:
    """``out[j, i] = a[i, j]`` for i < rows and j < lanes, where `lanes` is a power of two and `rows` 2 to `lanes`.

    Elements along the last axis of both are neighbours in memory.
    """
    if lanes & (lanes - 1) or not 2 <= rows <= lanes:
        raise ValueError(
            f"a tile of {rows} x {lanes} cannot be transposed in registers; use 2, 4, 8, ... lanes and no more rows"
        )
    a = placeholder((rows, lanes), dtype, name="a")
    out = compute((lanes, rows), lambda j, i: a[i, j], name="out")
    name = f"transpose{rows}x{lanes}_{dtype}"
    whole = Primitive(name, None, _transpose, (("op", TRANSPOSE),))
    return TensorIntrinsic(name=name, output=out, inputs=(a,), whole=whole)


def _fill_zero(outputs: _Arrays, inputs: _Arrays) -> None:
    outputs[0].fill(0)


def _add_dot_products(outputs: _Arrays, inputs: _Arrays) -> None:
    a, b = (operand.astype(np.int32) for operand in inputs)
    outputs[0][...] = outputs[0].astype(np.int32) + b @ a


def _transpose(outputs: _Arrays, inputs: _Arrays) -> None:
    outputs[0][...] = inputs[0].T


def write_invoke(scope: Scope, value: Callable[[Expr], Value], stmt: Invoke) -> None:
    """Appends the instructions of a primitive.

    Raises
    ------
    CodegenError:
        It is not one of a CPU.
    """
    fields = dict(stmt.primitive.fields)
    f = scope.function
    match fields.get("op"):
        case "llvm.fill":
            target = _Place(scope, value, stmt.outputs[0])
            target.write(constant(fields["value"], vector(target.element, target.count)))
        case "llvm.dot4":
            sums = _Place(scope, value, stmt.outputs[0])
            a, b = (_Place(scope, value, operand) for operand in stmt.inputs)
            unsigned = stmt.inputs[0].region.buffer.dtype == "uint8"
            sums.write(dot_product(f, scope.target, sums.read(), a.read(), b.read(), unsigned))
        case "llvm.transpose":
            source, target = (_Place(scope, value, operand) for operand in (*stmt.inputs, *stmt.outputs))
            target.write_rows(transposed(f, source.read_rows()))
        case _:
            raise CodegenError(f"primitive {stmt.primitive.name} is not one of a CPU")


class _Place:
    """The elements of an operand in memory, in the order of the operand's own axes."""

    def __init__(self, scope: Scope, value: Callable[[Expr], Value], operand: Operand) -> None:
        region = operand.region
        self.f: FunctionText = scope.function
        self.element = memory_type(region.buffer.dtype)
        self.size = bits_of(region.buffer.dtype) // 8
        self.base = scope.buffer(region.buffer)
        begin = offset(scope, region.buffer, tuple(part.begin for part in region.ranges), value).base
        self.begin = self.f.element(self.base, self.element, begin)
        steps = [0]
        self.width = 1
        for axis in operand.axes:
            if axis is None:
                continue
            extent, inner = region.ranges[axis].extent, region.buffer.shape[axis + 1 :]
            if not isinstance(extent, Const) or not all(isinstance(part, Const) for part in inner):
                raise CodegenError(f"operand {region.buffer.name} of an intrinsic has axes that are not numbers")
            stride = region.ranges[axis].step * int(np.prod([part.value for part in inner if isinstance(part, Const)]))
            steps = [step + stride * place for step in steps for place in range(int(extent.value))]
            self.width = int(extent.value)
        self.steps = steps
        self.packed = steps == list(range(len(steps)))

    @property
    def count(self) -> int:
        return len(self.steps)

    def read(self) -> Value:
        type_ = vector(self.element, self.count)
        if self.packed:
            return self.f.op(type_, f"load {type_}, {self.begin}, align {self.size}")
        return self.f.collect(
            [self.f.op(self.element, f"load {self.element}, {at}, align {self.size}") for at in self._each()]
        )

    def write(self, value: Value) -> None:
        if self.packed:
            self.f.do(f"store {value}, {self.begin}, align {self.size}")
            return
        for lane, at in enumerate(self._each()):
            self.f.do(f"store {self.f.lane(value, lane)}, {at}, align {self.size}")

    def read_rows(self) -> list[Value]:
        """A vector for each place along the first axis."""
        type_ = vector(self.element, self.width)
        return [self.f.op(type_, f"load {type_}, {at}, align {self.size}") for at in self._rows()]

    def write_rows(self, rows: Sequence[Value]) -> None:
        """The opposite of `read_rows`."""
        for at, row in zip(self._rows(), rows, strict=True):
            self.f.do(f"store {row}, {at}, align {self.size}")

    def _rows(self) -> list[Value]:
        if any(self.steps[place] != self.steps[place - 1] + 1 for place in range(1, self.count) if place % self.width):
            raise CodegenError("elements of a row of an intrinsic's operand are not neighbours")
        return [self.f.element(self.begin, self.element, constant(step)) for step in self.steps[:: self.width]]

    def _each(self) -> list[Value]:
        return [self.f.element(self.begin, self.element, constant(step)) for step in self.steps]
