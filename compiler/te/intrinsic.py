"""Tensor intrinsics: what a piece of hardware computes, as a tensor expression, and the primitives it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dovetail.compiler.tir.stmt import Primitive

from .errors import LanguageError
from .tensor import ComputeOp, Tensor
from .walk import tensors_of


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

    Raises
    ------
    LanguageError:
        `output` is not computed, or `inputs` are not the tensors that it reads, or not placeholders.
    """

    name: str
    output: Tensor
    inputs: tuple[Tensor, ...]
    scopes: Mapping[Tensor, tuple[str, ...]] = field(default_factory=dict)
    whole: Primitive | None = None
    reset: Primitive | None = None
    update: Primitive | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.output.op, ComputeOp):
            raise LanguageError(f"intrinsic {self.name}: its output, {self.output.name}, is not computed")
        read = tensors_of(self.output.op.body)
        computed = [tensor.name for tensor in read if isinstance(tensor.op, ComputeOp)]
        if computed:
            raise LanguageError(
                f"intrinsic {self.name}: {self.output.name} reads {', '.join(computed)}, which is computed; "
                "an intrinsic is one expression of placeholders"
            )
        if len(self.inputs) != len(read) or set(self.inputs) != set(read):
            raise LanguageError(
                f"intrinsic {self.name}: its inputs are ({', '.join(tensor.name for tensor in self.inputs)}), but "
                f"{self.output.name} reads ({', '.join(tensor.name for tensor in read)})"
            )
