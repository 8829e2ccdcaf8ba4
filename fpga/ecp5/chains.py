"""Carry chains whose tables do more than add.

A half of a CCU2C has a table of A, B, C and D, which says whether a carry passes, and takes the carry that it gives
otherwise from the table's first four places, which are of A and B alone. That is enough to gate both addends on their
way in, which Yosys does in tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Const, Instance, Module, Signal, Value, signed

INPUTS = "ABCD"
Table = Callable[[int, int, int, int], int]
Place = tuple[tuple[Value, ...], Table]
"""What the four inputs of a half are, and its table of them."""


def times_two_bits(m: Module, x: Value, bits: Value, width: int, *, is_signed: bool = False) -> Signal:
    """``x * bits``, modulo ``2**width``.

    Parameters
    ----------
    x:
        Extended by its sign, should `width` need that.
    bits:
        Two of them, a number without sign, or with one if `is_signed`.
    """
    low = [x[min(k, len(x) - 1)] for k in range(width + 1)]
    high = [Const(0, 1), *low]
    places: list[Place] = []
    for k in range(width):
        addends = [(high[k], bits[1]), (low[k], bits[0])] if is_signed else [(low[k], bits[0]), (high[k], bits[1])]
        pins = tuple(pin for addend in addends for pin in addend)
        places.append((pins, _minus if is_signed else _plus))
    if not is_signed:  # nothing to add to the lowest; high inputs need no wires
        places[0] = (low[0], bits[0], Const(1), Const(1)), lambda a, b, c, d: a & b
    return _chain(m, places, Const(is_signed, 1))


def gated_sum(m: Module, x: Value, y: Value, without_x: Value, minus_y: Value) -> Signal:
    """As `hw.products.gated_sum`."""
    places: list[Place] = [((minus_y, Const(1), Const(1), Const(1)), _carry)]
    for k in range(len(y) + 1):
        pins = (y[min(k, len(y) - 1)], minus_y, x[min(k, len(x) - 1)], without_x)
        places.append((pins, _sum))
    return _chain(m, places, Const(0, 1))[1:].as_signed()


def _chain(m: Module, places: Sequence[Place], carry: Value) -> Signal:
    """The sum of a chain of these places, as a signed number; `carry` goes into the lowest."""
    total = Signal(signed(len(places)))
    for place in range(0, len(places), 2):
        ports: dict[str, Value] = {"i_CIN": carry}
        tables: list[Const] = []
        for half, k in enumerate((place, place + 1)):
            pins, table = places[min(k, len(places) - 1)]
            tables.append(_table(table))
            ports |= {f"i_{name}{half}": pin for name, pin in zip(INPUTS, pins, strict=True)}
            ports[f"o_S{half}"] = total[k] if k < len(places) else Signal(name="beyond")
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
    return total


def _plus(a: int, b: int, c: int, d: int) -> int:
    """Where one of the addends is 0 and the other 1 a carry passes; else it is as they are."""
    return a & b ^ c & d


def _minus(a: int, b: int, c: int, d: int) -> int:
    """The same with the addend of A and B inverted. The carry into the chain makes that its negative."""
    return ~(a & b) & 1 ^ c & d


def _sum(a: int, b: int, c: int, d: int) -> int:
    """`a`, inverted with `b`, and `c` unless `d`."""
    return a ^ b ^ (c & ~d)


def _carry(a: int, b: int, c: int, d: int) -> int:
    """No carry passes where C and D are 1: it is `a`."""
    return a & ~(c & d) & 1


def _table(function: Table) -> Const:
    values = [function(*(place >> k & 1 for k in range(len(INPUTS)))) for place in range(1 << len(INPUTS))]
    return Const(sum(value << place for place, value in enumerate(values)), len(values))
