"""The text of each instruction, as data: the assembler and the disassembler follow the same table."""

from __future__ import annotations

from dataclasses import dataclass

from .instructions import Alu, Finish, Gemm, Instruction, Load, Param, Post, Store, Sync


@dataclass(frozen=True)
class Name:
    """An enumeration's member by its name, such as ``add``."""

    field: str


@dataclass(frozen=True)
class Place:
    """An entry of a buffer or a byte of DRAM, such as ``acc[8]``; without `space`, the field `buffer` names it."""

    field: str
    space: str | None = None


@dataclass(frozen=True)
class Kernel:
    """Micro-ops from the first to before the last, such as ``uop[0:9]``."""

    begin: str = "uop_begin"
    count: str = "uop_count"


@dataclass(frozen=True)
class Arrow:
    """``<-``: what is left of it receives."""


@dataclass(frozen=True)
class Scalar:
    """``name=value``; a flag is there or not."""

    field: str
    hexadecimal: bool = False


@dataclass(frozen=True)
class Group:
    """``name=(a,b)``: fields that belong together."""

    name: str
    fields: tuple[str, ...]


Operand = Name | Place | Kernel | Arrow
Option = Scalar | Group


@dataclass(frozen=True)
class Line:
    """What follows the mnemonic: operands in order, then options in any order."""

    operands: tuple[Operand, ...] = ()
    options: tuple[Option, ...] = ()


LOOPS = (Group("loop", ("outer", "inner")), Group("dst", ("dst_outer", "dst_inner")))
SRC = Group("src", ("src_outer", "src_inner"))
WGT = Group("wgt", ("wgt_outer", "wgt_inner"))

SYNTAX: dict[type[Instruction], Line] = {
    Load: Line(
        (Place("sram"), Arrow(), Place("dram", "dram")),
        (
            Scalar("rows"),
            Scalar("cols"),
            Scalar("stride"),
            Group("pad", ("pad_top", "pad_bottom", "pad_left", "pad_right")),
            Scalar("pad_value"),
        ),
    ),
    Store: Line(
        (Name("format"), Place("dram", "dram"), Arrow(), Place("sram", "acc")),
        (Scalar("residual"), Scalar("rows"), Scalar("cols"), Scalar("stride"), Scalar("sram_stride")),
    ),
    Param: Line((Place("dram", "dram"),)),
    Post: Line(
        (),
        (
            Scalar("zero_point"),
            Scalar("minimum"),
            Scalar("maximum"),
            Scalar("fraction"),
            Scalar("res_zero"),
            Scalar("res_multiplier"),
            Scalar("res_shift"),
            Scalar("residual_offset", hexadecimal=True),
        ),
    ),
    Gemm: Line((Kernel(),), (Scalar("overwrite"), *LOOPS, SRC, WGT)),
    Alu: Line((Name("op"), Name("source"), Kernel()), (Scalar("imm"), *LOOPS, SRC)),
    Sync: Line((Name("target"),)),
    Finish: Line(),
}

BY_MNEMONIC = {kind.opcode.name.lower(): kind for kind in SYNTAX}
