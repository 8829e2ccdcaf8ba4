"""Between row-major tensors and the accelerator's blocks in DRAM, and operators that work on these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dovetail.compiler import te
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.packing import Form, Packing
from dovetail.compiler.graph.types import Array, TensorType


@dataclass(frozen=True, kw_only=True)
class Pack(Op):
    """A row-major tensor as the accelerator reads it."""

    form: Form

    def infer(self, *types: TensorType) -> TensorType:
        if types[0] != self.form.type:
            raise GraphError(f"{self.name} of {self.form.type} cannot take {types[0]}")
        return self.form.packed

    def evaluate(self, *arrays: Array) -> Array:
        return self.form.pack(arrays[0])

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return self.form.compute(tensors[0])

    def attributes(self) -> str:
        return str(self.form)


@dataclass(frozen=True, kw_only=True)
class Unpack(Op):
    """The inverse of `Pack`."""

    form: Packing

    def infer(self, *types: TensorType) -> TensorType:
        if types[0] != self.form.packed:
            raise GraphError(f"{self.name} to {self.form.type} takes {self.form.packed}, not {types[0]}")
        return self.form.type

    def evaluate(self, *arrays: Array) -> Array:
        return self.form.unpack(arrays[0])

    def compute(self, *tensors: te.Tensor) -> te.Tensor:
        return self.form.uncompute(tensors[0])

    def attributes(self) -> str:
        return str(self.form)


@dataclass(frozen=True, kw_only=True)
class OnAccelerator(Op):
    """An operator whose operands and output are packed; it runs on the accelerator.

    Attributes
    ----------
    inputs:
        The form of each operand; None for constants, which are packed when the operator is compiled.
    output:
        The form of the output.
    result:
        The name of the output where it is not packed.
    """

    operands: ClassVar[tuple[int, int | None]] = (1, None)

    op: Op
    inputs: tuple[Form | None, ...]
    output: Packing
    result: str

    @property
    def name(self) -> str:
        return f"vdla.{self.op.name}"

    def infer(self, *types: TensorType) -> TensorType:
        inner = [given if form is None else form.type for form, given in zip(self.inputs, types, strict=True)]
        for form, given in zip(self.inputs, types, strict=True):
            if form is not None and form.packed != given:
                raise GraphError(f"{self.name} takes {form.packed} for {form.type}, not {given}")
        if self.op.infer(*inner) != self.output.type:
            raise GraphError(f"{self.name} gives {self.op.infer(*inner)}, not {self.output.type}")
        return self.output.packed

    def evaluate(self, *arrays: Array) -> Array:
        inner = [array if form is None else form.unpack(array) for form, array in zip(self.inputs, arrays, strict=True)]
        return self.output.pack(self.op.evaluate(*inner))

    def macs(self, output: TensorType, *types: TensorType) -> int:
        inner = [given if form is None else form.type for form, given in zip(self.inputs, types, strict=True)]
        return self.op.macs(self.output.type, *inner)

    def attributes(self) -> str:
        return self.op.attributes()
