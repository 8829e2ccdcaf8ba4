"""What the code generator knows of primitives, from their fields: what they do and which memory each operand is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dovetail.compiler.tir.stmt import Invoke, Operand
from dovetail.compiler.vdla.scopes import ACC_BUFFER, INP_BUFFER, WGT_BUFFER
from dovetail.isa.config import Config
from dovetail.isa.instructions import AluOp, AluSource, Buffer

from .errors import CodegenError

SCOPES = {INP_BUFFER: Buffer.INP, WGT_BUFFER: Buffer.WGT, ACC_BUFFER: Buffer.ACC}
"""The scopes of the accelerator, and the memory for a buffer that no primitive uses."""

LANE_NAMES = {
    Buffer.INP: ("batch", "block_in"),
    Buffer.WGT: ("block_out", "block_in"),
    Buffer.ACC: ("batch", "block_out"),
}
"""The axes of an entry, by the fields of a configuration that give their sizes."""

REQUANTISE_INPUTS = ("acc", "bias", "multiplier", "shift", "residual")


def lane_sizes(config: Config, memory: Buffer) -> tuple[int, ...]:
    """Extents of an entry's axes."""
    return tuple(getattr(config, name) for name in LANE_NAMES[memory])


@dataclass(frozen=True)
class Gemm:
    """Outputs: accumulators. Inputs: input vectors, weight tiles."""


@dataclass(frozen=True)
class Fill:
    """Outputs: accumulators, all of which become `value`."""

    value: int


@dataclass(frozen=True)
class Alu:
    """Outputs: accumulators. Inputs: the second operand, unless it is `imm`."""

    op: AluOp
    source: AluSource
    imm: int


@dataclass(frozen=True)
class Requantise:
    """Outputs: int8 in DRAM. Inputs: accumulators, then what `inputs` names.

    Attributes
    ----------
    constants:
        Bias, multiplier and shift where they are the same for all channels.
    post:
        Fields of `Post` but for the residual's offset.
    """

    inputs: tuple[str, ...]
    constants: tuple[tuple[str, int], ...]
    post: tuple[tuple[str, int], ...]


Kind = Gemm | Fill | Alu | Requantise

_CONSTANTS = {"bias": 0, "multiplier": 1, "shift": 0}
_POST = ("zero_point", "minimum", "maximum", "fraction", "res_zero", "res_multiplier", "res_shift")


def kind_of(invoke: Invoke) -> Kind:
    """What a primitive does.

    Raises
    ------
    CodegenError:
        Its fields do not say, or the operands do not fit.
    """
    fields = dict(invoke.primitive.fields)
    match fields.get("op"):
        case "gemm":
            _require_operands(invoke, 1, 2)
            return Gemm()
        case "fill":
            _require_operands(invoke, 1, 0)
            return Fill(int(fields.get("value", 0)))
        case "alu":
            return _alu(invoke, fields)
        case "requantise":
            return _requantise(invoke, fields)
    raise CodegenError(
        f"{invoke.primitive.name}: its fields name no operation of the machine (op is {fields.get('op')!r}; "
        f"gemm, fill, alu and requantise are known)"
    )


def _alu(invoke: Invoke, fields: dict[str, Any]) -> Alu:
    op, source = _member(AluOp, fields["alu"]), _member(AluSource, fields.get("source", "imm"))
    _require_operands(invoke, 1, int(source is not AluSource.IMM))
    return Alu(op, source, int(fields.get("imm", 0)))


def _requantise(invoke: Invoke, fields: dict[str, Any]) -> Requantise:
    inputs = tuple(fields.get("inputs", REQUANTISE_INPUTS[: len(invoke.inputs)]))
    _require_operands(invoke, 1, len(inputs))
    constants = tuple((name, int(fields.get(name, default))) for name, default in _CONSTANTS.items())
    post = tuple((name, int(fields[name])) for name in _POST if name in fields)
    return Requantise(inputs, tuple((name, value) for name, value in constants if name not in inputs), post)


def _member(enum: Any, name: Any) -> Any:
    return enum[name.upper()] if isinstance(name, str) else enum(name)


def _require_operands(invoke: Invoke, outputs: int, inputs: int) -> None:
    if (len(invoke.outputs), len(invoke.inputs)) != (outputs, inputs):
        raise CodegenError(
            f"{invoke.primitive.name}: {len(invoke.outputs)} outputs and {len(invoke.inputs)} inputs; "
            f"its operation takes {outputs} and {inputs}"
        )


def memory_operands(invoke: Invoke) -> list[tuple[Operand, Buffer]]:
    """Operands that the hardware reads or writes as entries, with the memory whose entries they are made of.

    A requantised output and its residual are blocked as accumulators are.
    """
    kind = kind_of(invoke)
    match kind:
        case Gemm():
            return [(invoke.outputs[0], Buffer.ACC), (invoke.inputs[0], Buffer.INP), (invoke.inputs[1], Buffer.WGT)]
        case Fill():
            return [(invoke.outputs[0], Buffer.ACC)]
        case Alu(source=source):
            memory = Buffer.INP if source is AluSource.INP else Buffer.ACC
            return [(invoke.outputs[0], Buffer.ACC), *((operand, memory) for operand in invoke.inputs)]
        case Requantise(inputs=names):
            named = dict(zip(names, invoke.inputs, strict=True))
            blocked = [invoke.outputs[0], named["acc"], *(named[name] for name in ("residual",) if name in named)]
            return [(operand, Buffer.ACC) for operand in blocked]


def table_operands(invoke: Invoke) -> list[Operand]:
    """Operands of which tables of parameters are made."""
    kind = kind_of(invoke)
    if not isinstance(kind, Requantise):
        return []
    named = zip(kind.inputs, invoke.inputs, strict=True)
    return [operand for name, operand in named if name in _CONSTANTS]
