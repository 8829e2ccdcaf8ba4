"""Steps that add stages: cache_read, cache_write, rfactor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dovetail.compiler.tir.expr import Const, Expr, Op, Select, Var, all_of, binary
from dovetail.compiler.tir.stmt import LoopKind

from ..errors import ScheduleError
from ..extents import axis_extents
from ..stage import Split, Stage
from ..tensor import Axis, AxisKind, ComputeOp, Reduce, Tensor, TensorRead
from ..walk import replace_tensor, substitute_vars
from .checks import check_leaf, check_not_inline, refuse

if TYPE_CHECKING:
    from ..schedule import Schedule


def cache_read(schedule: Schedule, tensor: Tensor, scope: str, name: str, *readers: Stage) -> Tensor:
    """A copy of a tensor in another memory, which readers read instead."""
    producer = schedule.find(tensor)
    if producer is not None:
        check_not_inline("cache_read", producer)
    _check_scope("cache_read", tensor, scope)
    reading = schedule.readers(tensor)
    for reader in readers:
        if reader not in reading:
            raise ScheduleError(f"cache_read of {tensor.name}: {reader.name} does not read it")
    chosen = [reader for reader in reading if reader in readers or not readers]
    if not chosen:
        raise ScheduleError(f"cache_read of {tensor.name}: no stage reads it")
    names = [axis.name for axis in tensor.op.axis] or [f"ax{place}" for place in range(tensor.ndim)]
    cache = schedule.add(_copy_of(tensor, schedule.unique(name), names), before=chosen[0], scope=scope)
    for reader in chosen:
        reader.op = _with_body(reader.op, replace_tensor(reader.op.body, tensor, cache.origin))
    return cache.origin


def cache_write(schedule: Schedule, tensor: Tensor, scope: str, name: str) -> Tensor:
    """A tensor in another memory is computed in a tensor's stead, which becomes a copy of it."""
    stage = schedule.stage_of(tensor)
    check_not_inline("cache_write", stage)
    _check_scope("cache_write", tensor, scope)
    old = stage.op
    cache = schedule.add(ComputeOp(schedule.unique(name), old.axis, old.body, old.where), before=stage, scope=scope)
    cache.leaves, cache.relations, cache.attributes = stage.leaves, stage.relations, stage.attributes
    cache.tensorized, cache.attach, cache.whole = stage.tensorized, stage.attach, stage.whole
    for other in schedule.stages:
        if other.attach and other.attach[0] is stage:
            other.attach = (cache, other.attach[1])
    stage.op = _copy_of(cache.origin, old.name, [axis.name for axis in old.axis], old.where)
    stage.leaves, stage.relations, stage.attributes, stage.tensorized = list(stage.op.axis), [], {}, None
    stage.whole = []
    return cache.origin


def rfactor(schedule: Schedule, tensor: Tensor, axis: Axis, name: str) -> Tensor:
    """A reduce loop becomes a data axis of a new tensor, over which the old one reduces."""
    stage = schedule.stage_of(tensor)
    check_leaf("rfactor", schedule, stage, axis)
    body = stage.op.body
    if axis.kind is not AxisKind.REDUCE or not isinstance(body, Reduce):
        refuse("rfactor", axis, stage, "it is not a reduce axis")
    if stage.tensorized:
        refuse("rfactor", axis, stage, f"{stage.tensorized[1].name} replaces loops of the stage")
    if stage.loop(axis).kind is not LoopKind.SERIAL:
        refuse("rfactor", axis, stage, f"it is {stage.loop(axis).kind.name.lower()} already")
    cache = schedule.add(_factored(stage, body, axis, schedule.unique(name)), before=stage, scope=stage.scope)
    outer = Axis(Var(axis.name), axis_extents(stage)[axis], AxisKind.REDUCE)
    read = TensorRead(cache.origin, (outer.var, *(one.var for one in stage.op.axis)))
    stage.op = _with_body(stage.op, Reduce(body.op, read, (outer,), body.identity))
    stage.leaves = [outer if leaf is axis else leaf for leaf in stage.leaves]
    stage.leaves = [leaf for leaf in stage.leaves if leaf is outer or leaf.kind is not AxisKind.REDUCE]
    stage.relations = [one for one in stage.relations if one.made[0].kind is not AxisKind.REDUCE]
    stage.attributes = {leaf: loop for leaf, loop in stage.attributes.items() if leaf in stage.leaves}
    return cache.origin


def _factored(stage: Stage, body: Reduce, axis: Axis, name: str) -> ComputeOp:
    """The operation that keeps `axis` as its leading data axis and reduces over the other reduce loops."""
    extents = axis_extents(stage)
    kept = Axis(Var(axis.name), extents[axis], AxisKind.DATA)
    data = tuple(Axis(Var(one.name), one.extent, AxisKind.DATA) for one in stage.op.axis)
    others = [leaf for leaf in stage.leaves if leaf.kind is AxisKind.REDUCE and leaf is not axis]
    reduced = tuple(Axis(Var(one.name), extents[one], AxisKind.REDUCE) for one in others)
    values: dict[Axis, Expr] = {one: new.var for one, new in zip((axis, *others), (kept, *reduced), strict=True)}
    conditions = _root_values(stage, values, extents)
    replaced = {one.var: new.var for one, new in zip(stage.op.axis, data, strict=True)}
    roots = {root.var: _plus(root.begin, values[root]) for root in stage.op.reduce_axis}
    source = substitute_vars(body.source, replaced | roots)
    if conditions:
        source = Select(all_of(conditions), source, Const(body.identity, body.dtype), guard=True)
    return ComputeOp(
        name,
        (kept, *data),
        Reduce(body.op, source, reduced, body.identity) if reduced else source,
        stage.op.where,
    )


def _root_values(stage: Stage, values: dict[Axis, Expr], extents: dict[Axis, Expr]) -> list[Expr]:
    """Adds to the reduce leaves' values, from 0 on, those of the axes that they came from; returns what must hold for
    them to be within their extents."""
    conditions = []
    for relation in reversed(stage.relations):
        if relation.made[0].kind is not AxisKind.REDUCE:
            continue
        if isinstance(relation, Split):
            missing = relation.factor - (relation.first or relation.factor)
            value = _plus(values[relation.outer] * relation.factor, values[relation.inner])
            value = value - missing if missing else value
            extent = extents[relation.parent]
            values[relation.parent] = value
            if missing:
                conditions.append(binary(Op.LE, 0, value))
            if not isinstance(extent, Const) or (int(extent.value) + missing) % relation.factor:
                conditions.append(value < extent)
        else:
            inner = extents[relation.inner]
            values[relation.outer] = values[relation.fused] // inner
            values[relation.inner] = values[relation.fused] % inner
    return conditions


def _plus(a: Expr, b: Expr) -> Expr:
    return b if a == Const(0) else a + b


def _copy_of(tensor: Tensor, name: str, axis_names: Sequence[str], where: str = "") -> ComputeOp:
    axes = tuple(
        Axis(Var(label), extent, AxisKind.DATA) for label, extent in zip(axis_names, tensor.shape, strict=True)
    )
    return ComputeOp(name, axes, TensorRead(tensor, tuple(axis.var for axis in axes)), where)


def _with_body(op: ComputeOp, body: Expr) -> ComputeOp:
    return ComputeOp(op.name, op.axis, body, op.where)


def _check_scope(step: str, tensor: Tensor, scope: str) -> None:
    if not isinstance(scope, str) or not scope:
        raise ScheduleError(f"{step} of {tensor.name}: a scope is a name such as 'local', not {scope!r}")
