"""What GEMM and ALU touch, from their micro-ops and loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..instructions import Alu, AluOp, AluSource, Buffer, Gemm, buffer_depth, uop_fields
from .footprint import NEVER, Entries, Indices, Loops, OutOfRangeError, compact, first_touch, footprint


class KernelRangeError(Exception):
    """An index of a kernel is outside of a buffer."""

    def __init__(self, buffer: Buffer, value: int) -> None:
        self.buffer, self.value = buffer, value


@dataclass(frozen=True)
class Touched:
    """Entries of buffers.

    Attributes
    ----------
    reads:
        What is read before the instruction itself has written it; each buffer once.
    writes:
        Accumulators that are written.
    """

    reads: tuple[tuple[Buffer, Entries], ...]
    writes: Entries


def touched(instruction: Gemm | Alu, words: NDArray[np.uint64], config: Config) -> Touched:
    """What a kernel touches, the micro-op buffer aside.

    Parameters
    ----------
    words:
        The kernel's micro-ops as they are encoded.

    Raises
    ------
    KernelRangeError:
        An index is outside of its buffer.
    """
    fields = _fields(words, config)
    dst = _loops(instruction, "dst")
    writes = _entries(Buffer.ACC, fields["dst"], dst, config)
    if isinstance(instruction, Gemm):
        inp = _entries(Buffer.INP, fields["src"], _loops(instruction, "src"), config)
        wgt = _entries(Buffer.WGT, fields["wgt"], _loops(instruction, "wgt"), config)
        sums = _sums_read(fields["dst"], dst, config) if instruction.overwrite else writes
        return Touched(((Buffer.INP, inp), (Buffer.WGT, wgt), (Buffer.ACC, sums)), writes)
    moves = instruction.op == AluOp.MOV
    own: tuple[tuple[Buffer, Entries], ...] = () if moves else ((Buffer.ACC, writes),)
    src = _loops(instruction, "src")
    match instruction.source:
        case AluSource.IMM:
            return Touched(own, writes)
        case AluSource.INP:
            return Touched((*own, (Buffer.INP, _entries(Buffer.INP, fields["src"], src, config))), writes)
    operands = _entries(Buffer.ACC, fields["src"], src, config)
    if moves:
        return Touched(((Buffer.ACC, _moved(fields, dst, src, config)),), writes)
    return Touched(((Buffer.ACC, operands), *own), writes)


def _fields(words: NDArray[np.uint64], config: Config) -> dict[str, Indices]:
    fields, lsb = {}, 0
    for name, width in uop_fields(config).items():
        mask = np.uint64((1 << width) - 1)
        fields[name] = ((words >> np.uint64(lsb)) & mask).astype(np.int64)
        lsb += width
    return fields


def _loops(instruction: Gemm | Alu, what: str) -> Loops:
    steps = (getattr(instruction, f"{what}_{loop}") for loop in ("outer", "inner"))
    return Loops(instruction.outer, instruction.inner, *steps)


def _entries(buffer: Buffer, bases: Indices, loops: Loops, config: Config) -> Entries:
    try:
        return footprint(bases, loops, buffer_depth(config, buffer))
    except OutOfRangeError as error:
        raise KernelRangeError(buffer, error.value) from None


def _sums_read(dst: Indices, loops: Loops, config: Config) -> Entries:
    """Accumulators that an overwriting GEMM adds to before it has overwritten them."""
    if (dst == dst[0]).all():
        return slice(0, 0, 1)
    order, steps, depth = np.arange(len(dst)), len(dst), config.acc_depth
    written = first_touch(dst[:1], order[:1], steps, loops, depth)
    added = first_touch(dst[1:], order[1:], steps, loops, depth)
    return compact(np.flatnonzero(added < written))


def _moved(fields: dict[str, Indices], dst: Loops, src: Loops, config: Config) -> Entries:
    """Accumulators that a move among accumulators reads before it has written them."""
    order, depth = np.arange(len(fields["dst"])), config.acc_depth
    written = first_touch(fields["dst"], order, len(order), dst, depth)
    read = first_touch(fields["src"], order, len(order), src, depth)
    return compact(np.flatnonzero((read <= written) & (read != NEVER)))
