"""Map what is computed in the accumulators, and what of it is stored as int8, onto the machine's operations."""

from __future__ import annotations

from dovetail.compiler.tir.stmt import Program

from .map_alu import map_alu
from .map_output import map_output


def map_vectors(program: Program) -> Program:
    """`program` with operations of the ALU and requantised stores in place of the nests that compute them.

    Raises
    ------
    MappingError:
        A nest touches the machine's memories and is no operation of the machine.
    """
    return map_output(map_alu(program))
