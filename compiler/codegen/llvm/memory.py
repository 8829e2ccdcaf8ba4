"""Loads from and stores to row-major buffers; neighbouring lanes move as one vector."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.compiler.tir.dtypes import bits_of, scalar_of
from dovetail.compiler.tir.expr import Expr, Op
from dovetail.compiler.tir.stmt import Buffer

from .builder import FunctionText, Value, constant
from .indices import Index, combine, index
from .scope import Scope
from .types import BOOL, POINTER, memory_type, suffix, vector


def offset(scope: Scope, buffer: Buffer, indices: tuple[Expr, ...], value: Callable[[Expr], Value]) -> Index:
    """How many elements after the first one of `buffer` an element lies."""
    f = scope.function
    found = [index(scope, expr, value) for expr in indices]
    lanes = max((one.lanes for one in found), default=1)
    total, stride = Index(constant(0), 0, lanes), constant(1)
    for axis in reversed(range(len(found))):
        total = combine(f, Op.ADD, total, combine(f, Op.MUL, found[axis], Index(stride), lanes), lanes)
        if axis:
            stride = f.mul(stride, index(scope, buffer.shape[axis], value).base)
    return total


def load(scope: Scope, buffer: Buffer, at: Index, mask: Value | None = None) -> Value:
    """The elements at `at`; where `mask` does not hold they are not read, and 0."""
    f = scope.function
    element, size = memory_type(buffer.dtype), bits_of(buffer.dtype) // 8
    base, lanes = scope.buffer(buffer), at.lanes
    type_ = vector(element, lanes)
    if at.lanes == 1 or at.step == 0:
        if mask is None:
            result = _scalar(f, base, element, size, at.base)
        else:
            wanted = f.call(f"llvm.vector.reduce.or.{suffix(mask.type)}", BOOL, [mask]) if mask.lanes > 1 else mask
            result = f.choose(wanted, lambda: _scalar(f, base, element, size, at.base), lambda: constant(0, element))
    elif mask is not None:
        result = _masked(f, base, element, size, at, mask)
    elif at.step == 1:
        result = _neighbours(f, base, element, size, at.base, lanes)
    elif at.step == -1:
        first = f.add(at.base, constant(1 - lanes))
        result = f.shuffle(_neighbours(f, base, element, size, first, lanes), None, range(lanes)[::-1])
    elif at.step == 2:
        low = _neighbours(f, base, element, size, at.base, lanes)
        high = _neighbours(f, base, element, size, f.add(at.base, constant(lanes - 1)), lanes)
        half = (lanes + 1) // 2
        result = f.shuffle(low, high, [2 * i if i < half else lanes + 2 * i - lanes + 1 for i in range(lanes)])
    else:
        result = f.collect([_scalar(f, base, element, size, one) for one in _each(f, at)])
    result = f.splat(result, lanes)
    if scalar_of(buffer.dtype) == "bool":
        return f.op(vector(BOOL, lanes), f"icmp ne {result}, {constant(0, type_).text}")
    return result


def store(scope: Scope, buffer: Buffer, at: Index, value: Value) -> None:
    """Puts a value at `at`, lane after lane where lanes are not neighbours."""
    f = scope.function
    element, size = memory_type(buffer.dtype), bits_of(buffer.dtype) // 8
    base = scope.buffer(buffer)
    value = f.splat(value, at.lanes)
    if scalar_of(buffer.dtype) == "bool":
        value = f.op(vector(element, value.lanes), f"zext {value} to {vector(element, value.lanes)}")
    if at.lanes == 1 or at.step == 1:
        f.do(f"store {value}, {f.element(base, element, at.base)}, align {size}")
        return
    for lane, one in enumerate(_each(f, at)):
        f.do(f"store {f.lane(value, lane)}, {f.element(base, element, one)}, align {size}")


def _scalar(f: FunctionText, base: Value, element: str, size: int, at: Value) -> Value:
    return f.op(element, f"load {element}, {f.element(base, element, at)}, align {size}")


def _neighbours(f: FunctionText, base: Value, element: str, size: int, at: Value, lanes: int) -> Value:
    type_ = vector(element, lanes)
    return f.op(type_, f"load {type_}, {f.element(base, element, at)}, align {size}")


def _each(f: FunctionText, at: Index) -> list[Value]:
    """The index of every lane."""
    if at.step is None:
        return [f.lane(at.base, lane) for lane in range(at.lanes)]
    return [f.add(at.base, constant(lane * at.step)) for lane in range(at.lanes)]


def _masked(f: FunctionText, base: Value, element: str, size: int, at: Index, mask: Value) -> Value:
    type_ = vector(element, at.lanes)
    mask = f.splat(mask, at.lanes)
    nothing = constant(0, type_)
    if at.step == 1:
        address = f.element(base, element, at.base)
        name = f"llvm.masked.load.{suffix(type_)}.p0"
        arguments = [POINTER, mask.type, type_]
    else:
        address = f.op(vector(POINTER, at.lanes), f"getelementptr {element}, {base}, {at.vector(f)}")
        name = f"llvm.masked.gather.{suffix(type_)}.{suffix(address.type)}"
        arguments = [address.type, mask.type, type_]
    f.module.declare(name, type_, arguments)
    return f.op(type_, f"call {type_} @{name}({address.type} align {size} {address.text}, {mask}, {nothing})")
