"""Turn loop nests that only move elements between DRAM and the accelerator's memories into copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dovetail.compiler.tir.affine import Affine, is_index
from dovetail.compiler.tir.expr import Binary, Const, Expr, Load, Not, Number, Op, Select, Var
from dovetail.compiler.tir.index_sums import IndexSums
from dovetail.compiler.tir.stmt import GLOBAL, Copy, Program, Stmt
from dovetail.compiler.vdla.scopes import ACC_BUFFER, ON_CHIP

from .boxes import merged
from .lanes import lane_axes, unit_steps
from .loop_nests import Nest, NestRewriter


def inject_copies(program: Program) -> Program:
    """`program` with a `Copy` for each nest that stores elements as they are, or padding where they are outside.

    What is left of a nest are loops whose steps do not fit a box. Nests that compute something stay as they are.

    Raises
    ------
    MappingError:
        A nest fills an input or weight memory in another way or stores from one, converts what it copies to the
        accumulators, or pads elsewhere than around a whole tensor.
    """
    return replace(program, body=_InjectCopies(program)(program.body))


@dataclass(frozen=True)
class _Moved:
    """An element, and what is in its place where one of the conditions `inside` does not hold."""

    element: Load
    inside: tuple[Expr, ...] = ()
    padding: Number = 0


class _InjectCopies(NestRewriter):
    def __init__(self, program: Program) -> None:
        super().__init__()
        self.lane_axes = lane_axes(program)

    def nest(self, nest: Nest) -> Stmt | None:
        if not nest.on_accelerator():
            return None
        moved = _moved(nest.value)
        dst = nest.store.buffer
        if dst.scope in ON_CHIP:
            if moved is None or moved.element.buffer.scope != GLOBAL:
                if dst.scope == ACC_BUFFER:
                    return None
                raise nest.error(
                    f"{nest.value} cannot be put into {dst.scope}, which takes elements of a tensor in DRAM as they "
                    f"are, with a constant around them; compute it in {ACC_BUFFER}, or beforehand"
                )
            return self.copy(nest, moved)
        if moved is None or moved.element.buffer.scope not in ON_CHIP or dst.scope != GLOBAL:
            return None
        if moved.inside:
            raise nest.error(f"{nest.value} pads on the way to DRAM, which only loads can do")
        if moved.element.buffer.scope != ACC_BUFFER:
            raise nest.error(
                f"{moved.element} lies in {moved.element.buffer.scope}; only {ACC_BUFFER} can be stored, so put it "
                f"there first"
            )
        return self.copy(nest, moved)

    def copy(self, nest: Nest, moved: _Moved) -> Stmt:
        for condition in moved.inside:
            if not _implied(condition, moved.element, nest):
                raise nest.error(
                    f"{condition} is not the same as {moved.element} being inside of {moved.element.buffer.name}; a "
                    f"load pads around whole tensors only"
                )
        target = nest.target
        on_chip = target if target.buffer.scope in ON_CHIP else moved.element
        axes = self.lane_axes.get(on_chip.buffer, ())
        lanes: list[Var] = [var for axis in axes for var in unit_steps(nest, on_chip, axis)]
        boxes = merged(nest, (target, moved.element), lanes)
        return boxes.around(Copy(boxes.region(target), boxes.region(moved.element), moved.padding))


def _moved(value: Expr) -> _Moved | None:
    match value:
        case Load():
            return _Moved(value)
        case Select(condition, Load() as element, Const(padding)):
            return _Moved(element, tuple(_conjuncts(condition, True)), padding)
        case Select(condition, Const(padding), Load() as element):
            return _Moved(element, tuple(_conjuncts(condition, False)), padding)
    return None


def _conjuncts(condition: Expr, holds: bool) -> Iterator[Expr]:
    """The conditions that all hold where `condition` holds, or where it does not."""
    match condition:
        case Not(a):
            yield from _conjuncts(a, not holds)
        case Binary(op, a, b) if op is (Op.AND if holds else Op.OR):
            yield from _conjuncts(a, holds)
            yield from _conjuncts(b, holds)
        case Binary(Op.LT, a, b) if not holds:
            yield b <= a
        case Binary(Op.LE, a, b) if not holds:
            yield b < a
        case _:
            yield condition if holds else Not(condition)


def _implied(condition: Expr, element: Load, nest: Nest) -> bool:
    """Whether `condition` holds wherever `element` is inside of its buffer.

    The converse needs no proof: a program reads nothing outside.
    """
    if not isinstance(condition, Binary) or not (is_index(condition.a) and is_index(condition.b)):
        return False
    sums = IndexSums(nest.bounds)
    difference = sums.sum_of(condition.b) - sums.sum_of(condition.a)
    if condition.op is Op.LT:
        difference = difference.plus(-1)
    elif condition.op is not Op.LE:
        return False
    known = [Affine({})]
    for index, extent in zip(element.indices, element.buffer.shape, strict=True):
        if is_index(index):
            known += [sums.sum_of(index), sums.sum_of(extent - 1) - sums.sum_of(index)]
    return any(sums.range_of(sums.rejoined(difference - fact))[0] >= 0 for fact in known)
