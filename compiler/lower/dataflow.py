"""Which stage computes which tensor, who reads it, and in what order they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.stage import Stage
from dovetail.compiler.te.tensor import Tensor, TensorRead
from dovetail.compiler.tir.expr import Expr
from dovetail.compiler.tir.structure import walk

from .errors import LoweringError
from .inline import inline_bodies


@dataclass(frozen=True, eq=False)
class Dataflow:
    """The stages that a program computes, without those inlined.

    Attributes
    ----------
    stages:
        Producers before consumers; only those that are needed.
    bodies:
        What each stage computes, inlined stages put in.
    readers:
        For each stage, the reads of its tensor and whose they are.
    outputs:
        Stages whose results the caller gets whole.
    inputs:
        Tensors that the caller gives.
    """

    stages: tuple[Stage, ...]
    bodies: dict[Stage, Expr]
    readers: dict[Stage, list[tuple[Stage, TensorRead]]]
    outputs: frozenset[Stage]
    inputs: tuple[Tensor, ...]
    computed: dict[Tensor, Stage]


def reads_of(body: Expr) -> list[TensorRead]:
    """The reads of tensors in an expression, each once, in the order in which they are written."""
    return list(dict.fromkeys(node for node in walk(body) if isinstance(node, TensorRead)))


def dataflow(schedule: Schedule, args: Sequence[Tensor]) -> Dataflow:
    """The dataflow of the stages that `args` need.

    Raises
    ------
    LoweringError:
        A tensor that the caller must give or get is not in `args`, or one is there that is not used so.
    """
    computed = {stage.origin: stage for stage in schedule.stages}
    outputs = frozenset(computed[arg] for arg in args if arg in computed)
    for stage in schedule.stages:
        if stage.output and stage not in outputs:
            raise LoweringError(
                f"{stage.name} is an output of the schedule, but not among the arguments; add it to them"
            )
    for stage in outputs:
        if stage.attach is not None or stage.inline:
            raise LoweringError(
                f"{stage.name} is an argument, so that it must be computed at the root; call compute_root"
            )

    order: dict[Stage, None] = {}

    def visit(stage: Stage) -> None:
        if stage in order:
            return
        for read in reads_of(stage.op.body):
            if read.tensor in computed:
                visit(computed[read.tensor])
        order[stage] = None

    for stage in schedule.stages:
        if stage in outputs:
            visit(stage)
    bodies = inline_bodies(tuple(order), computed.get)
    stages = tuple(stage for stage in order if not stage.inline)
    readers: dict[Stage, list[tuple[Stage, TensorRead]]] = {stage: [] for stage in stages}
    inputs: dict[Tensor, None] = {}
    for stage in stages:
        for read in reads_of(bodies[stage]):
            if read.tensor in computed:
                readers[computed[read.tensor]].append((stage, read))
            else:
                inputs[read.tensor] = None
    missing = [tensor.name for tensor in inputs if tensor not in args]
    if missing:
        raise LoweringError(f"{missing[0]} is read, but not among the arguments; add it to them")
    return Dataflow(stages, bodies, readers, outputs, tuple(inputs), computed)
