"""Turn loop nests that finish int8 outputs into requantised stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dovetail.compiler.tir.expr import Load, Var
from dovetail.compiler.tir.stmt import GLOBAL, Invoke, Operand, Program, Stmt
from dovetail.compiler.vdla.primitives import requantise
from dovetail.compiler.vdla.scopes import ACC_BUFFER, LANES, ON_CHIP

from .boxes import Boxes, merged
from .lanes import lane_axes, lane_variables, vector_axes
from .loop_nests import Nest, NestRewriter, uses
from .requantisation import OUT_TYPE, requantisation
from .store_forms import NotStoredError, check_integers


def map_output(program: Program) -> Program:
    """`program` with a `requantise` for each nest that stores what it computes from accumulators.

    As many loops as possible become the operands' regions; the channel, the innermost of the loops over one vector, is
    the axis that bias, multiplier and shift go along.

    Raises
    ------
    MappingError:
        A store does not compute this, or the operands are not boxes of the same order of axes.
    """
    return replace(program, body=_MapOutput(program)(program.body))


class _MapOutput(NestRewriter):
    def __init__(self, program: Program) -> None:
        super().__init__()
        self.lane_axes = lane_axes(program)

    def nest(self, nest: Nest) -> Stmt | None:
        if not nest.on_accelerator():
            return None
        target = nest.target
        try:
            check_integers(nest.value)
        except NotStoredError as reason:
            raise nest.error(str(reason)) from None
        if target.buffer.scope in ON_CHIP or target.buffer.scope != GLOBAL or target.dtype != OUT_TYPE:
            raise nest.error(
                f"{nest.value} is {nest.value.dtype} for {target.buffer.scope}; a store finishes {OUT_TYPE} for DRAM, "
                f"and copies accumulators as they are: compute the rest in {ACC_BUFFER}"
            )
        try:
            terms = requantisation(nest.value, nest.bounds)
        except NotStoredError as reason:
            raise nest.error(str(reason)) from None
        lanes = lane_variables(nest, terms.acc, self.lane_axes)
        elements = [target, terms.acc] + ([terms.residual] if terms.residual is not None else [])
        params = {name: param for name, param in sorted(terms.params.items()) if isinstance(param, Load)}
        boxes = merged(nest, elements, lanes, list(params.values()))
        _check_lanes(boxes, lanes, [*elements, *params.values()])
        constants = {name: param for name, param in terms.params.items() if isinstance(param, int)}
        inputs = ("acc", *params) + (("residual",) if terms.residual is not None else ())
        primitive = requantise(inputs, **constants, **terms.fields)
        vectors = [_operand(boxes, element, lanes) for element in elements]
        tables = [Operand(boxes.region(param), (0,)) for param in params.values()]
        return boxes.around(Invoke(primitive, (vectors[0],), (vectors[1], *tables, *vectors[2:])))


def _check_lanes(boxes: Boxes, lanes: Sequence[Var], elements: Sequence[Load]) -> None:
    """Raises `MappingError` unless all elements go along vectors together, in steps of 1."""
    even = all(
        part.step == 1
        for element in elements
        for index, part in zip(element.indices, boxes.region(element).ranges, strict=True)
        if uses(lanes, [index])
    )
    if even and boxes.merged.issuperset(lanes):
        return
    names, texts = ", ".join(var.name for var in lanes), ", ".join(map(str, elements))
    raise boxes.nest.error(
        f"{names} go over one vector ({LANES}), but not all of {texts} go along it in steps of 1, with axes in the "
        f"same order and parameters by the last; reorder the axes of one of them"
    )


def _operand(boxes: Boxes, element: Load, lanes: Sequence[Var]) -> Operand:
    axes = [next((axis for axis, index in enumerate(element.indices) if uses([var], [index])), None) for var in lanes]
    return Operand(boxes.region(element), vector_axes(axes))
