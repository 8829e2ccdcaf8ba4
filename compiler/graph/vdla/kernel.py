"""Nodes of a graph as programs for the accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from dovetail.compiler.codegen.vdla.inference import infer_layouts
from dovetail.compiler.codegen.vdla.layouts import Lane, Layout
from dovetail.compiler.codegen.vdla.module import VdlaModule, compile_program
from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.ops.arrangement import Arrangement, rows_of_samples, straight
from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.conv2d import ColumnsOf
from dovetail.compiler.ops.measured import Lookup, current_lookup
from dovetail.compiler.ops.operator import Input, Operator
from dovetail.compiler.ops.shapes import blocks
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.pipeline import accelerator_stages, run_all
from dovetail.compiler.tir.stmt import Program
from dovetail.isa.config import Config
from dovetail.isa.program import Segment

from .columns import Columns
from .link import BARRIER_TOKENS
from .operators import IMAGE_RANK, operator_for

KEPT = 256
"""Operators whose loop programs are remembered."""


@dataclass(frozen=True)
class Operand:
    """An operand that is there only when the program runs.

    Attributes
    ----------
    argument:
        Name of the program's argument.
    place:
        Which of the node's inputs it is.
    form:
        How it lies in DRAM.
    zeros:
        What fills it up must be 0. Of other operands it may be anything.
    """

    argument: str
    place: int
    value: Value
    form: Packing | Columns
    zeros: bool = False


@dataclass(frozen=True)
class VdlaKernel:
    """A node ready to be compiled for any addresses.

    Attributes
    ----------
    program:
        Its loop program, in the accelerator's dialect.
    operands:
        Those that are not constants, in the order of the node's inputs; one that the node reads twice is there twice.
    result, output:
        Name of the argument that the program writes, and how it lies in DRAM.
    constants:
        Arrays for the other arguments, by name.
    cycles:
        As of the operator.
    blocked:
        The sizes for which a schedule was chosen, where it has any to choose from.
    """

    node: Node
    config: Config
    program: Program
    operands: tuple[Operand, ...]
    result: str
    output: Packing
    constants: Mapping[str, Array]
    cycles: float | None
    blocked: Blocked | None

    def compile(self, addresses: Mapping[str, int], base: int) -> VdlaModule:
        """The instructions for arguments at `addresses`, by name; what has none lies from `base` on.

        Raises
        ------
        CodegenError:
            The program does not fit the machine, or an address is none.
        """
        room = max(self.config.token_depth - BARRIER_TOKENS, 1)
        return compile_program(self.program, self.config, base=base, addresses=addresses, token_depth=room)

    def segments(self, module: VdlaModule) -> tuple[Segment, ...]:
        """The constants as they lie in DRAM for what `compile` gave."""
        return module.bind(self.constants)


def prepare(
    node: Node, constants: Mapping[Value, Array], config: Config, memory: Memory, *, columns: bool = True
) -> VdlaKernel:
    """`node`, for which `why_not` has no reason, scheduled and lowered.

    Parameters
    ----------
    constants:
        The graph's.
    memory:
        For which schedules are chosen.
    columns:
        A convolution may take columns that the CPU lays out, where that saves the accelerator cycles.

    Raises
    ------
    CompileError:
        It cannot run on the accelerator.
    """
    types = tuple(value.type for value in node.inputs)
    shared = _scheduled(node.op, types, config, memory, columns, current_lookup())
    operator = shared.operator
    operands: list[Operand] = []
    known: dict[str, Array] = {}
    named = zip(node.inputs, operator.inputs, operator.args[:-1], shared.program.params[:-1], strict=True)
    for place, (value, how, argument, buffer) in enumerate(named):
        if value in constants:
            known[buffer.name] = how.prepare(constants[value], argument)
        else:
            layout = shared.layouts[place]
            zeros = place == 1 and argument.name == "weight" and how.arrangement.filled != how.arrangement.view
            operands.append(Operand(buffer.name, place, value, _form(value.type, how, layout), zeros))
    output = packing(node.output.type, operator.output, shared.layouts[-1])
    return VdlaKernel(
        node,
        config,
        shared.program,
        tuple(operands),
        shared.program.params[-1].name,
        output,
        known,
        operator.cycles,
        operator.blocked,
    )


@dataclass(frozen=True)
class _Scheduled:
    """What equal nodes share.

    Attributes
    ----------
    layouts:
        Of the arguments.
    """

    operator: Operator
    program: Program
    layouts: tuple[Layout, ...]


@lru_cache(maxsize=KEPT)
def _scheduled(
    op: Op, types: tuple[TensorType, ...], config: Config, memory: Memory, columns: bool, lookup: Lookup | None
) -> _Scheduled:
    operator = operator_for(op, types, config, memory, columns=columns)
    program = run_all(lower(operator.schedule, operator.args, op.name), accelerator_stages())
    placed = infer_layouts(program, config)
    return _Scheduled(operator, program, tuple(placed[buffer].layout for buffer in program.params))


def _form(kind: TensorType, how: Input, layout: Layout) -> Packing | Columns:
    if isinstance(how.before, ColumnsOf):
        rows = TensorType(how.arrangement.view, kind.dtype)
        return Columns(type=kind, window=how.before, packing=_plain(rows, how.arrangement, layout))
    assert how.before is None, "only constants are changed by more than an arrangement"
    return packing(kind, how.arrangement, layout)


def _plain(kind: TensorType, arrangement: Arrangement, layout: Layout) -> Packing:
    """The packing as the operator has it; its layout keeps axes apart that the argument has merged."""
    return Packing(type=kind, arrangement=arrangement, layout=Layout(arrangement.shape, layout.dtype, layout.lanes))


@lru_cache(maxsize=KEPT)
def packing(kind: TensorType, arrangement: Arrangement, layout: Layout) -> Packing:
    """How a tensor lies in DRAM, in the one form that all operators share where its bytes are the same.

    Images are [samples, channels, rows, columns] in blocks of the first two, matrices [samples, channels, rows, 1].
    """
    own = _plain(kind, arrangement, layout)
    if len(layout.lanes) != 2 or kind.rank < 2:
        return own
    batch, block = (lane.size for lane in layout.lanes)
    lanes = (Lane(0 if batch > 1 else None, batch), Lane(1, block))
    if kind.rank == IMAGE_RANK:
        n, c, h, w = kind.shape
        usual = straight(kind.shape, (blocks(n, batch) * batch, blocks(c, block) * block, h, w))
    else:
        usual = rows_of_samples((), prod(kind.shape[:-1]), blocks(kind.shape[-1], block) * block, batch, kind.shape[-1])
    common = _plain(kind, usual, Layout(usual.shape, layout.dtype, lanes))
    return common if common.same_bytes(own) else own
