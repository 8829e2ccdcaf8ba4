"""Spans: runs of consecutive integers, begin and extent symbolic, and which of them an index takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dovetail.compiler.tir.expr import Binary, Cast, Const, Expr, Op, Select, Var, maximum, minimum
from dovetail.compiler.tir.structure import free_vars

from .facts import Facts, is_one

ZERO, ONE = Const(0), Const(1)


@dataclass(frozen=True)
class Span:
    """begin, begin + 1, ... begin + extent - 1; none where extent is below 1."""

    begin: Expr
    extent: Expr

    @property
    def end(self) -> Expr:
        return self.begin + self.extent

    @property
    def is_point(self) -> bool:
        return is_one(self.extent)


def point(value: Expr) -> Span:
    """The span that is one value."""
    return Span(value, ONE)


def clip(span: Span, extent: Expr, facts: Facts) -> Span:
    """What of `span` lies from 0 to `extent`."""
    low = facts.proves(Const(-1) < span.begin)
    high = facts.proves(span.end <= extent)
    if low and high:
        return span
    begin = span.begin if low else facts.simplify(maximum(span.begin, 0))
    if high:
        length = span.extent - (begin - span.begin)
    elif low:
        length = minimum(span.extent, extent - begin)
    else:
        length = minimum(span.end, extent) - begin
    return Span(begin, facts.simplify(length))


def union(one: Span, other: Span, facts: Facts) -> Span:
    """The least span that holds both, or a little more."""
    distance = facts.simplify(other.begin - one.begin)
    if isinstance(distance, Const) and int(distance.value) < 0:
        return union(other, one, facts)
    if isinstance(distance, Const):
        return Span(one.begin, facts.simplify(maximum(one.extent, distance + other.extent)))
    begin = facts.simplify(minimum(one.begin, other.begin))
    return Span(begin, facts.simplify(maximum(one.end, other.end) - begin))


def relaxed(span: Span, over: Collection[Var], facts: Facts) -> Span | None:
    """What a span goes through while loop variables run; None if that is unknown."""
    used = [var for var in dict.fromkeys((*free_vars(span.begin), *free_vars(span.extent))) if var in over]
    if not used:
        return span
    spans = {}
    for var in used:
        extent = facts.most(var + 1)
        if extent is None:
            return None
        spans[var] = Span(ZERO, extent)
    begin = span_of(span.begin, spans, facts)
    length: Expr | None = span.extent
    if any(var in used for var in free_vars(span.extent)):
        length = facts.most(span.extent)
    if begin is None or length is None:
        return None
    return Span(begin.begin, facts.simplify(begin.extent + length - 1))


def span_of(expr: Expr, spans: Mapping[Var, Span], facts: Facts) -> Span | None:
    """The values that `expr` takes while its variables run over their spans; None if that is unknown.

    Variables that have no span keep their value. Exact where the expression is affine and its steps leave no gaps, a
    bound elsewhere.
    """
    terms, rest = facts.linear(expr)
    begin: Expr = Const(rest)
    length: Expr = ONE
    for term, factor in terms:
        span = _span_of_term(term, spans, facts)
        if span is None:
            return None
        begin = begin + (span.begin if factor > 0 else span.end - 1) * factor
        if not span.is_point:
            length = length + (span.extent - 1) * abs(factor)
    return Span(facts.simplify(begin), facts.simplify(length))


def _span_of_term(term: Expr, spans: Mapping[Var, Span], facts: Facts) -> Span | None:
    match term:
        case Var():
            return spans.get(term, point(term))
        case Const():
            return point(term)
        case Cast(_, value):
            return span_of(value, spans, facts)
        case Select(_, a, b):
            either = span_of(a, spans, facts), span_of(b, spans, facts)
            return None if either[0] is None or either[1] is None else union(either[0], either[1], facts)
        case Binary(op, a, b):
            left, right = span_of(a, spans, facts), span_of(b, spans, facts)
            return None if left is None or right is None else _combine(op, left, right, facts)
    return None


def _combine(op: Op, left: Span, right: Span, facts: Facts) -> Span | None:
    if left.is_point and right.is_point:
        return point(facts.simplify(Binary(op, left.begin, right.begin)))
    match op, right.begin:
        case Op.FLOORDIV, Const(int(by)) if right.is_point and by > 0:
            return quotients(left, Const(by), facts)
        case Op.MOD, Const(int(by)) if right.is_point and by > 0:
            return remainders(left, Const(by), facts)
        case Op.MUL, _ if right.is_point and facts.proves(Const(-1) < right.begin):
            return Span(facts.simplify(left.begin * right.begin), facts.simplify((left.extent - 1) * right.begin + 1))
        case Op.MUL, _ if left.is_point:
            return _combine(op, right, left, facts) if not right.is_point else None
        case ((Op.MIN | Op.MAX), _):
            choose = minimum if op is Op.MIN else maximum
            begin = facts.simplify(choose(left.begin, right.begin))
            return Span(begin, facts.simplify(choose(left.end, right.end) - begin))
    return None


def quotients(span: Span, by: Expr, facts: Facts) -> Span:
    """What a span's values divided by `by` are, rounded down."""
    begin = facts.simplify(span.begin // by)
    if span.is_point or _within(span, by, facts):
        return point(begin)
    if _divides(by, span.begin, facts):
        return Span(begin, facts.simplify((span.extent + by - 1) // by))
    if isinstance(span.extent, Const):
        return Span(begin, facts.simplify((span.extent + by - 2) // by + 1))
    return Span(begin, facts.simplify((span.end - 1) // by - begin + 1))


def remainders(span: Span, by: Expr, facts: Facts) -> Span:
    """What a span's values leave when divided by `by`."""
    if span.is_point or _within(span, by, facts):
        return Span(facts.simplify(span.begin % by), span.extent)
    return Span(ZERO, by)


def _within(span: Span, by: Expr, facts: Facts) -> bool:
    """Whether all values have the same quotient."""
    if isinstance(span.extent, Const) and isinstance(by, Const):
        extent, period = int(span.extent.value), int(by.value)
        if extent > 0 and period % extent == 0 and _divides(span.extent, span.begin, facts):
            return True
    return facts.proves(span.begin % by + span.extent <= by)


def _divides(by: Expr, value: Expr, facts: Facts) -> bool:
    rest = facts.simplify(value % by)
    return isinstance(rest, Const) and int(rest.value) == 0
