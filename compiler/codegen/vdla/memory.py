"""Addresses: of buffers on the chip, in entries, and of what lies in DRAM, in bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dovetail.compiler.tir.stmt import Allocate, Buffer, Program, Stmt
from dovetail.compiler.tir.structure import children, walk
from dovetail.isa import instructions as machine
from dovetail.isa.accesses import DRAM_LIMIT
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.isa.instructions import buffer_depth, entry_bytes

from .errors import CodegenError
from .inference import Placed


@dataclass(frozen=True)
class OnChip:
    """Where buffers lie on the chip.

    Attributes
    ----------
    first:
        The first entry of each.
    rivals:
        For each, those that have some of its entries at other times.
    """

    first: Mapping[Buffer, int]
    rivals: Mapping[Buffer, tuple[Buffer, ...]]


def place_on_chip(program: Program, placed: Mapping[Buffer, Placed], config: Config) -> OnChip:
    """Give every buffer entries of its memory: its own if all fit, else those of buffers that are no longer there.

    Raises
    ------
    CodegenError:
        Buffers that exist at the same time do not fit.
    """
    first: dict[Buffer, int] = {}
    for memory in machine.Buffer:
        mine = [
            node.buffer
            for node in walk(program.body)
            if isinstance(node, Allocate) and node.buffer in placed and placed[node.buffer].memory is memory
        ]
        depth = buffer_depth(config, memory)
        apart = sum(placed[buffer].layout.entries for buffer in mine) <= depth
        used = 0
        for buffer, live in _nested(program.body, set(mine)):
            begin = used if apart else sum(placed[other].layout.entries for other in live)
            used += placed[buffer].layout.entries
            if begin + placed[buffer].layout.entries > depth:
                raise _overflow(buffer, live, placed, config)
            first[buffer] = begin
    return OnChip(first, {buffer: _rivals(buffer, first, placed) for buffer in first})


def _nested(
    stmt: Stmt, wanted: set[Buffer], live: tuple[Buffer, ...] = ()
) -> Iterator[tuple[Buffer, tuple[Buffer, ...]]]:
    """Each wanted buffer that is allocated, with those that exist already then."""
    if isinstance(stmt, Allocate) and stmt.buffer in wanted:
        yield stmt.buffer, live
        live = (*live, stmt.buffer)
    for child in children(stmt):
        if isinstance(child, Stmt):
            yield from _nested(child, wanted, live)


def _overflow(
    buffer: Buffer, live: tuple[Buffer, ...], placed: Mapping[Buffer, Placed], config: Config
) -> CodegenError:
    memory, entries = placed[buffer].memory, placed[buffer].layout.entries
    assert memory is not None
    name = memory.name.lower()
    size, depth = entry_bytes(config, memory), buffer_depth(config, memory)
    taken = sum(placed[other].layout.entries for other in live)
    beside = f" beside {', '.join(f'{o.name} ({placed[o].layout.entries})' for o in live)}" if live else ""
    shape = "x".join(map(str, buffer.extents))
    return CodegenError(
        f"{buffer.name} [{shape}] needs {entries} entries ({entries * size} bytes) of the {name} buffer; "
        f"{depth - taken} of {name}_depth={depth} are free ({(depth - taken) * size} bytes){beside}: "
        f"use smaller tiles or fewer copies"
    )


def _rivals(buffer: Buffer, first: Mapping[Buffer, int], placed: Mapping[Buffer, Placed]) -> tuple[Buffer, ...]:
    begin, end = first[buffer], first[buffer] + placed[buffer].layout.entries
    return tuple(
        other
        for other, at in first.items()
        if other is not buffer
        and placed[other].memory is placed[buffer].memory
        and at < end
        and begin < at + placed[other].layout.entries
    )


@dataclass
class Dram:
    """Hands out DRAM from `base` on, each piece at a boundary that no burst crosses.

    Attributes
    ----------
    end:
        The first byte that nothing has yet.
    """

    base: int
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.base

    def take(self, nbytes: int, what: str) -> int:
        """The address of `nbytes` bytes.

        Raises
        ------
        CodegenError:
            They would be beyond what an address reaches.
        """
        address = -(-self.end // AXI_BOUNDARY_BYTES) * AXI_BOUNDARY_BYTES
        if address + nbytes > DRAM_LIMIT:
            raise CodegenError(f"{what} needs {nbytes} bytes from {address:#x} on; addresses end at {DRAM_LIMIT:#x}")
        self.end = address + nbytes
        return address
