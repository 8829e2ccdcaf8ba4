"""Write programs from Python: a method an instruction, kernels of micro-ops shared, every field checked at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from .config import Config
from .instructions import (
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Finish,
    Format,
    Gemm,
    Instruction,
    Load,
    MicroOp,
    Param,
    Post,
    Store,
    Sync,
    Unit,
)
from .layout import EncodingError
from .peers import flags
from .program import Program, ProgramError, Segment

Peers = Unit | Sequence[Unit]
"""Units to take tokens from or give tokens to: one, or several."""


class ProgramBuilder:
    """Collects the instructions and the data of one program.

    Each instruction's method takes the fields of its class by keyword, and ``pop`` and ``push``: the units whose tokens
    it takes first and gives at its end. It returns the instruction's index.

    Raises
    ------
    ProgramError:
        From every method: a field is unknown, missing or not legal; the message has the instruction's index.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.instructions: list[Instruction] = []
        self.segments: list[Segment] = []
        self._kernels: dict[tuple[MicroOp, ...], int] = {}
        self._micro_ops = bytearray()
        self._loaded = 0

    def load(self, buffer: Buffer, *, pop: Peers = (), push: Peers = (), **fields: Any) -> int:
        return self._append(Load, pop, push, {"buffer": buffer, **fields})

    def store(self, format: Format, *, pop: Peers = (), push: Peers = (), **fields: Any) -> int:
        return self._append(Store, pop, push, {"format": format, **fields})

    def param(self, dram: int, *, pop: Peers = (), push: Peers = ()) -> int:
        return self._append(Param, pop, push, {"dram": dram})

    def post(self, *, pop: Peers = (), push: Peers = (), **fields: Any) -> int:
        return self._append(Post, pop, push, fields)

    def gemm(self, kernel: tuple[int, int], *, pop: Peers = (), push: Peers = (), **fields: Any) -> int:
        begin, count = kernel
        return self._append(Gemm, pop, push, {"uop_begin": begin, "uop_count": count, **fields})

    def alu(
        self,
        op: AluOp,
        source: AluSource,
        kernel: tuple[int, int],
        *,
        pop: Peers = (),
        push: Peers = (),
        **fields: Any,
    ) -> int:
        begin, count = kernel
        given = {"op": op, "source": source, "uop_begin": begin, "uop_count": count}
        return self._append(Alu, pop, push, given | fields)

    def sync(self, unit: Unit, *, pop: Peers = (), push: Peers = ()) -> int:
        return self._append(Sync, pop, push, {"target": unit})

    def finish(self) -> int:
        return self._append(Finish, (), (), {})

    def kernel(self, micro_ops: Sequence[MicroOp]) -> tuple[int, int]:
        """Give `micro_ops` a place in the micro-op buffer: its first entry and their number.

        The same micro-ops get the same place. `load_kernels` brings them into the buffer.
        """
        key = tuple(micro_ops)
        if key not in self._kernels:
            begin = self.micro_op_count
            if begin + len(key) > self.config.uop_depth:
                raise ProgramError(
                    f"a kernel of {len(key)} micro-ops after {begin} others; "
                    f"the buffer holds uop_depth={self.config.uop_depth}"
                )
            try:
                words = [micro_op.encode(self.config) for micro_op in key]
            except EncodingError as error:
                raise ProgramError(str(error)) from None
            self._micro_ops += b"".join(word.to_bytes(self.config.uop_bytes, "little") for word in words)
            self._kernels[key] = begin
        return self._kernels[key], len(key)

    @property
    def micro_op_count(self) -> int:
        """Entries of the micro-op buffer that kernels have so far."""
        return len(self._micro_ops) // self.config.uop_bytes

    @property
    def micro_ops(self) -> bytes:
        """All kernels so far, as they lie in DRAM and in the micro-op buffer from entry 0 on."""
        return bytes(self._micro_ops)

    def load_kernels(self, dram: int, *, pop: Peers = (), push: Peers = ()) -> int:
        """Load the kernels that no earlier call has loaded, and put them into a segment.

        Parameters
        ----------
        dram:
            Byte address of micro-op 0, whatever the call begins with; a multiple of a micro-op's bytes.

        Returns
        -------
        int:
            The index of the last instruction appended, the one that pushes.
        """
        first, end, size = self._loaded, self.micro_op_count, self.config.uop_bytes
        if first == end:
            raise ProgramError("load_kernels: there are no new kernels to load")
        most = Load.layout(self.config)["cols"].high
        last = -1
        for at in range(first, end, most):
            cols = min(most, end - at)
            before = pop if at == first else ()
            after = push if at + cols == end else ()
            last = self.load(Buffer.UOP, sram=at, dram=dram + at * size, cols=cols, pop=before, push=after)
        self.segment(f"micro-ops {first}..{end - 1}", dram + first * size, bytes(self._micro_ops[first * size :]))
        self._loaded = end
        return last

    def segment(self, name: str, address: int, data: bytes) -> None:
        """Have `data` lie at `address` when the program starts."""
        self.segments.append(Segment(name, address, data))

    def build(self, *, dram_bytes: int = 0) -> Program:
        """The program. Its `dram_bytes` are what it reaches, or those given if it is to have more."""
        if self._loaded != self.micro_op_count:
            raise ProgramError(f"micro-ops {self._loaded}..{self.micro_op_count - 1} are in no load_kernels")
        return Program(self.config, tuple(self.instructions), tuple(self.segments), dram_bytes)

    def _append(self, kind: type[Instruction], pop: Peers, push: Peers, fields: dict[str, Any]) -> int:
        index = len(self.instructions)
        try:
            where = f"instruction {index} {kind.opcode.name}"
            self.instructions.append(make_instruction(kind, self.config, pop, push, fields, where))
        except EncodingError as error:
            raise ProgramError(str(error)) from None
        return index


def make_instruction(
    kind: type[Instruction],
    config: Config,
    pop: Peers | Sequence[str],
    push: Peers | Sequence[str],
    fields: dict[str, Any],
    where: str,
) -> Instruction:
    """An instruction of `kind`, checked.

    Raises
    ------
    EncodingError:
        A field is unknown, missing or not legal, or a peer is no neighbour; the message begins with `where`.
    """
    declared = {field.name: field for field in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in declared:
            raise EncodingError(f"{where}: unknown field {name!r}; the fields are {', '.join(declared)}")
        if not hasattr(value, "__index__"):
            raise EncodingError(f"{where}: {name} must be an integer, not {value!r}")
        values[name] = _typed(value.__index__(), declared[name])
    missing = [name for name, field in declared.items() if field.default is dataclasses.MISSING and name not in values]
    if missing:
        raise EncodingError(f"{where}: {missing[0]} is missing")
    instruction = kind(**values)
    instruction.check(config, where)
    tokens: dict[str, bool] = {}
    for verb, named in (("pop", pop), ("push", push)):
        try:
            tokens |= flags(instruction.unit, verb, (named,) if isinstance(named, Unit | str) else named)
        except EncodingError as error:
            raise EncodingError(f"{where}: {error}") from None
    return dataclasses.replace(instruction, **tokens)


def _typed(number: int, field: dataclasses.Field[Any]) -> Any:
    enum = field.metadata["bits"].enum
    if enum is not None and number in list(enum):
        return enum(number)
    return bool(number) if field.default is False and number in (0, 1) else number
