"""Tensor intrinsics: what a piece of hardware computes, as a tensor expression, and the primitives it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dovetail.compiler.tir.stmt import Primitive

from .tensor import Tensor


@dataclass(frozen=True, eq=False)
class TensorIntrinsic:
    """Hardware that computes a whole tensor expression of fixed extents.

    Attributes
    ----------
    output:
        The computed tensor; its operation reads `inputs`, which are placeholders.
    inputs:
        The operands that are read, in the order in which primitives take them.
    scopes:
        For each operand, the memories in which it may lie; all if it is missing.
    whole:
        Computes the output from the inputs alone, ``outputs=(output,), inputs=inputs``.
    reset:
        For a reduction: sets the output to the identity, ``outputs=(output,)``.
    update:
        For a reduction: combines the inputs into the output, ``outputs=(output,), inputs=inputs``.

    A reduction needs `reset` and `update` (or `whole`, where the reduction is always complete); other expressions need
    `whole`.
    """

    name: str
    output: Tensor
    inputs: tuple[Tensor, ...]
    scopes: Mapping[Tensor, tuple[str, ...]] = field(default_factory=dict)
    whole: Primitive | None = None
    reset: Primitive | None = None
    update: Primitive | None = None
