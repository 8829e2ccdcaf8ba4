"""GEMM and ALU instructions for nests of operations on accumulators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dovetail.isa import instructions as machine
from dovetail.isa.config import ACC_BITS, Config
from dovetail.isa.instructions import IMM_BITS, AluOp, AluSource, Unit

from .errors import CodegenError
from .fills import Fills
from .kernels import Folding, Piece
from .linear import Values
from .nests import Nest, Steps
from .primitives import Alu, Fill, Gemm
from .stream import MicroOps, Node

_LOWEST, _HIGHEST = -(1 << (ACC_BITS - 1)), (1 << (ACC_BITS - 1)) - 1
_IMM_LIMIT = 1 << (IMM_BITS - 1)
IDENTITIES = {AluOp.ADD: 0, AluOp.MAX: _LOWEST, AluOp.MIN: _HIGHEST}
"""What leaves the other operand as it is."""


class Compute:
    """Makes the instructions of the compute unit.

    Parameters
    ----------
    fills:
        What is known of the accumulators.
    """

    def __init__(self, config: Config, fills: Fills) -> None:
        self.folding, self.fills = Folding.of(config), fills

    def nodes(self, nest: Nest, values: Values) -> list[Node]:
        """The instructions of `nest` where the variables outside of it have these values."""
        steps = nest.steps(values)
        if steps is None:
            return []
        match nest.kind:
            case Gemm():
                return list(self._gemm(steps))
            case Fill(value=value):
                return self._fill(steps, value)
            case Alu() as kind:
                return list(self._alu(nest, kind, steps, values))

    def _gemm(self, steps: Steps) -> Iterator[Node]:
        entries = steps.accumulators
        fresh = self.fills.value(entries) == 0
        if fresh:
            self.fills.overwrite(entries)
        else:
            self.fills.read(entries)
        for piece in self.folding.free(steps, apart=fresh):
            fields = piece.fields | {"overwrite": fresh and piece.begins}
            yield Node(machine.Gemm, Unit.COMPUTE, fields, piece.micro_ops)

    def _fill(self, steps: Steps, value: int) -> list[Node]:
        pieces = list(self.folding.free(steps, apart=False))
        operations = [Alu(AluOp.MOV, AluSource.IMM, value)]
        if not -_IMM_LIMIT <= value < _IMM_LIMIT:
            low = _signed(value)
            operations = [
                Alu(AluOp.MOV, AluSource.IMM, _signed((value - low) >> IMM_BITS)),
                Alu(AluOp.SHL, AluSource.IMM, IMM_BITS),
                Alu(AluOp.ADD, AluSource.IMM, low),
            ][: 3 if low else 2]
        nodes = [_alu_node(operation, piece, piece.micro_ops) for operation in operations for piece in pieces]
        self.fills.fill(np.concatenate([piece.accumulators for piece in pieces]), value, nodes)
        return nodes

    def _alu(self, nest: Nest, kind: Alu, steps: Steps, values: Values) -> Iterator[Node]:
        if kind.source is AluSource.IMM and not -_IMM_LIMIT <= kind.imm < _IMM_LIMIT:
            raise CodegenError(
                f"{nest.invoke.primitive.name}: the constant {kind.imm} is not between {-_IMM_LIMIT} and "
                f"{_IMM_LIMIT - 1}, the immediates of the ALU"
            )
        entries = steps.accumulators
        if kind.source is AluSource.ACC:
            self.fills.read(steps.sources)
        if not _any_order(kind, steps):
            self.fills.read(entries)
            in_order = steps if steps.in_order else nest.steps(values, tabulate=True)
            assert in_order is not None
            for piece in self.folding.ordered(in_order):
                yield _alu_node(kind, piece, piece.micro_ops)
            return
        fresh = kind.op in IDENTITIES and self.fills.value(entries) == IDENTITIES[kind.op]
        if fresh or kind.op is AluOp.MOV:
            self.fills.overwrite(entries)
        else:
            self.fills.read(entries)
        for piece in self.folding.free(steps, apart=fresh):
            rest = piece.micro_ops
            if fresh and piece.begins:
                yield _alu_node(Alu(AluOp.MOV, kind.source, kind.imm), piece, rest[:1])
                rest = rest[1:]
            if len(rest):
                yield _alu_node(kind, piece, rest)


def _signed(value: int) -> int:
    """The immediate that is `value` modulo 2**16."""
    return (value + _IMM_LIMIT) % (2 * _IMM_LIMIT) - _IMM_LIMIT


def _alu_node(kind: Alu, piece: Piece, micro_ops: MicroOps) -> Node:
    fields = {name: value for name, value in piece.fields.items() if not name.startswith("wgt")}
    fields |= {"op": kind.op, "source": kind.source, "imm": kind.imm}
    return Node(machine.Alu, Unit.COMPUTE, fields, micro_ops)


def _any_order(kind: Alu, steps: Steps) -> bool:
    """Whether the steps of an operation commute: no step reads or replaces what another one has written."""
    entries = steps.accumulators
    repeated = any(loop.reduces for loop in steps.loops) or (len(steps.table) > 1 and not steps.table[:, 0].any())
    once = not repeated and len(np.unique(entries)) == len(entries)
    if kind.op is AluOp.MOV and not once:
        return False
    if kind.source is not AluSource.ACC:
        return True
    sources = steps.sources
    if sources.max() < entries.min() or entries.max() < sources.min() or not np.isin(sources, entries).any():
        return True
    in_place = steps.base[0] == steps.base[1] and all(loop.step[0] == loop.step[1] for loop in steps.loops)
    return once and in_place and bool((steps.table[:, 0] == steps.table[:, 1]).all())
