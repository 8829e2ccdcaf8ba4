"""Integer arithmetic as steps of the ALU, each of which changes the accumulators in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dovetail.compiler.tir import arith
from dovetail.compiler.tir.dtypes import bits_of, is_integer, limits
from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Load, Op, cast
from dovetail.compiler.tir.simplify import Bounds, interval, prove
from dovetail.compiler.vdla.scopes import ACC_BUFFER, INP_BUFFER
from dovetail.isa.config import ACC_BITS
from dovetail.isa.instructions import IMM_BITS, AluOp

ACC_TYPE = "int32"
SHIFT_MASK = ACC_BITS - 1
_IMM_LIMIT = 1 << (IMM_BITS - 1)
_OPS = {
    Op.ADD: AluOp.ADD,
    Op.SUB: AluOp.SUB,
    Op.MIN: AluOp.MIN,
    Op.MAX: AluOp.MAX,
    Op.SHL: AluOp.SHL,
    Op.SHR: AluOp.SHR,
}
_COMMUTATIVE = frozenset({Op.ADD, Op.MIN, Op.MAX})


class NoStepsError(Exception):
    """The ALU cannot compute an expression; the message says which and why."""


@dataclass(frozen=True)
class Step:
    """target = op(target, operand), where the operand is an element or a constant."""

    op: AluOp
    operand: Load | int


def steps_of(value: Expr, target: Load, bounds: Bounds) -> list[Step]:
    """The steps that make `target` become `value`, which may read it; the first may be a move.

    Sums of 64 bits that are cut to 32 are done in 32, which gives the same.

    Raises
    ------
    NoStepsError:
        There are none.
    """
    steps: list[Step] = []
    _begin(_in_32_bits(value, bounds), target, bounds, steps)
    return steps


def _begin(value: Expr, target: Load, bounds: Bounds, steps: list[Step]) -> None:
    """Append the steps that make `target` become `value`, an expression of int32 arithmetic."""
    operand = _operand(value)
    if operand is not None:
        if operand != target:
            steps.append(Step(AluOp.MOV, operand))
        elif steps:
            raise _replaced(value, target)
        return
    assert isinstance(value, Binary)
    first, *others = _in_order(_terms(value), target)
    _begin(first[1], target, bounds, steps)
    for op, term in others:
        operand = _operand(term)
        if operand is None:
            raise NoStepsError(f"{value} needs two intermediate results at once; compute {term} in a stage of its own")
        if isinstance(operand, Load) and steps and not _apart(operand, target, bounds):
            raise _replaced(value, operand)
        if isinstance(operand, int) and not -_IMM_LIMIT <= operand < _IMM_LIMIT:
            raise NoStepsError(
                f"the constant {operand} in {value} is not between {-_IMM_LIMIT} and {_IMM_LIMIT - 1}; put it into a "
                f"tensor in {ACC_BUFFER}"
            )
        steps.append(Step(_OPS[op], operand))


def _replaced(value: Expr, read: Load) -> NoStepsError:
    return NoStepsError(f"{value} still reads {read} after it was replaced; compute it in a stage of its own")


def _apart(one: Load, other: Load, bounds: Bounds) -> bool:
    """Whether two elements are certainly not the same."""
    if one.buffer is not other.buffer:
        return True
    return any(prove(Binary(Op.NE, a, b), bounds) for a, b in zip(one.indices, other.indices, strict=True))


Terms = list[tuple[Op, Expr]]
"""What is combined, and by which operator; that of the first one may be any that begins with it alone."""


def _terms(value: Binary) -> Terms:
    """A sum, a minimum or a maximum of any number of terms; of other arithmetic, the two operands."""
    if value.op in (Op.ADD, Op.SUB):
        return _sum_of(value, Op.ADD)
    if value.op in _COMMUTATIVE:
        return [(value.op, term) for term in _all_of(value, value.op)]
    return [(Op.ADD, value.a), (value.op, value.b)]


def _sum_of(value: Expr, sign: Op) -> Terms:
    if isinstance(value, Binary) and value.op in (Op.ADD, Op.SUB):
        second = Op.ADD if (value.op is Op.ADD) == (sign is Op.ADD) else Op.SUB
        return _sum_of(value.a, sign) + _sum_of(value.b, second)
    return [(sign, value)]


def _all_of(value: Expr, op: Op) -> list[Expr]:
    if isinstance(value, Binary) and value.op is op:
        return _all_of(value.a, op) + _all_of(value.b, op)
    return [value]


def _in_order(terms: Terms, target: Load) -> Terms:
    """Terms with one first that the others can be applied to: what needs steps of its own, else the target itself."""
    if terms[-1][0] in (Op.SHL, Op.SHR):
        return terms
    able = [place for place, (op, _) in enumerate(terms) if op is not Op.SUB]
    if not able:
        return [(Op.ADD, Const(0, ACC_TYPE)), *terms]
    operands = {place: _operand(terms[place][1]) for place in able}
    first = min(
        able,
        key=lambda place: (operands[place] is not None, operands[place] != target, isinstance(operands[place], int)),
    )
    return [terms[first], *terms[:first], *terms[first + 1 :]]


def _operand(value: Expr) -> Load | int | None:
    match value:
        case Const(number):
            return int(number)
        case Load() | Cast(_, Load()):
            return value if isinstance(value, Load) else _operand(value.a)
    return None


def _in_32_bits(value: Expr, bounds: Bounds) -> Expr:
    """An expression of int32 arithmetic that is `value` modulo 2**32."""
    match value:
        case Const(number, dtype) if is_integer(dtype):
            return Const(arith.wrap(number, ACC_TYPE), ACC_TYPE)
        case Load(buffer):
            if (buffer.scope, buffer.dtype) not in ((ACC_BUFFER, ACC_TYPE), (INP_BUFFER, "int8")):
                raise NoStepsError(
                    f"{value} is {buffer.dtype} in {buffer.scope}; the ALU reads {ACC_TYPE} in {ACC_BUFFER} and int8 "
                    f"in {INP_BUFFER}: copy it to one of them first"
                )
            return cast(ACC_TYPE, value)
        case Cast(dtype, a) if is_integer(a.dtype):
            if bits_of(dtype) >= ACC_BITS or _within(a, limits(dtype), bounds):
                return _in_32_bits(a, bounds)
            raise NoStepsError(f"{value} wraps, which the ALU cannot do; clip it first")
        case Binary(Op.ADD | Op.SUB as op, a, b):
            if bits_of(value.dtype) < ACC_BITS and not _exact(value, bounds):
                raise NoStepsError(f"{value} may wrap in {value.dtype}; cast its operands to {ACC_TYPE} first")
            return Binary(op, _in_32_bits(a, bounds), _in_32_bits(b, bounds))
        case Binary(Op.MUL, a, b):
            factor, other = (a, b) if isinstance(a, Const) else (b, a)
            if isinstance(factor, Const) and (bits_of(value.dtype) >= ACC_BITS or _exact(value, bounds)):
                return _shifted(Op.SHL, other, _exponent(factor, value), bounds)
        case Binary(Op.FLOORDIV, a, Const() as divisor):
            return _shifted(Op.SHR, _fitting(a, bounds), _exponent(divisor, value), bounds)
        case Binary(Op.SHL, a, Const(places)) if bits_of(value.dtype) >= ACC_BITS:
            return _shifted(Op.SHL, a, int(places), bounds)
        case Binary(Op.SHR, a, Const(places)) if 0 <= places < bits_of(value.dtype):
            return _shifted(Op.SHR, _fitting(a, bounds), int(places), bounds)
        case Binary(Op.SHL | Op.SHR as op, a, b) if value.dtype == ACC_TYPE:
            return Binary(op, _in_32_bits(a, bounds), _in_32_bits(b, bounds))
        case Binary(Op.MIN | Op.MAX as op, a, b):
            return Binary(op, _in_32_bits(_fitting(a, bounds), bounds), _in_32_bits(_fitting(b, bounds), bounds))
    raise NoStepsError(
        f"the ALU has no {value}; it moves, adds, subtracts, shifts and takes minima and maxima of {ACC_TYPE}"
    )


def _shifted(op: Op, value: Expr, places: int, bounds: Bounds) -> Expr:
    if not 0 <= places <= SHIFT_MASK:
        raise NoStepsError(f"{value} is shifted by {places}; the ALU shifts by 0 to {SHIFT_MASK}")
    inner = _in_32_bits(value, bounds)
    return Binary(op, inner, Const(places, ACC_TYPE)) if places else inner


def _exponent(factor: Const, value: Expr) -> int:
    number = int(factor.value)
    if number < 1 or number & (number - 1):
        raise NoStepsError(f"{value}: the ALU multiplies and divides by powers of two only")
    return number.bit_length() - 1


def _fitting(value: Expr, bounds: Bounds) -> Expr:
    """`value`, which is known to be an int32."""
    if not _within(value, limits(ACC_TYPE), bounds):
        raise NoStepsError(f"{value} may need more than the {ACC_BITS} bits of an accumulator")
    return value


def _exact(value: Binary, bounds: Bounds) -> bool:
    """Whether a sum or product is within the limits of its type."""
    wide = Binary(value.op, cast("int64", value.a), cast("int64", value.b))
    return _within(wide, limits(value.dtype), bounds)


def _within(value: Expr, ends: Sequence[int], bounds: Bounds) -> bool:
    low, high = interval(value, bounds)
    return ends[0] <= low and high <= ends[1]
