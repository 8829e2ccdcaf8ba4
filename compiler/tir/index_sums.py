"""Index arithmetic brought to one form: sums of multiples of terms, which bounds have made as simple as they can be."""

from __future__ import annotations

from math import gcd, inf

from . import arith
from .affine import Affine, affine, total
from .expr import Binary, Const, Expr, Op
from .intervals import Bounds, Interval, extreme


class IndexSums:
    """Turns index arithmetic (`affine.is_index`) into sums.

    Quotients and remainders by constants are split, ``(8*y + x) // 8`` becoming ``y`` where ``0 <= x < 8``; minima and
    maxima that `bounds` decide vanish; ``a // 8 * 8 + a % 8`` is joined again.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def sum_of(self, expr: Expr) -> Affine:
        """Index arithmetic as a sum of terms that are simplified."""
        if not isinstance(expr, Binary):
            return affine(expr)
        a, b = self.sum_of(expr.a), self.sum_of(expr.b)
        if not a.terms and not b.terms and not (b.constant == 0 and expr.op in (Op.FLOORDIV, Op.MOD)):
            return Affine({}, int(arith.evaluate(expr.op, a.constant, b.constant, expr.dtype)))
        match expr.op:
            case Op.ADD:
                return self.rejoined(a + b)
            case Op.SUB:
                return self.rejoined(a - b)
            case Op.MUL:
                if not b.terms:
                    return self.rejoined(a.scaled(b.constant))
                if not a.terms:
                    return self.rejoined(b.scaled(a.constant))
            case Op.MIN | Op.MAX:
                return self.chosen(expr.op, a, b, expr.dtype)
            case Op.FLOORDIV | Op.MOD if not b.terms and b.constant > 0:
                divide = self.quotient if expr.op is Op.FLOORDIV else self.remainder
                return divide(a, b.constant, expr.dtype)
            case Op.FLOORDIV | Op.MOD if b.terms and self.between(a, Affine({}), b):
                return Affine({}) if expr.op is Op.FLOORDIV else a
        return Affine({Binary(expr.op, a.expr(expr.dtype), b.expr(expr.dtype)): 1})

    def range_of(self, whole: Affine) -> Interval:
        return extreme(whole, self.bounds, upper=False), extreme(whole, self.bounds, upper=True)

    def between(self, whole: Affine, low: Affine, end: Affine) -> bool:
        """Whether low <= whole < end."""
        return self.range_of(whole - low)[0] >= 0 and self.range_of(whole - end)[1] < 0

    def rejoined(self, whole: Affine) -> Affine:
        """With a // n * n + a % n as a."""
        for term, by in whole.terms.items():
            if not (isinstance(term, Binary) and term.op is Op.MOD and isinstance(term.b, Const)):
                continue
            divisor = int(term.b.value)
            quotient = self.quotient(affine(term.a), divisor, term.dtype)
            if all(whole.terms.get(part) == by * divisor * times for part, times in quotient.terms.items()):
                rest = total((whole.without(term), quotient.scaled(-by * divisor), affine(term.a).scaled(by)))
                return self.rejoined(rest)
        return whole

    def chosen(self, op: Op, a: Affine, b: Affine, dtype: str) -> Affine:
        """The smaller or larger of two sums."""
        low, high = self.range_of(a - b)
        if high <= 0:
            return a if op is Op.MIN else b
        if low >= 0:
            return b if op is Op.MIN else a
        one, other = a.expr(dtype), b.expr(dtype)
        # min(min(x, 8), 4): a bound within may be what decides.
        if isinstance(one, Binary) and one.op is op:
            for within, left in ((one.a, one.b), (one.b, one.a)):
                low, high = self.range_of(affine(within) - b)
                if (high if op is Op.MIN else -low) <= 0:
                    return a
                if (low if op is Op.MIN else -high) >= 0:
                    return self.chosen(op, affine(left), b, dtype)
        return Affine({Binary(op, one, other): 1})

    def split(self, whole: Affine, divisor: int) -> tuple[Affine, Affine]:
        """`whole` as quotient * divisor + rest, where rest has nothing that `divisor` divides."""
        quotient = {term: by // divisor for term, by in whole.terms.items() if by % divisor == 0}
        rest = {term: by for term, by in whole.terms.items() if by % divisor}
        return Affine(quotient, whole.constant // divisor), Affine(rest, whole.constant % divisor)

    def quotient(self, whole: Affine, divisor: int, dtype: str) -> Affine:
        if divisor == 1:
            return whole
        quotient, rest = self.split(whole, divisor)
        low, high = self.range_of(rest)
        if low > -inf and high < inf and low // divisor == high // divisor:
            return quotient.plus(int(low // divisor))
        common = gcd(divisor, *rest.terms.values())
        if common > 1:
            reduced = Affine({term: by // common for term, by in rest.terms.items()}, rest.constant // common)
            return self.rejoined(quotient + self.quotient(reduced, divisor // common, dtype))
        match list(rest.terms.items()):
            case [(Binary(Op.FLOORDIV, a, Const(inner)), 1)] if inner > 0:
                nested = affine(a).plus(rest.constant * int(inner))
                return self.rejoined(quotient + self.quotient(nested, divisor * int(inner), dtype))
        term = Binary(Op.FLOORDIV, rest.expr(dtype), Const(divisor, dtype))
        return self.rejoined(quotient + Affine({term: 1}))

    def remainder(self, whole: Affine, divisor: int, dtype: str) -> Affine:
        if divisor == 1:
            return Affine({})
        rest = self.split(whole, divisor)[1]
        low, high = self.range_of(rest)
        if low > -inf and high < inf and low // divisor == high // divisor:
            return rest.plus(-int(low // divisor) * divisor)
        for term, by in rest.terms.items():
            if isinstance(term, Binary) and term.op in (Op.MIN, Op.MAX):
                either = [rest.without(term) + affine(part).scaled(by) for part in (term.a, term.b)]
                one, other = (self.remainder(whole, divisor, dtype) for whole in either)
                if one == other:
                    return one
        inner = [
            (affine(term.a).scaled(by), term)
            for term, by in rest.terms.items()
            if isinstance(term, Binary)
            and term.op is Op.MOD
            and isinstance(term.b, Const)
            and term.b.value > 0
            and by * int(term.b.value) % divisor == 0
        ]
        if inner:
            unwrapped = total((rest, *(part + Affine({term: -rest.terms[term]}) for part, term in inner)))
            return self.remainder(unwrapped, divisor, dtype)
        common = gcd(divisor, rest.constant, *rest.terms.values())
        if common > 1:
            reduced = Affine({term: by // common for term, by in rest.terms.items()}, rest.constant // common)
            return self.remainder(reduced, divisor // common, dtype).scaled(common)
        return Affine({Binary(Op.MOD, rest.expr(dtype), Const(divisor, dtype)): 1})
