"""Carry chains whose tables do more than add.

A half of a CCU2C has a table of A, B, C and D, which says whether a carry passes, and takes the carry that it gives
otherwise from the table's first four places, which are of A and B alone. That is enough to gate both addends on their
way in, which Yosys does in tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Const, Instance, Module, Signal, Value, signed

INPUTS = "ABCD"


def times_two_bits(m: Module, x: Value, bits: Value, width: int, *, is_signed: bool = False) -> Signal:
    """``x * bits``, modulo ``2**width``.

    Parameters
    ----------
    x:
        Extended by its sign, should `width` need that.
    bits:
        Two of them, a number without sign, or with one if `is_signed`.
    """
    product = Signal(signed(width))
    low = [x[min(k, len(x) - 1)] for k in range(width + 1)]
    high = [Const(0, 1), *low]
    carry: Value = Const(is_signed, 1)
    for place in range(0, width, 2):
        ports: dict[str, Value] = {"i_CIN": carry}
        tables: list[Const] = []
        for half, k in enumerate((place, place + 1)):
            addends = [(high[k], bits[1]), (low[k], bits[0])] if is_signed else [(low[k], bits[0]), (high[k], bits[1])]
            pins = [pin for addend in addends for pin in addend]
            tables.append(_table(_minus if is_signed else _plus))
            if k == 0 and not is_signed:  # nothing to add; high inputs need no wires
                pins[2:], tables[-1] = [Const(1), Const(1)], _table(lambda a, b, c, d: a & b)
            ports |= {f"i_{name}{half}": pin for name, pin in zip(INPUTS, pins, strict=True)}
            ports[f"o_S{half}"] = product[k] if k < width else Signal(name="beyond")
        carry = Signal(name="carry")
        m.submodules += Instance(
            "CCU2C",
            p_INIT0=tables[0],
            p_INIT1=tables[1],
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            o_COUT=carry,
            **ports,
        )
    return product


def _plus(a: int, b: int, c: int, d: int) -> int:
    """Where one of the addends is 0 and the other 1 a carry passes; else it is as they are."""
    return a & b ^ c & d


def _minus(a: int, b: int, c: int, d: int) -> int:
    """The same with the addend of A and B inverted. The carry into the chain makes that its negative."""
    return ~(a & b) & 1 ^ c & d


def _table(function: Callable[[int, int, int, int], int]) -> Const:
    values = [function(*(place >> k & 1 for k in range(len(INPUTS)))) for place in range(1 << len(INPUTS))]
    return Const(sum(value << place for place, value in enumerate(values)), len(values))
