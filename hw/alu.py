"""What executing does to one lane of an accumulator.

Lanes are many and on the machine's shortest loop, so that one adder and one shifter do for all operations, and what an
operation means to them is decided a stage before.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data

from dovetail.isa.config import ACC_BITS, clog2
from dovetail.isa.instructions import AluOp

from .products import gated_sum

AMOUNT_BITS = clog2(ACC_BITS)


class LaneControl(data.Struct):
    """What a lane does with the accumulator and the operand. All zero gives the operand."""

    add: unsigned(1)
    """Their sum."""
    subtract: unsigned(1)
    """With `add` the difference; needed for `smaller` and `larger` too."""
    overwrite: unsigned(1)
    """The accumulator counts as 0 in the sum."""
    smaller: unsigned(1)
    larger: unsigned(1)
    """The smaller, or larger, of the two."""
    shift: unsigned(1)
    """The accumulator, shifted to the right with its sign,"""
    left: unsigned(1)
    """or to the left."""


def decode(m: Module, gemm: Value, overwrite: Value, op: Value) -> data.View:
    """The controls of a slot: the array's sums are added, or `op`, an `AluOp`; undefined operations give the operand.

    `overwrite` is high only with `gemm`.
    """
    control = Signal(LaneControl)
    m.d.comb += control.overwrite.eq(overwrite)
    with m.If(gemm):
        m.d.comb += control.add.eq(1)
    with m.Else():
        with m.Switch(op):
            with m.Case(AluOp.ADD):
                m.d.comb += control.add.eq(1)
            with m.Case(AluOp.SUB):
                m.d.comb += [control.add.eq(1), control.subtract.eq(1)]
            with m.Case(AluOp.MIN):
                m.d.comb += [control.smaller.eq(1), control.subtract.eq(1)]
            with m.Case(AluOp.MAX):
                m.d.comb += [control.larger.eq(1), control.subtract.eq(1)]
            with m.Case(AluOp.SHR):
                m.d.comb += control.shift.eq(1)
            with m.Case(AluOp.SHL):
                m.d.comb += [control.shift.eq(1), control.left.eq(1)]
    return control


def alu_lane(platform: object, m: Module, control: data.View, x: Value, alone: Value, y: Value, *, name: str) -> Value:
    """The lane's new value, combinational; wraps modulo 2**32.

    Parameters
    ----------
    platform:
        Forms the sum if it can; see `hw.products`.
    x, y:
        The accumulator and the operand, int32.
    alone:
        The accumulator, from a register; for shifts.
    """
    total = Signal(signed(ACC_BITS + 1), name=f"{name}_total")
    m.d.comb += total.eq(gated_sum(platform, m, x, y, control.overwrite, control.subtract))
    keeps = Mux(total[-1], control.smaller, control.larger)
    shifted = _shifted(m, control.left, alone, y[:AMOUNT_BITS], name)

    result = Signal(signed(ACC_BITS), name=name)
    m.d.comb += result.eq(Mux(control.shift, shifted, Mux(control.add, total, Mux(keeps, x, y))))
    return result


def _shifted(m: Module, left: Value, x: Value, amount: Value, name: str) -> Value:
    """`x` shifted to the right with its sign, or to the left: backwards it is a shift to the right."""
    value = Signal(ACC_BITS, name=f"{name}_unshifted")
    fill = ~left & x[-1]
    m.d.comb += value.eq(Mux(left, x[::-1], x))
    for k in range(AMOUNT_BITS):
        count = 1 << k
        moved = Signal(ACC_BITS, name=f"{name}_shifted_{k}")
        m.d.comb += moved.eq(Mux(amount[k], Cat(value[count:], fill.replicate(count)), value))
        value = moved
    return Mux(left, value[::-1], value)
