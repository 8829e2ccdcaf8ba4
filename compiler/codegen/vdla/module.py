"""A loop program in the accelerator's dialect becomes a program for the machine, with all it takes to call it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.tir import stmt as tir
from dovetail.compiler.tir.dtypes import numpy_dtype
from dovetail.compiler.tir.structure import allocated, reads, walk, writes
from dovetail.isa.config import AXI_BOUNDARY_BYTES, PARAM_RECORD_BYTES, Config
from dovetail.isa.instructions import Buffer, Finish, Instruction, Unit, entry_bytes
from dovetail.isa.peers import flags
from dovetail.isa.program import Program, ProgramError, Segment

from .arguments import Argument, Direction, ParamTable, by_name
from .dma import FILL_COLS
from .errors import CodegenError
from .inference import Placed, infer_layouts
from .memory import Dram, place_on_chip
from .micro_ops import place_kernels
from .output import ParamSource, ParamTables
from .primitives import memory_operands, table_operands
from .prologue import begin_early
from .stream import Node
from .tokens import assign_tokens
from .trace import Tracer


@dataclass(frozen=True)
class VdlaModule:
    """A program for the machine and its arguments.

    Attributes
    ----------
    program:
        Its segments are micro-ops and constants.
    arguments:
        In the order of the loop program's parameters.
    elsewhere:
        Names of arguments that were given a place in DRAM: what lies there is the caller's concern.
    """

    name: str
    program: Program
    arguments: tuple[Argument, ...]
    tables: tuple[ParamTable, ...]
    elsewhere: frozenset[str] = frozenset()

    def bind(self, arrays: Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]) -> tuple[Segment, ...]:
        """What must lie in DRAM besides the program's own segments.

        Parameters
        ----------
        arrays:
            Row-major arrays by name, or one for each argument in order; of outputs nothing is used. Those of arguments
            `elsewhere` may be left out.

        Raises
        ------
        CodegenError:
            An array is missing, or its shape or dtype is another.
        """
        if not isinstance(arrays, Mapping):
            if len(arrays) != len(self.arguments):
                names = ", ".join(argument.name for argument in self.arguments)
                raise CodegenError(f"{len(arrays)} arguments; the program takes {len(self.arguments)}: {names}")
            arrays = {argument.name: array for argument, array in zip(self.arguments, arrays, strict=True)}
        given = by_name(self.arguments, arrays, self.elsewhere)
        segments = [
            Segment(argument.name, argument.address, argument.layout.pack(given[argument.name]).tobytes())
            for argument in self.arguments
            if argument.name in given and argument.address is not None
        ]
        for number, table in enumerate(self.tables):
            if not table.constant:
                segments.append(Segment(f"parameters {number}", table.address, table.pack(given).tobytes()))
        return tuple(segments)

    @property
    def outputs(self) -> tuple[Argument, ...]:
        """The arguments that the program writes."""
        return tuple(argument for argument in self.arguments if argument.direction is not Direction.IN)

    def unpack(self, argument: Argument, data: bytes) -> NDArray[Any]:
        """The row-major array in the `argument.layout.nbytes` bytes of DRAM from `argument.address` on."""
        return argument.layout.unpack(np.frombuffer(data, numpy_dtype(argument.dtype)))

    @property
    def summary(self) -> dict[str, Any]:
        """Numbers about the program, as JSON has them."""
        kinds = Counter(instruction.opcode.name.lower() for instruction in self.program.instructions)
        return {
            "name": self.name,
            "fingerprint": f"{self.program.config.fingerprint:016x}",
            "instructions": len(self.program),
            "by_kind": dict(sorted(kinds.items())),
            "segment_bytes": {segment.name: len(segment.data) for segment in self.program.segments},
            "dram_bytes": self.program.dram_bytes,
            "arguments": [
                {
                    "name": argument.name,
                    "shape": list(argument.shape),
                    "dtype": argument.dtype,
                    "direction": argument.direction.value,
                    "address": argument.address,
                }
                for argument in self.arguments
            ],
        }


def compile_program(
    program: tir.Program,
    config: Config,
    *,
    base: int = AXI_BOUNDARY_BYTES,
    addresses: Mapping[str, int] | None = None,
    token_depth: int | None = None,
) -> VdlaModule:
    """Compile a loop program whose copies, primitives and tokens are in place and whose virtual threads are lowered.

    Parameters
    ----------
    base:
        The first byte of DRAM to use.
    addresses:
        Where arguments lie, by name, as far as that is decided: multiples of the bus's bytes, apart from what is placed
        from `base` on. Others are placed there too.
    token_depth:
        The most tokens that a queue ever holds; by default as many as the machine's do.

    Raises
    ------
    CodegenError:
        The program does not fit the machine: the message says what, where, and the limit.
    """
    if program.sizes:
        sizes = ", ".join(var.name for var in program.sizes)
        raise CodegenError(
            f"{program.name} has symbolic sizes ({sizes}); the accelerator needs numbers: lower it with them"
        )
    names = _unique_names(program.params)
    given = _given_places(names, addresses or {}, config)
    placed = infer_layouts(program, config)
    memory = Dram(base)
    places = _place_in_dram(program, placed, memory, given)
    tables, constants = ParamTables(), _Constants(memory, config)
    on_chip = place_on_chip(program, placed, config)
    tracer = Tracer(program, config, placed, on_chip, places, tables, constants.fill)
    for source, channels in tables.channels.items():
        tables.addresses[source] = memory.take(_records(channels, config) * PARAM_RECORD_BYTES, "parameters")
    packed = tuple(_table(source, names, tables, config) for source in tables.channels)
    stream = begin_early(tracer.run(), config)
    micro_ops = memory.take(0, "micro-ops")
    stream, kernels = place_kernels(stream, config, micro_ops)
    memory.take(len(kernels.data), "micro-ops")
    instructions = [_instruction(*flagged) for flagged in assign_tokens(stream, token_depth or config.token_depth)]
    data = {"micro-ops": (micro_ops, kernels.data)} | constants.data
    data |= {
        f"parameters {n}": (table.address, table.pack({}).tobytes()) for n, table in enumerate(packed) if table.constant
    }
    segments = tuple(Segment(name, address, content) for name, (address, content) in data.items() if len(content))
    try:
        built = Program(config, (*instructions, Finish()), segments, _end(given, placed, memory))
    except ProgramError as error:
        raise CodegenError(f"{program.name}: {error}") from None
    return VdlaModule(
        program.name, built, _arguments(program, names, placed, places), packed, frozenset(addresses or ())
    )


class _Constants:
    """Entries in DRAM that all hold one padding value, made when they are first asked for."""

    def __init__(self, memory: Dram, config: Config) -> None:
        self.memory, self.config = memory, config
        self.data: dict[str, tuple[int, bytes]] = {}

    def fill(self, buffer: Buffer, value: int) -> int:
        """The byte address of `FILL_COLS` entries for `buffer` whose elements are `value`."""
        name = f"{buffer.name.lower()} padding {value}"
        if name not in self.data:
            element = np.array(value, np.int32 if buffer is Buffer.ACC else np.int8).tobytes()
            content = element * (FILL_COLS * entry_bytes(self.config, buffer) // len(element))
            self.data[name] = self.memory.take(len(content), name), content
        return self.data[name][0]


def _given_places(names: Mapping[tir.Buffer, str], given: Mapping[str, int], config: Config) -> dict[tir.Buffer, int]:
    """Addresses of arguments by buffer.

    Raises
    ------
    CodegenError:
        There is no such argument, or an address is not aligned.
    """
    for name, address in given.items():
        if name not in names.values():
            raise CodegenError(f"no argument {name!r} to place; the program takes {', '.join(names.values())}")
        if address % config.bus_bytes:
            raise CodegenError(f"{name} is to lie at {address:#x}; addresses are multiples of {config.bus_bytes} bytes")
    return {buffer: given[name] for buffer, name in names.items() if name in given}


def _end(given: Mapping[tir.Buffer, int], placed: Mapping[tir.Buffer, Placed], memory: Dram) -> int:
    """The end of all that lies in DRAM.

    Raises
    ------
    CodegenError:
        An argument whose place was given overlaps what was placed.
    """
    end = memory.end
    for buffer, begin in given.items():
        last = begin + placed[buffer].layout.nbytes
        if begin < memory.end and memory.base < last:
            raise CodegenError(
                f"{buffer.name} at {begin:#x} to {last:#x} overlaps {memory.base:#x} to {memory.end:#x}, where the "
                f"program keeps what has no place of its own; choose another base"
            )
        end = max(end, last)
    return end


def _place_in_dram(
    program: tir.Program,
    placed: Mapping[tir.Buffer, Placed],
    memory: Dram,
    given: Mapping[tir.Buffer, int],
) -> dict[tir.Buffer, int]:
    """Addresses of tensors, but for arguments of which only tables of parameters are made."""
    invokes = [node for node in walk(program.body) if isinstance(node, tir.Invoke)]
    for_tables = {operand.region.buffer for invoke in invokes for operand in table_operands(invoke)}
    others = {operand.region.buffer for invoke in invokes for operand, _ in memory_operands(invoke)}
    for node in walk(program.body):
        if isinstance(node, tir.Copy):
            others |= {node.src.buffer, node.dst.buffer}
    wanted = [buffer for buffer in (*program.params, *allocated(program.body)) if buffer.scope == tir.GLOBAL]
    return {
        buffer: given[buffer] if buffer in given else memory.take(placed[buffer].layout.nbytes, buffer.name)
        for buffer in wanted
        if buffer in others or buffer not in for_tables
    }


def _arguments(
    program: tir.Program,
    names: Mapping[tir.Buffer, str],
    placed: Mapping[tir.Buffer, Placed],
    addresses: Mapping[tir.Buffer, int],
) -> tuple[Argument, ...]:
    read, written = set(reads(program)), set(writes(program))
    result = []
    for buffer in program.params:
        direction = Direction.IN
        if buffer in written:
            direction = Direction.INOUT if buffer in read else Direction.OUT
        result.append(Argument(names[buffer], direction, placed[buffer].layout, addresses.get(buffer)))
    return tuple(result)


def _records(channels: int, config: Config) -> int:
    """Records for so many channels, in whole blocks."""
    return -(-channels // config.block_out) * config.block_out


def _unique_names(buffers: Sequence[tir.Buffer]) -> dict[tir.Buffer, str]:
    """The buffers' names, numbered where several have the same."""
    names: dict[tir.Buffer, str] = {}
    for buffer in buffers:
        number, name = 1, buffer.name
        while name in names.values():
            name, number = f"{buffer.name}_{number}", number + 1
        names[buffer] = name
    return names


def _table(source: ParamSource, names: Mapping[tir.Buffer, str], tables: ParamTables, config: Config) -> ParamTable:
    fields = tuple((field, names[part] if isinstance(part, tir.Buffer) else part) for field, part in source)
    return ParamTable(tables.addresses[source], fields, _records(tables.channels[source], config))


def _instruction(node: Node, pops: frozenset[Unit], pushes: frozenset[Unit]) -> Instruction:
    """The instruction of a node; the verifier checks its fields."""
    return node.kind(**node.fields, **flags(node.unit, "pop", tuple(pops)), **flags(node.unit, "push", tuple(pushes)))
