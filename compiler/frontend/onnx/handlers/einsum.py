"""Einstein sums: operands are taken two by two, as batches of matrix products."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported
from dovetail.compiler.frontend.onnx.registry import handler
from dovetail.compiler.graph.graph import Value
from dovetail.compiler.graph.ops.linear import MatMul

DOTS = "..."
FIRST_OF_DOTS = ord("\u0100")
"""Axes under an ellipsis become letters from here on, which no equation contains."""


@dataclass(frozen=True)
class Labelled:
    """A value with a letter for each axis."""

    value: Value
    labels: str


@handler("Einsum")
def einsum(ctx: NodeContext) -> Value:
    operands, result = _parsed(ctx)
    current, *others = [_without_diagonals(ctx, operand) for operand in operands]
    for place, other in enumerate(others):
        later = "".join(operand.labels for operand in others[place + 1 :]) + result
        current = _product(ctx, current, other, later)
    current = _summed(ctx, current, result)
    return ctx.transpose(current.value, [current.labels.index(label) for label in result])


def _parsed(ctx: NodeContext) -> tuple[list[Labelled], str]:
    equation = ctx.text("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ctx.operands):
        raise Unsupported(f"equation {equation!r} is for {len(terms)} operands, not {len(ctx.operands)}")
    dots = 0
    operands = []
    for term, value in zip(terms, ctx.operands, strict=True):
        spare = value.type.rank - len(term.replace(DOTS, ""))
        if term.count(DOTS) > 1 or spare < 0 or (spare and DOTS not in term):
            raise Unsupported(f"{term!r} in equation {equation!r} does not fit {value.type}")
        dots = max(dots, spare if DOTS in term else 0)
        operands.append((term, spare, value))
    every = "".join(map(chr, range(FIRST_OF_DOTS, FIRST_OF_DOTS + dots)))
    found = [Labelled(value, term.replace(DOTS, every[len(every) - spare :])) for term, spare, value in operands]
    counts = Counter("".join(term.replace(DOTS, "") for term, _, _ in operands))
    single = "".join(sorted(label for label, count in counts.items() if count == 1))
    result = right.replace(DOTS, every) if arrow else every + single
    given = set("".join(operand.labels for operand in found))
    if not all(label.isalpha() for label in given | set(result)) or len(set(result)) != len(result):
        raise Unsupported(f"equation {equation!r} is malformed")
    if not set(result) <= given:
        raise Unsupported(f"equation {equation!r} has results that no operand has")
    return found, result


def _without_diagonals(ctx: NodeContext, operand: Labelled) -> Labelled:
    """Of a letter that is there twice only the diagonal counts."""
    value, labels = operand.value, operand.labels
    for label, count in Counter(labels).items():
        for _ in range(count - 1):
            first = labels.index(label)
            second = labels.index(label, first + 1)
            size = value.type.shape[first]
            if size != value.type.shape[second]:
                raise Unsupported(f"the axes {label!r} of {operand.value.type} differ")
            shape = [size if axis in (first, second) else 1 for axis in range(len(labels))]
            eye = ctx.binary("equal", ctx.counted(size, 0, 2), ctx.counted(size, 1, 2))
            eye = ctx.reshape(ctx.cast(eye, value.type.dtype), shape)
            value = ctx.reduce("sum", ctx.binary("mul", value, eye), [second], keepdims=False)
            labels = labels[:second] + labels[second + 1 :]
    return Labelled(value, labels)


def _summed(ctx: NodeContext, operand: Labelled, kept: str) -> Labelled:
    """Sums over the axes that are not kept."""
    gone = [axis for axis, label in enumerate(operand.labels) if label not in kept]
    value = ctx.reduce("sum", operand.value, gone, keepdims=False)
    return Labelled(value, "".join(label for label in operand.labels if label in kept))


def _product(ctx: NodeContext, one: Labelled, other: Labelled, later: str) -> Labelled:
    """The product of two operands, summed over what nothing later needs."""
    one = _summed(ctx, one, other.labels + later)
    other = _summed(ctx, other, one.labels + later)
    sizes: dict[str, int] = {}
    for operand in (one, other):
        for label, size in zip(operand.labels, operand.value.type.shape, strict=True):
            if sizes.get(label, 1) not in (1, size) and size != 1:
                raise Unsupported(f"the axes {label!r} have {sizes[label]} and {size} elements")
            sizes[label] = max(sizes.get(label, size), size)
    shared = [label for label in one.labels if label in other.labels]
    batch = "".join(label for label in shared if label in later)
    inner = "".join(label for label in shared if label not in later)
    rows = "".join(label for label in one.labels if label not in shared)
    cols = "".join(label for label in other.labels if label not in shared)
    left = _arranged(ctx, one, (batch, rows, inner), sizes)
    right = _arranged(ctx, other, (batch, inner, cols), sizes)
    labels = batch + rows + cols
    value = ctx.reshape(ctx.emit(MatMul(), left, right), [sizes[label] for label in labels])
    return Labelled(value, labels)


def _arranged(ctx: NodeContext, operand: Labelled, groups: tuple[str, ...], sizes: dict[str, int]) -> Value:
    """The operand with an axis for each group of letters."""
    labels = "".join(groups)
    moved = ctx.transpose(operand.value, [operand.labels.index(label) for label in labels])
    whole = ctx.expand(moved, [sizes[label] for label in labels])
    return ctx.reshape(whole, [prod(sizes[label] for label in group) for group in groups])
