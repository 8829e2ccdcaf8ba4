"""What all operators have in common: an expression, its schedule, and how the host lays out arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dovetail.compiler import te as t
from dovetail.compiler.tir.expr import Const

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .arrangement import Arrangement, Change
    from .blocked import Blocked


def extents(tensor: t.Tensor) -> tuple[int, ...]:
    """The shape of a tensor of operators, which is never symbolic."""
    return tuple(int(extent.value) for extent in tensor.shape if isinstance(extent, Const))


@dataclass(frozen=True)
class Input:
    """How one of an operator's inputs becomes an argument of its function.

    Attributes
    ----------
    before:
        What the host does first, where it takes more than an arrangement.
    """

    arrangement: Arrangement
    before: Change | None = None

    def prepare(self, array: NDArray[Any], argument: t.Tensor) -> NDArray[Any]:
        """The argument for `array`."""
        import numpy as np

        first = self.before(array) if self.before is not None else array
        return np.ascontiguousarray(self.arrangement.arrange(first), argument.dtype).reshape(extents(argument))


@dataclass(frozen=True)
class Operator:
    """An operator, ready to be built.

    Attributes
    ----------
    args:
        Of the function that `schedule` gives: inputs, then the output.
    inputs:
        How the operator's inputs, as the user knows them, become those of the function.
    output:
        How the result is arranged in the function's output.
    output_shape:
        Of the result as the user knows it.
    knobs:
        The setting of the schedule, where it has one.
    cycles:
        What the model expects on the accelerator, or what was measured there.
    blocked:
        The sizes for which a convolution's schedule was chosen.
    """

    name: str
    args: tuple[t.Tensor, ...]
    schedule: t.Schedule
    inputs: tuple[Input, ...]
    output: Arrangement
    output_shape: tuple[int, ...]
    knobs: object = None
    cycles: float | None = None
    blocked: Blocked | None = None

    @property
    def output_dtype(self) -> str:
        return self.args[-1].dtype

    def prepare(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The function's inputs for the operator's."""
        given = zip(self.inputs, arrays, self.args[:-1], strict=True)
        return [how.prepare(array, argument) for how, array, argument in given]

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """The result in the function's output."""
        return self.output.restore(array, self.output_shape)

    def run(self, function: Callable[..., object], *inputs: NDArray[Any]) -> NDArray[Any]:
        """The result of the built `function` for `inputs` as the user knows them."""
        import numpy as np

        output = np.empty(extents(self.args[-1]), self.args[-1].dtype)
        function(*self.prepare(inputs), output)
        return self.finish(output)
