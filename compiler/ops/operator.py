"""What all operators have in common: an expression, its schedule, and how the host lays out arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Const

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Sequence["NDArray[Any]"]
Prepare = Callable[[Arrays], "list[NDArray[Any]]"]
Finish = Callable[["NDArray[Any]"], "NDArray[Any]"]


def extents(tensor: t.Tensor) -> tuple[int, ...]:
    """The shape of a tensor of operators, which is never symbolic."""
    return tuple(int(extent.value) for extent in tensor.shape if isinstance(extent, Const))


@dataclass(frozen=True)
class Operator:
    """An operator, ready to be built.

    Attributes
    ----------
    args:
        Of the function that `schedule` gives: inputs, then the output.
    output_shape, output_dtype:
        Of the result as the user knows it.
    prepare:
        From the operator's inputs as the user knows them to those of the function.
    finish:
        From the function's output to the result.
    knobs:
        The setting of the schedule, where it has one.
    cycles:
        What the model expects on the accelerator.
    """

    name: str
    args: tuple[t.Tensor, ...]
    schedule: t.Schedule
    output_shape: tuple[int, ...]
    output_dtype: str
    prepare: Prepare
    finish: Finish
    knobs: object = None
    cycles: float | None = None

    def run(self, function: Callable[..., object], *inputs: NDArray[Any]) -> NDArray[Any]:
        """The result of the built `function` for `inputs` as the user knows them."""
        import numpy as np

        output = np.empty(extents(self.args[-1]), self.args[-1].dtype)
        function(*self.prepare(inputs), output)
        return self.finish(output)
