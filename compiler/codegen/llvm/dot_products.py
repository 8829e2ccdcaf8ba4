"""Dot products of groups of 8-bit numbers, with the instructions that a processor has for them."""

from __future__ import annotations

from dataclasses import dataclass

from .builder import FunctionText, Value, constant
from .target import CpuTarget
from .types import vector

GROUP = 4
"""How many products are added into one 32-bit lane."""


@dataclass(frozen=True)
class Instruction:
    """An LLVM intrinsic: (sums, a, b) -> sums, of `lanes` lanes of 32 bits."""

    name: str
    lanes: int


def _instruction(target: CpuTarget, lanes: int, unsigned: bool) -> Instruction | None:
    """The widest one of the target that divides `lanes`; on x86 the first factor is unsigned in any case."""
    if target.triple.startswith("x86_64"):
        short = target.has("avxvnni") or (target.has("avx512vnni") and target.has("avx512vl"))
        widths = {512: target.has("avx512vnni"), 256: short, 128: short}
        for bits, there in widths.items():
            if there and lanes % (bits // 32) == 0:
                return Instruction(f"llvm.x86.avx512.vpdpbusd.{bits}", bits // 32)
    if target.triple.startswith("aarch64") and lanes % 4 == 0 and target.has("i8mm" if unsigned else "dotprod"):
        return Instruction(f"llvm.aarch64.neon.{'usdot' if unsigned else 'sdot'}.v4i32.v16i8", 4)
    return None


def dot_product(f: FunctionText, target: CpuTarget, sums: Value, a: Value, b: Value, unsigned: bool) -> Value:
    """``sums[j] + sum(a[k] * b[4 * j + k], k < 4)``.

    Parameters
    ----------
    sums:
        int32, a lane for each j.
    a, b:
        4 numbers, unsigned or signed, and 4 signed ones for each j; all of 8 bits.
    """
    lanes = sums.lanes
    instruction = _instruction(target, lanes, unsigned)
    if instruction is None:
        return _widened(f, sums, a, b, unsigned)
    flip = instruction.name.startswith("llvm.x86") and not unsigned
    if flip:
        a = f.op(a.type, f"xor {a}, {constant(-128, a.type).text}")
    word = f.op("i32", f"bitcast {a} to i32")
    every = f.op(vector("i8", lanes * GROUP), f"bitcast {f.splat(word, lanes)} to {vector('i8', lanes * GROUP)}")
    parts = [_apply(f, instruction, sums, every, b, place) for place in range(0, lanes, instruction.lanes)]
    result = _joined(f, parts)
    if flip:
        # a + 128 is what was multiplied, so 128 times the sum of b is too much.
        nothing, offset = constant(0, sums.type), constant(-128, every.type)
        parts = [_apply(f, instruction, nothing, offset, b, place) for place in range(0, lanes, instruction.lanes)]
        result = f.op(result.type, f"sub {result}, {_joined(f, parts).text}")
    return result


def _apply(f: FunctionText, instruction: Instruction, sums: Value, a: Value, b: Value, place: int) -> Value:
    lanes = instruction.lanes
    words = _piece(f, sums, place, lanes)
    args = [words, *(_piece(f, operand, place * GROUP, lanes * GROUP) for operand in (a, b))]
    return f.call(instruction.name, words.type, args)


def _piece(f: FunctionText, value: Value, begin: int, lanes: int) -> Value:
    return value if value.lanes == lanes else f.shuffle(value, None, range(begin, begin + lanes))


def _joined(f: FunctionText, parts: list[Value]) -> Value:
    while len(parts) > 1:
        if len(parts) % 2:
            parts.append(Value(parts[-1].type, "poison"))
        parts = [
            f.shuffle(one, other, range(one.lanes + other.lanes))
            for one, other in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


def _widened(f: FunctionText, sums: Value, a: Value, b: Value, unsigned: bool) -> Value:
    lanes = sums.lanes
    wide = vector("i32", GROUP)
    factors = f.op(wide, f"{'zext' if unsigned else 'sext'} {a} to {wide}")
    result = sums
    for k in range(GROUP):
        column = f.shuffle(b, None, range(k, lanes * GROUP, GROUP)) if lanes > 1 else f.lane(b, k)
        numbers = f.op(sums.type, f"sext {column} to {sums.type}")
        factor = f.splat(f.lane(factors, k), lanes)
        product = f.op(sums.type, f"mul {numbers}, {factor.text}")
        result = f.op(sums.type, f"add {result}, {product.text}")
    return result
