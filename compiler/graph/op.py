"""What an operator of the graph is: a rule for types, a meaning in NumPy, and a tensor expression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, ClassVar

from dovetail.compiler import te

from .errors import GraphError
from .types import Array, TensorType


@dataclass(frozen=True)
class Op(ABC):
    """An operator with all its attributes; it has one output.

    A subclass is a frozen dataclass whose fields are the attributes: numbers, strings, tuples of these, or frozen
    dataclasses. Optional operands come last, and whether there are any is seen from how many are given.

    Attributes
    ----------
    operands:
        The least and the greatest number of operands; None for no greatest.
    """

    operands: ClassVar[tuple[int, int | None]] = (1, 1)

    @property
    def name(self) -> str:
        """The operator's name in a printed graph."""
        return type(self).__name__.lower()

    @abstractmethod
    def infer(self, *types: TensorType) -> TensorType:
        """The type of the output.

        Raises
        ------
        GraphError:
            It cannot take operands of these types.
        """

    @abstractmethod
    def evaluate(self, *arrays: Array) -> Array:
        """The output in NumPy: the reference that all compiled forms are held to."""

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        """The output as a tensor expression, of one stage or several.

        Raises
        ------
        GraphError:
            There is none, as for operators that only the accelerator or a kernel of its own computes.
        """
        raise GraphError(f"{self.name} has no tensor expression")

    def macs(self, output: TensorType, *types: TensorType) -> int:
        """Products that are summed up: of linear operators."""
        return 0

    def check_operands(self, count: int) -> None:
        """Raises `GraphError` unless it takes `count` operands."""
        least, most = self.operands
        if count < least or (most is not None and count > most):
            wanted = f"{least}" if least == most else f"{least} to {most}" if most is not None else f"at least {least}"
            noun = "operand" if (least if most is None else most) == 1 else "operands"
            raise GraphError(f"{self.name} takes {wanted} {noun}, not {count}")

    def attributes(self) -> str:
        """The attributes that are not at their defaults, as a printed graph shows them."""
        return _fields(self)


def _fields(record: Any) -> str:
    own = ((field, getattr(record, field.name)) for field in fields(record))
    return ", ".join(f"{field.name}={_text(value)}" for field, value in own if value != _default(field))


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _text(value: object) -> str:
    return f"{type(value).__name__}({_fields(value)})" if is_dataclass(value) else repr(value)
