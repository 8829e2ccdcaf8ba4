"""The operators of `tir.expr` on LLVM values, scalars and vectors alike, exact as the interpreter is."""

from __future__ import annotations

from dovetail.compiler.tir.arith import evaluate, wrap
from dovetail.compiler.tir.dtypes import bits_of, is_float, is_signed, lanes_of, scalar_of
from dovetail.compiler.tir.expr import COMPARISONS, Binary, Cast, Const, Expr, Op

from .builder import FunctionText, Value, constant
from .types import BOOL, element_of, element_type, suffix, vector

_WRAPPING = {Op.ADD: "add", Op.SUB: "sub", Op.MUL: "mul", Op.AND: "and", Op.OR: "or", Op.XOR: "xor"}
_FLOAT = {Op.ADD: "fadd", Op.SUB: "fsub", Op.MUL: "fmul", Op.DIV: "fdiv"}
_INTEGER_TESTS = {Op.LT: "lt", Op.LE: "le", Op.EQ: "eq", Op.NE: "ne"}
_FLOAT_TESTS = {Op.LT: "olt", Op.LE: "ole", Op.EQ: "oeq", Op.NE: "une"}


def binary(f: FunctionText, op: Op, a: Value, b: Value, dtype: str) -> Value:
    """`op` of two operands of `dtype`. Products and sums of floats may be fused into one rounding."""
    lanes = max(a.lanes, b.lanes)
    if (
        a.known is not None
        and b.known is not None
        and not is_float(dtype)
        and not (op in (Op.FLOORDIV, Op.MOD) and b.known == 0)
    ):
        result = evaluate(op, a.known, b.known, dtype)
        return constant(result, vector(BOOL if op in COMPARISONS else element_of(a.type), lanes))
    a, b = f.splat(a, lanes), f.splat(b, lanes)
    if op in COMPARISONS:
        return f.op(vector(BOOL, lanes), _test(op, a, b, dtype))
    if op in (Op.MIN, Op.MAX):
        first, second = (b, a) if op is Op.MIN else (a, b)
        chosen = f.op(vector(BOOL, lanes), _test(Op.LT, first, second, dtype))
        return f.op(a.type, f"select {chosen}, {b}, {a}")
    if is_float(dtype):
        return f.op(a.type, f"{_FLOAT[op]} contract {a}, {b.text}")
    if op in _WRAPPING:
        return f.op(a.type, f"{_WRAPPING[op]} {a}, {b.text}")
    if op in (Op.SHL, Op.SHR):
        places = binary(f, Op.AND, b, constant(bits_of(dtype) - 1, b.type), dtype)
        return f.op(a.type, f"{'shl' if op is Op.SHL else 'ashr' if is_signed(dtype) else 'lshr'} {a}, {places.text}")
    return _divide(f, op, a, b, dtype)


def _test(op: Op, a: Value, b: Value, dtype: str) -> str:
    if is_float(dtype):
        return f"fcmp {_FLOAT_TESTS[op]} {a}, {b.text}"
    sign = "" if op in (Op.EQ, Op.NE) else "s" if is_signed(dtype) else "u"
    return f"icmp {sign}{_INTEGER_TESTS[op]} {a}, {b.text}"


def _divide(f: FunctionText, op: Op, a: Value, b: Value, dtype: str) -> Value:
    """Floor division and its remainder. By zero both are 0, as NumPy has it, where the CPU would trap."""
    if b.known is not None and b.known > 0 and int(b.known) & (int(b.known) - 1) == 0:
        if op is Op.MOD:
            return f.op(a.type, f"and {a}, {constant(int(b.known) - 1, a.type).text}")
        places = constant(int(b.known).bit_length() - 1, a.type)
        return f.op(a.type, f"{'ashr' if is_signed(dtype) else 'lshr'} {a}, {places.text}")
    if b.known is not None and b.known not in (0, -1):
        return _floor(f, op, a, b, dtype)
    flags = vector(BOOL, a.lanes)
    zero, one = constant(0, a.type), constant(1, a.type)
    special = f.op(flags, f"icmp eq {b}, {zero.text}")
    if is_signed(dtype):
        negates = f.op(flags, f"icmp eq {b}, {constant(-1, a.type).text}")
        special = f.op(flags, f"or {special}, {negates.text}")
    safe = f.op(a.type, f"select {special}, {one}, {b}")
    result = _floor(f, op, a, safe, dtype)
    # What a divisor of 1 leaves is right for 0 and -1 too, but for the quotient: a * b there, which is 0 or -a.
    other = zero if op is Op.MOD else f.op(a.type, f"mul {a}, {b.text}")
    return f.op(a.type, f"select {special}, {other}, {result}")


def _floor(f: FunctionText, op: Op, a: Value, b: Value, dtype: str) -> Value:
    if not is_signed(dtype):
        return f.op(a.type, f"{'urem' if op is Op.MOD else 'udiv'} {a}, {b.text}")
    flags = vector(BOOL, a.lanes)
    rest = f.op(a.type, f"srem {a}, {b.text}")
    inexact = f.op(flags, f"icmp ne {rest}, {constant(0, a.type).text}")
    signs = f.op(a.type, f"xor {rest}, {b.text}")
    differ = f.op(flags, f"icmp slt {signs}, {constant(0, a.type).text}")
    below = f.op(flags, f"and {inexact}, {differ.text}")
    if op is Op.MOD:
        up = f.op(a.type, f"add {rest}, {b.text}")
        return f.op(a.type, f"select {below}, {up}, {rest}")
    quotient = f.op(a.type, f"sdiv {a}, {b.text}")
    down = f.op(a.type, f"sext {below} to {a.type}")
    return f.op(a.type, f"add {quotient}, {down.text}")


def convert(f: FunctionText, a: Value, source: str, target: str, fits: bool = False) -> Value:
    """`a` of dtype `source` as `target`, which may have more lanes than a scalar.

    Parameters
    ----------
    fits:
        A float is known to lie in the range of int32.
    """
    lanes = lanes_of(target)
    of, to = scalar_of(source), scalar_of(target)
    type_ = vector(element_type(to), a.lanes)
    if of == to:
        result = a
    elif a.known is not None:
        result = constant(wrap(a.known, to), type_)
    elif to == "bool":
        zero = constant(0, a.type).text
        result = f.op(type_, f"fcmp une {a}, {zero}" if is_float(of) else f"icmp ne {a}, {zero}")
    elif is_float(of) and is_float(to):
        result = f.op(type_, f"{'fpext' if bits_of(to) > bits_of(of) else 'fptrunc'} {a} to {type_}")
    elif is_float(to):
        result = f.op(type_, f"{'sitofp' if is_signed(of) else 'uitofp'} {a} to {type_}")
    elif is_float(of):
        result = _to_integer(f, a, to, type_, fits)
    elif bits_of(to) > bits_of(of) or of == "bool":
        result = f.op(type_, f"{'sext' if is_signed(of) else 'zext'} {a} to {type_}")
    elif bits_of(to) < bits_of(of):
        result = f.op(type_, f"trunc {a} to {type_}")
    else:
        result = a
    return f.splat(result, lanes)


def _to_integer(f: FunctionText, a: Value, to: str, type_: str, fits: bool) -> Value:
    """Cut towards zero, then wrapped; what int64 cannot hold, nor uint64 where it goes to that, is cut to its limits,
    and not-a-number is 0."""
    bits = 32 if fits and bits_of(to) < 64 else 64
    wide = vector(f"i{bits}", a.lanes)
    if fits:
        whole = f.op(wide, f"fptosi {a} to {wide}")
    else:
        whole = f.call(f"llvm.fptosi.sat.{suffix(wide)}.{suffix(a.type)}", wide, [a])
    if to == "uint64":
        above = f.op(vector(BOOL, a.lanes), f"fcmp ogt {a}, {constant(0, a.type).text}")
        unsigned = f.call(f"llvm.fptoui.sat.{suffix(wide)}.{suffix(a.type)}", wide, [a])
        whole = f.op(wide, f"select {above}, {unsigned}, {whole}")
    return whole if wide == type_ else f.op(type_, f"trunc {whole} to {type_}")


def fits_int32(expr: Expr) -> bool:
    """Whether a float expression is bounded, on its face, to what int32 holds."""

    def bounded(e: Expr, low: bool) -> bool:
        match e:
            case Const(value=value):
                return -(2.0**31) <= value < 2.0**31
            case Binary(op=Op.MIN | Op.MAX as op, a=a, b=b):
                both = bounded(a, low), bounded(b, low)
                return any(both) if (op is Op.MAX) == low else all(both)
            case Cast(a=a) if not is_float(a.dtype):
                return bits_of(a.dtype) < 32
        return False

    return bounded(expr, True) and bounded(expr, False)


def round_shift(f: FunctionText, a: Value, shift: Value, dtype: str, shift_dtype: str) -> Value:
    """a / 2**shift to the nearest integer, ties to even; a negative shift goes to the left and wraps."""
    bits = max(32, bits_of(dtype) if is_signed(dtype) else 2 * bits_of(dtype), bits_of(shift_dtype))
    wide = f"int{bits}"
    lanes = max(a.lanes, shift.lanes)
    x = f.splat(convert(f, a, dtype, wide), lanes)
    s = f.splat(convert(f, shift, shift_dtype, wide), lanes)
    flags = vector(BOOL, lanes)

    def number(value: int) -> Value:
        return constant(value, x.type)

    def op(name: str, one: Value, other: Value) -> Value:
        return f.op(x.type, f"{name} {one}, {other.text}")

    def pick(condition: Value, one: Value, other: Value) -> Value:
        return f.op(x.type, f"select {condition}, {one}, {other}")

    def right() -> Value:
        below = op("ashr", x, s)
        rest = op("sub", x, op("shl", below, s))
        half = op("shl", number(1), op("sub", s, number(1)))
        odd = op("and", below, number(1))
        above = f.op(flags, f"icmp ugt {op('add', rest, odd)}, {half.text}")
        return op("sub", below, f.op(x.type, f"sext {above} to {x.type}"))

    def left() -> Value:
        return op("shl", x, op("sub", number(0), s))

    if s.known is not None:
        places = int(s.known)
        result = number(0) if abs(places) >= bits else right() if places > 0 else left()
    else:
        positive = f.op(flags, f"icmp sgt {s}, {number(0).text}")
        result = pick(positive, right(), left())
        distance = magnitude(f, s)
        inside = f.op(flags, f"icmp ult {distance}, {number(bits).text}")
        result = pick(inside, result, number(0))
    return convert(f, result, wide, dtype)


def magnitude(f: FunctionText, a: Value) -> Value:
    """The absolute value of a signed integer; the lowest one stays itself."""
    return f.call(f"llvm.abs.{suffix(a.type)}", a.type, [a, Value(BOOL, "false")])
