"""The ALU's operations on one lane."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed

from dovetail.isa.config import ACC_BITS, clog2
from dovetail.isa.instructions import AluOp


def alu_lane(m: Module, op: Value, x: Value, y: Value, *, name: str) -> Value:
    """``op(x, y)`` of two int32, combinational; wraps modulo 2**32. Undefined operations give `y`."""
    result = Signal(signed(ACC_BITS), name=name)
    amount = y.as_unsigned()[: clog2(ACC_BITS)]
    m.d.comb += result.eq(y)
    with m.Switch(op):
        with m.Case(AluOp.ADD):
            m.d.comb += result.eq(x + y)
        with m.Case(AluOp.SUB):
            m.d.comb += result.eq(x - y)
        with m.Case(AluOp.MIN):
            m.d.comb += result.eq(Mux(x < y, x, y))
        with m.Case(AluOp.MAX):
            m.d.comb += result.eq(Mux(x < y, y, x))
        with m.Case(AluOp.SHR):
            m.d.comb += result.eq(x >> amount)
        with m.Case(AluOp.SHL):
            m.d.comb += result.eq(x << amount)
    return result
