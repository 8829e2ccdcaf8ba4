"""Loop nests: a stage's loops and guards, with the stages that are computed inside of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dovetail.compiler.te.stage import Stage
from dovetail.compiler.te.tensor import Axis, AxisKind, Reduce, Tensor, TensorRead
from dovetail.compiler.tir.expr import Const, Expr, Load, Var, all_of, binary
from dovetail.compiler.tir.stmt import SHARED, THREADS_OF_GROUP, Allocate, Buffer, For, If, LoopKind, Stmt, Store, seq
from dovetail.compiler.tir.structure import Node, free_vars, substitute, transform

from .bounds import Bounds
from .dataflow import Dataflow
from .domain import Check, Domain, Loop, thread_key
from .errors import LoweringError
from .facts import Facts
from .names import Names
from .spans import Span
from .tensorize import TensorizedNest, tensorized
from .tiles import first_replaced

_OWN_MEMORY = frozenset({LoopKind.VTHREAD, LoopKind.THREAD, LoopKind.PARALLEL})


@dataclass(frozen=True)
class Placed:
    """Where a tensor lies: its element at `origin` is the buffer's first."""

    buffer: Buffer
    origin: tuple[Expr, ...]


@dataclass(frozen=True)
class Guard:
    """A condition, and the place of the leaf in whose body it is tested; -1 is outside of all."""

    condition: Expr
    place: int
    reduces: bool


class NestBuilder:
    """Builds the loops of stages, producers first."""

    def __init__(self, flow: Dataflow, facts: Facts, names: Names, given: Mapping[Tensor, Buffer]) -> None:
        self.flow = flow
        self.facts = facts
        self.names = names
        self.bounds = Bounds(flow, facts)
        self.placed: dict[Tensor, Placed] = {
            tensor: Placed(buffer, (Const(0),) * len(buffer.shape)) for tensor, buffer in given.items()
        }
        self.allocated: list[dict[Stage, Buffer]] = []
        self.threads: dict[object, tuple[Var, Expr]] = {}
        self.inside: dict[tuple[Stage, Axis], list[Stage]] = {}
        for stage in flow.stages:
            if stage.attach is not None:
                self.inside.setdefault(stage.attach, []).append(stage)

    def body(self) -> Stmt:
        """All stages."""
        return self.allocating(lambda: seq(*(self.stage(stage) for stage in self.flow.stages if stage.attach is None)))

    def allocating(self, build: Callable[[], Stmt]) -> Stmt:
        """What `build` gives, in the buffers that it asks for: producers first, a thread's own as it comes to them."""
        self.allocated.append({})
        body = build()
        buffers = self.allocated.pop()
        order = list(buffers) if self.allocated else [stage for stage in self.flow.stages if stage in buffers]
        for stage in reversed(order):
            body = Allocate(buffers[stage], body)
        return body

    def stage(self, stage: Stage) -> Stmt:
        """The loops of a stage, over the region that is read at the place where it is computed."""
        region = self.bounds.region(stage)
        domain = Domain(stage, region, self.facts, self.names, self.threads)
        self.bounds.domains[stage] = domain
        if stage.origin not in self.placed:
            self.placed[stage.origin] = self.place(stage, region)
        return _StageNest(self, domain).build()

    def place(self, stage: Stage, region: Mapping[Axis, Span]) -> Placed:
        """A buffer for a stage's region."""
        spans = [region[axis] for axis in stage.op.axis]
        whole = zip(spans, stage.op.shape, strict=True)
        shape = tuple(self.facts.over_sizes(span.extent, extent) for span, extent in whole)
        buffer = Buffer(self.names.unique(stage.name), shape, stage.op.dtype, stage.scope, stage.copies)
        self.allocated[-1][stage] = buffer
        return Placed(buffer, tuple(span.begin for span in spans))

    def element(self, tensor: Tensor, indices: Sequence[Expr]) -> Load:
        """An element of a tensor, where it lies."""
        placed = self.placed[tensor]
        local = (index - origin for index, origin in zip(indices, placed.origin, strict=True))
        return Load(placed.buffer, tuple(self.facts.simplify(index) for index in local))

    def value(self, expr: Expr, values: Mapping[Var, Expr]) -> Expr:
        """An expression over tensors as one over buffers."""

        def change(node: Node) -> Node | None:
            if isinstance(node, Var):
                return values.get(node)
            return self.element(node.tensor, node.indices) if isinstance(node, TensorRead) else None

        return transform(expr, change)


class _StageNest:
    def __init__(self, builder: NestBuilder, domain: Domain) -> None:
        self.builder = builder
        self.facts = builder.facts
        self.domain = domain
        self.stage = stage = domain.stage
        self.loops = domain.loops
        self.body = builder.flow.bodies[stage]
        self.values = {axis.var: domain.absolute(axis) for axis in domain.region}
        self.target = builder.element(stage.origin, [self.values[axis.var] for axis in stage.op.axis])
        self.reduction = domain.reduction()
        self.end = first_replaced(stage)
        self.guards = [guard for check in domain.checks for guard in self.guards_of(check)]

    def build(self) -> Stmt:
        self.refuse_repeated_sums()
        return self.guarded(-1, self.loop(0))

    def refuse_repeated_sums(self) -> None:
        """Threads that share a sum must share the work: else each of them adds all of it."""
        if self.stage.scope != SHARED or not self.stage.op.reduce_axis:
            return
        bound = {thread_key(loop.attributes.thread) for loop in self.loops if loop.attributes.thread is not None}
        for key in self.builder.threads.keys() - bound:
            if isinstance(key, str) and key.startswith(THREADS_OF_GROUP):
                raise LoweringError(
                    f"{self.stage.name} in shared memory would be reduced by every thread of {key}; bind one of its "
                    f"data loops to {key}, or keep it in local memory"
                )

    @cached_property
    def instruction(self) -> TensorizedNest:
        """The intrinsic, once all that it reads is placed."""
        return tensorized(self.domain, self.body, self.target, self.element, self.checks_of_intrinsic())

    def element(self, read: TensorRead) -> Load:
        element = self.builder.value(read, self.values)
        assert isinstance(element, Load)
        return element

    def guards_of(self, check: Check) -> list[Guard]:
        conditions = [check.value < check.limit] + ([Const(-1) < check.value] if check.low else [])
        found = []
        for condition in map(self.facts.simplify, conditions):
            if self.facts.proves(condition):
                continue
            used = set(free_vars(condition))
            places = [place for place, loop in enumerate(self.loops) if loop.var in used]
            threads = {var for var, _ in self.builder.threads.values()}
            if used & threads or any(self.loops[place].attributes.kind is LoopKind.THREAD for place in places):
                places.append(len(self.loops))
            reduces = any(leaf.kind is AxisKind.REDUCE for leaf in self.domain.leaves(check.axis))
            found.append(Guard(condition, max(places, default=-1), reduces))
        return list(dict.fromkeys(found))

    def checks_of_intrinsic(self) -> list[Check]:
        """Checks that the loops which the intrinsic replaces would need."""
        return [
            check for check in self.domain.checks if any(guard.place >= self.end for guard in self.guards_of(check))
        ]

    def guarded(self, place: int, body: Stmt, init: Mapping[Var, Expr] | None = None) -> Stmt:
        """`body` where the conditions that belong to `place` hold."""
        conditions = [
            guard.condition
            for guard in self.guards
            if guard.place == place and not (guard.reduces and init is not None)
        ]
        if not conditions:
            return body
        return If(substitute(all_of(conditions), init or {}), body)

    def loop(self, place: int) -> Stmt:
        """The loops from `place` inwards."""
        update = self.update_loop(place)
        return seq(self.init(place, {}), update) if place == self.reduction and place < self.end else update

    def update_loop(self, place: int) -> Stmt:
        if place == self.end:
            return self.guarded(len(self.loops), self.update())
        loop = self.loops[place]

        def body() -> Stmt:
            producers = self.builder.inside.get((self.stage, loop.leaf), [])
            return self.guarded(place, seq(*(self.builder.stage(stage) for stage in producers), self.loop(place + 1)))

        return self.around(loop, body)

    def around(self, loop: Loop, body: Callable[[], Stmt]) -> Stmt:
        """The loop, whose body is built while it is known that the loop encloses it."""
        if loop.shared or loop.var is None:
            return body()
        var, kind, thread = loop.var, loop.attributes.kind, loop.attributes.thread
        if thread is not None:
            self.builder.threads[thread_key(thread)] = (var, loop.extent)
            if thread.thread.startswith(THREADS_OF_GROUP):
                self.builder.bounds.threads.add(var)
        inner = self.builder.allocating(body) if kind in _OWN_MEMORY else body()
        if thread is not None:
            del self.builder.threads[thread_key(thread)]
        return as_for(loop, var, loop.extent, inner)

    def init(self, place: int, renamed: dict[Var, Expr]) -> Stmt:
        """The loops over data from `place` inwards, which set each element to the identity of the reduction."""
        if place == self.end:
            return self.guarded(len(self.loops), self.reset(renamed), renamed)
        loop = self.loops[place]
        if loop.leaf.kind is AxisKind.REDUCE:
            return self.init(place + 1, renamed)
        if loop.shared or loop.var is None:
            return self.guarded(place, self.init(place + 1, renamed), renamed)
        var = Var(self.builder.names.unique(loop.leaf.name))
        extent = substitute(loop.extent, renamed)
        self.facts.bind(var, extent)
        inner = {**renamed, loop.var: var}
        return as_for(loop, var, extent, self.guarded(place, self.init(place + 1, inner), inner))

    def reset(self, renamed: Mapping[Var, Expr]) -> Stmt:
        """The statement in the innermost loop over data that sets to the identity."""
        if self.stage.tensorized is not None:
            return self.instruction.reset(renamed)
        assert isinstance(self.body, Reduce)
        identity = Const(self.body.identity, self.body.dtype)
        return Store(self.target.buffer, tuple(substitute(index, renamed) for index in self.target.indices), identity)

    def update(self) -> Stmt:
        """The statement in the innermost loop."""
        if self.stage.tensorized is not None:
            return self.instruction.compute(complete=self.reduction is None or self.reduction >= self.end)
        buffer, indices = self.target.buffer, self.target.indices
        if not isinstance(self.body, Reduce):
            return Store(buffer, indices, self.builder.value(self.body, self.values))
        source = self.builder.value(self.body.source, self.values)
        return Store(buffer, indices, binary(self.body.op, self.target, source))


def as_for(loop: Loop, var: Var, extent: Expr, body: Stmt) -> For:
    """A loop of the kind that the schedule says."""
    attributes = loop.attributes
    thread = attributes.thread.thread if attributes.thread is not None and attributes.kind is LoopKind.THREAD else ""
    return For(var, extent, body, attributes.kind, thread, attributes.pragmas)
