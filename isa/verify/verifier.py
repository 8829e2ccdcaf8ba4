"""The verifier: what it lets through terminates, and its result depends on nothing but DRAM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..accesses import DRAM_LIMIT
from ..instructions import Alu, Buffer, Gemm, Load, Store
from ..program import Program
from .buffers import BufferOrder
from .contents import MicroOpBuffer
from .dram import DramOrder, check_ranges
from .errors import VerificationError
from .structure import check_encodings, check_finish, check_post
from .tokens import schedule


def verify(
    program: Program,
    *,
    dram_bytes: int | None = None,
    dram: NDArray[np.uint8] | None = None,
    program_region: tuple[int, int] | None = None,
) -> None:
    """Check a program against every rule in `RULES`.

    Parameters
    ----------
    dram_bytes:
        The memory that the program may touch, from address 0; by default its own `dram_bytes`.
    dram:
        DRAM as it is when the program starts, uint8: where micro-ops are found, instead of the program's segments.
    program_region:
        Address and size in bytes of the program's words in DRAM, which it must not write.

    Raises
    ------
    VerificationError:
        The first rule that is broken; the message has the instruction's index and text, the value and the limit.
    """
    config = program.config
    check_encodings(program.instructions, config)
    check_finish(program.instructions)
    body = program.instructions[:-1]
    check_post(body)
    limit = min(DRAM_LIMIT, program.dram_bytes if dram_bytes is None else dram_bytes)
    accesses = check_ranges(body, config, limit, program_region)
    order = schedule(body, config)
    memory = DramOrder(body, accesses, order)
    buffers = BufferOrder(body, config, order)
    micro_ops = MicroOpBuffer(config, program.segments, dram)
    for index in order.order:
        match body[index]:
            case Load() as load:
                entries, stored = buffers.load(index, load), memory.load(index)
                if load.buffer == Buffer.UOP:
                    micro_ops.load(load, entries, stored)
            case Store() as store:
                buffers.store(index, store)
                memory.store(index)
            case Gemm() | Alu() as kernel:
                place = buffers.fetch_kernel(index, kernel)
                if not micro_ops.known[place].all():
                    unknown = place.start + int(np.argmin(micro_ops.known[place]))
                    what = f"uop[{unknown}] comes from DRAM that no segment of the program fills, or that it stores to"
                    raise VerificationError("micro-ops", what, index, kernel)
                buffers.compute(index, kernel, micro_ops.words[place])
