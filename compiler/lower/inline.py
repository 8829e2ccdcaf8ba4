"""Bodies of stages with those of inlined stages in place of their reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dovetail.compiler.te.stage import Stage
from dovetail.compiler.te.tensor import Tensor, TensorRead
from dovetail.compiler.tir.expr import Expr
from dovetail.compiler.tir.structure import Node, substitute, transform


def inline_bodies(stages: Sequence[Stage], stage_of: Callable[[Tensor], Stage | None]) -> dict[Stage, Expr]:
    """The body of each stage, in which no inlined stage is read any more.

    Parameters
    ----------
    stages:
        Producers before consumers.
    stage_of:
        The stage that computes a tensor; None for a placeholder.
    """
    bodies: dict[Stage, Expr] = {}

    def expand(node: Node) -> Node | None:
        if not isinstance(node, TensorRead):
            return None
        producer = stage_of(node.tensor)
        if producer is None or not producer.inline:
            return None
        values = {axis.var: index for axis, index in zip(producer.op.axis, node.indices, strict=True)}
        return substitute(bodies[producer], values)

    for stage in stages:
        bodies[stage] = transform(stage.op.body, expand)
    return bodies
