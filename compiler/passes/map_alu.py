"""Turn loop nests that compute in the accumulators into nests around operations of the ALU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dovetail.compiler.tir.affine import linear
from dovetail.compiler.tir.expr import Const, Expr, Load, Range, Var
from dovetail.compiler.tir.simplify import interval
from dovetail.compiler.tir.stmt import For, Invoke, Operand, Primitive, Program, Region, Stmt, seq
from dovetail.compiler.tir.structure import renewed
from dovetail.compiler.vdla.primitives import alu, fill
from dovetail.compiler.vdla.scopes import ACC_BUFFER, INP_BUFFER, LANES
from dovetail.isa.instructions import AluOp, AluSource

from .alu_steps import NoStepsError, Step, steps_of
from .boxes import FIXED
from .lanes import lane_axes, lane_variables, vector_axes
from .loop_nests import Nest, NestRewriter, around, uses


def map_alu(program: Program) -> Program:
    """`program` with operations of the ALU for each nest whose target lies in the accumulators.

    The loops over one vector (`lanes.lane_variables`) become the operands' axes. An expression of several operators
    becomes several nests of one operation, one after the other, as far as no iteration needs what another has computed.

    Raises
    ------
    MappingError:
        The ALU cannot compute an expression, or an operand is no vector.
    """
    return replace(program, body=_MapAlu(program)(program.body))


class _MapAlu(NestRewriter):
    def __init__(self, program: Program) -> None:
        super().__init__()
        self.lane_axes = lane_axes(program)

    def nest(self, nest: Nest) -> Stmt | None:
        if nest.store.buffer.scope != ACC_BUFFER:
            return None
        try:
            steps = steps_of(nest.value, nest.target, nest.bounds)
        except NoStepsError as reason:
            raise nest.error(str(reason)) from None
        lanes = lane_variables(nest, nest.target, self.lane_axes)
        _check_lanes(nest, lanes)
        operations = [_invoke(nest, step, lanes) for step in steps]
        loops = [loop for loop in nest.loops if loop.var not in lanes]
        shared = _shared_loops(nest, loops) if len(steps) > 1 else 0
        if nest.conditions:
            shared = len(loops)
        nests = [around(loops[shared:], (), operation) for operation in operations]
        body = seq(*nests[:1], *map(renewed, nests[1:]))
        return around(loops[:shared], nest.conditions, body)


def _check_lanes(nest: Nest, lanes: Sequence[Var]) -> None:
    names = ", ".join(var.name for var in lanes)
    if uses(lanes, [loop.extent for loop in nest.loops]) or uses(lanes, nest.conditions):
        raise nest.error(f"other loops or conditions depend on {names}, which go over one vector; pad to whole vectors")
    for loop in nest.loops:
        if loop.var in lanes and not isinstance(loop.extent, Const):
            raise nest.error(
                f"{loop.var.name} has the extent {loop.extent}, but a vector has as many elements each time; pad to "
                f"whole vectors"
            )


def _invoke(nest: Nest, step: Step, lanes: Sequence[Var]) -> Invoke:
    target = _operand(nest, nest.target, lanes)
    if isinstance(step.operand, int):
        return Invoke(_immediate(step.op, step.operand), (target,))
    operand = _operand(nest, step.operand, lanes)
    if step.operand.buffer is nest.store.buffer and _lane_ranges(operand) != _lane_ranges(target):
        raise nest.error(f"{step.operand} is in another lane than {nest.target}; lanes cannot read one another")
    source = AluSource.INP if step.operand.buffer.scope == INP_BUFFER else AluSource.ACC
    return Invoke(alu(step.op, source), (target,), (operand,))


def _lane_ranges(operand: Operand) -> list[Range | None]:
    return [None if axis is None else operand.region.ranges[axis] for axis in operand.axes]


def _immediate(op: AluOp, value: int) -> Primitive:
    return fill(value) if op is AluOp.MOV else alu(op, AluSource.IMM, value)


def _operand(nest: Nest, element: Load, lanes: Sequence[Var]) -> Operand:
    """The vector that `element` goes through in the loops `lanes`."""
    extents = {loop.var: loop.extent for loop in nest.loops if loop.var in lanes}
    axes: dict[Var, int] = {}
    ranges: list[Range] = []
    for axis, index in enumerate(element.indices):
        steps = linear(index, lanes)
        inside = [var for var, by in steps[0].items() if by] if steps else lanes
        if not inside:
            ranges.append(Range(index, Const(1)))
            continue
        if steps is None or len(inside) > 1 or steps[0][inside[0]] != 1 or inside[0] in axes:
            raise nest.error(f"{element}: a vector goes along an axis in steps of 1, not by {index}")
        axes[inside[0]] = axis
        ranges.append(Range(steps[1], extents[inside[0]]))
    missing = [var.name for var in lanes if var not in axes and extents[var] != Const(1)]
    if missing:
        raise nest.error(
            f"{element} is the same for all {', '.join(missing)}, but these loops go over one vector ({LANES}); repeat "
            f"it along them beforehand"
        )
    return Operand(Region(element.buffer, tuple(ranges)), vector_axes([axes.get(var) for var in lanes]))


def _shared_loops(nest: Nest, loops: Sequence[For]) -> int:
    """How many of the loops, from the outermost, must go around all steps together.

    The others may go around each on its own: no iteration reads or writes what another writes.
    """
    target = nest.target
    if any(load.buffer is target.buffer and load != target for load in nest.loads()):
        return len(loops)
    place = len(loops)
    while place and loops[place - 1].kind not in FIXED and _apart(nest, loops[place - 1 :], target):
        place -= 1
    return place


def _apart(nest: Nest, loops: Sequence[For], target: Load) -> bool:
    """Whether all iterations of `loops` have other targets."""
    extents = {loop.var: _most(nest, loop.extent) for loop in loops}
    seen: set[Var] = set()
    for index in target.indices:
        steps = linear(index, extents)
        if steps is None:
            return False
        reach = 0
        for by, var in sorted(((abs(by), var) for var, by in steps[0].items() if by), key=lambda pair: pair[0]):
            if by <= reach:
                return False
            reach += by * (extents[var] - 1)
            seen.add(var)
    return len(seen) == len(extents)


def _most(nest: Nest, extent: Expr) -> int:
    high = interval(extent, nest.bounds)[1]
    return int(high) if isinstance(high, int) else 1 << 31
