"""What the accelerator's units execute, as primitives of loop programs: their names, fields and meaning.

The meanings are those of `isa.instructions`, written again in NumPy so that programs can be interpreted without any
code of the machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir.stmt import Primitive
from dovetail.isa.instructions import AluOp, AluSource, Unit

Arrays = tuple[NDArray[Any], ...]
INT32 = np.iinfo(np.int32)
SHIFT_MASK = 31

_ALU: dict[AluOp, Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]] = {
    AluOp.MOV: lambda a, b: b + np.zeros_like(a),
    AluOp.ADD: lambda a, b: a + b,
    AluOp.SUB: lambda a, b: a - b,
    AluOp.MIN: np.minimum,
    AluOp.MAX: np.maximum,
    AluOp.SHR: lambda a, b: a >> (b & SHIFT_MASK),
    AluOp.SHL: lambda a, b: a << (b & SHIFT_MASK),
}


@cache
def gemm(name: str) -> Primitive:
    """acc[b, o] += sum over k of inp[b, k] * wgt[o, k]. Outputs: acc; inputs: inp, wgt."""

    def semantics(outputs: Arrays, inputs: Arrays) -> None:
        (acc,), (inp, wgt) = outputs, inputs
        acc[...] = (acc.astype(np.int64) + inp.astype(np.int64) @ wgt.astype(np.int64).T).astype(np.int32)

    return Primitive(name, Unit.COMPUTE, semantics, (("op", "gemm"), ("roles", ("acc", "inp", "wgt"))))


@cache
def fill(value: int = 0) -> Primitive:
    """acc[...] = value. Outputs: acc."""

    def semantics(outputs: Arrays, inputs: Arrays) -> None:
        outputs[0][...] = value

    name = "fill" if value else "fill_zero"
    return Primitive(name, Unit.COMPUTE, semantics, (("op", "fill"), ("value", value), ("roles", ("acc",))))


@cache
def alu(op: AluOp, source: AluSource, imm: int = 0, name: str = "", inputs_first: bool = False) -> Primitive:
    """acc[b, o] = op(acc[b, o], operand), where the operand is `imm`, or the input's element, from inp or acc.

    Outputs: acc; inputs: the operand unless it is `imm`.

    Parameters
    ----------
    inputs_first:
        It prints as ``name(operand, acc)``.
    """

    def semantics(outputs: Arrays, inputs: Arrays) -> None:
        (acc,) = outputs
        operand = inputs[0].astype(np.int64) if inputs else np.int64(imm)
        acc[...] = _ALU[op](acc.astype(np.int64), np.asarray(operand)).astype(np.int32)

    roles = ("acc",) if source is AluSource.IMM else ("acc", source.name.lower())
    label = name or f"alu_{op.name.lower()}" + (f"<{imm}>" if source is AluSource.IMM else "")
    order = (("inputs_first", True),) if inputs_first else ()
    fields = (("op", "alu"), ("alu", op), ("source", source), ("imm", imm), ("roles", roles), *order)
    return Primitive(label, Unit.COMPUTE, semantics, fields)


@cache
def requantise(inputs: tuple[str, ...] = ("acc", "bias", "multiplier", "shift"), **fields: int) -> Primitive:
    """int8 from accumulators, as `Store` computes it in format `out`.

    Outputs: int8 [b, o]; inputs: int32 [b, o], then what `inputs` names: bias, multiplier and shift, each [o], and the
    residual, int8 [b, o].

    Parameters
    ----------
    fields:
        Of `Post` but for the residual's offset; and bias, multiplier or shift where all channels share them.
    """
    defaults = {"zero_point": 0, "minimum": -128, "maximum": 127, "fraction": 0}
    defaults |= {"res_zero": 0, "res_multiplier": 0, "res_shift": 0, "bias": 0, "multiplier": 1, "shift": 0}
    known = defaults | fields

    def semantics(outputs: Arrays, given: Arrays) -> None:
        named = dict(zip(inputs, given, strict=True))
        bias, multiplier, shift = (_wide(named.get(name, known[name])) for name in ("bias", "multiplier", "shift"))
        value = _saturate(_wide(named["acc"]) + bias)
        total = _saturate(_rne(value * multiplier, shift))
        if "residual" in named:
            distance = (_wide(named["residual"]) - known["res_zero"]) * known["res_multiplier"]
            total = total + _saturate(_rne(distance, _wide(known["res_shift"])))
        total = _rne(total, _wide(known["fraction"])) + known["zero_point"]
        outputs[0][...] = np.clip(total, known["minimum"], known["maximum"]).astype(np.int8)

    named_fields = tuple(sorted((name, value) for name, value in known.items()))
    roles = ("out", *("acc" if name == "acc" else "residual" if name == "residual" else "param" for name in inputs))
    all_fields = (("op", "requantise"), ("inputs", inputs), *named_fields, ("roles", roles))
    return Primitive("requantise", Unit.STORE, semantics, all_fields)


def field(primitive: Primitive, name: str) -> Any:
    """A field of a primitive, or None."""
    return dict(primitive.fields).get(name)


def operand_roles(primitive: Primitive) -> Sequence[str]:
    """The memory that each operand, outputs first, is in."""
    roles: Sequence[str] = field(primitive, "roles") or ()
    return roles


def _wide(value: NDArray[Any] | int) -> NDArray[np.int64]:
    return np.asarray(value).astype(np.int64)


def _saturate(value: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(value, INT32.min, INT32.max)


def _rne(value: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """value / 2**shift to the nearest, ties to even; shifts are 0 to 63."""
    below = value >> shift
    half = np.left_shift(np.int64(1), np.maximum(shift - 1, 0))
    rest = value - (below << shift)
    up = (shift > 0) & ((rest > half) | ((rest == half) & (below & 1 == 1)))
    return np.where(up, below + 1, below)
