"""Arithmetic in the ECP5's multipliers: two int8 products of one operand in each MULT18X18D.

With ``u = w0 + 128``, which is not negative, the multiplier forms ``P = (w1 * 2**10 + u) * x``. The upper factor fits
18 signed bits whatever the weights are. What ``w1 * x`` and ``u * x`` share of `P` is told apart by the six low bits of
``w1 * x``, which logic forms beside the multiplier::

    (u * x)[15:10] = P[15:10] - (w1 * x)[5:0]            modulo 2**6
    w1 * x         = P[25:10] - (u * x >> 10)            modulo 2**16

The weight buffer holds `u`, and the array takes ``128 * x`` from sums of ``u * x``, once for all of them.

That three values of 8 bits give the right products in all 2**24 cases is checked by running through them.
"""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed

from dovetail.hw.output import MULTIPLIERS_PER_LANE
from dovetail.hw.products import pipelined, register
from dovetail.isa.config import INP_BITS, WGT_BITS, Config

from .chains import gated_sum, times_two_bits

FACTOR_BITS = 18
RESULT_BITS = 36
SHARED_LSB = 10
"""Where ``w1 * x`` begins in `P`; from here on it overlaps ``u * x``."""
PRODUCT_BITS = INP_BITS + WGT_BITS
SHARED_BITS = PRODUCT_BITS - SHARED_LSB
INSIDE = 2
"""Registers that a multiplier has around it: at its inputs, and at its output."""


def pairs_that_fit(multipliers: int, config: Config) -> int:
    """How many pairs of products can have a multiplier each, on a device with so many."""
    return max(0, multipliers - MULTIPLIERS_PER_LANE * config.out_lanes)


class Ecp5Arithmetic:
    """What a platform of the ECP5 family adds for the machine's arithmetic; see `hw.products.HasProducts`.

    Attributes
    ----------
    weight_excess:
        See there.
    multipliers:
        How many pairs of products may still take a multiplier; those beyond are made of logic. None is no limit.
    """

    weight_excess = 1 << WGT_BITS - 1
    """``u - w0``."""
    multipliers: int | None = None

    def product_pair(
        self, m: Module, x: Value, weights: tuple[Value, Value], stages: int, name: str
    ) -> tuple[Value, Value]:
        """As `hw.products.product_pair`.

        The first of one or two stages is the multiplier's output register, the second follows the repair. Of three or
        more the first is the multiplier's input register.
        """
        if self.multipliers == 0:
            return _pair_of_logic(m, x, weights, stages, name)
        if self.multipliers is not None:
            self.multipliers -= 1
        lower, upper = weights
        inner = min(INSIDE, max(1, stages - 1))
        # With `x` in the upper places none of it is needed twice for its sign, and zeros need no wires.
        unused = FACTOR_BITS - INP_BITS
        factors = Cat(lower, Const(0, SHARED_LSB - WGT_BITS), upper), Cat(Const(0, unused), x)
        wide = multiplier(m, *factors, inner)[unused:]

        x = pipelined(m, x.as_signed(), inner - 1, f"{name}_x")
        upper = pipelined(m, upper[:SHARED_BITS], inner - 1, f"{name}_upper")
        shared = register(m, product_modulo(m, x, upper, SHARED_BITS), f"{name}_shared")

        carried = Signal(signed(SHARED_BITS), name=f"{name}_carried")
        products = [Signal(signed(PRODUCT_BITS), name=f"{name}_{k}") for k in range(2)]
        m.d.comb += [
            carried.eq(wide[SHARED_LSB:PRODUCT_BITS] - shared),
            products[0].eq(Cat(wide[:SHARED_LSB], carried)),
            products[1].eq(wide[SHARED_LSB : SHARED_LSB + PRODUCT_BITS] - carried),
        ]
        first, second = (pipelined(m, product, stages - inner, f"{name}_{k}") for k, product in enumerate(products))
        return first, second

    def product(self, m: Module, a: Value, b: Value, stages: int, name: str) -> Value:
        """As `hw.products.product`, of factors of 18 bits with a sign or 17 without; the first registers are inside."""
        first, second = (value if value.shape().signed else Cat(value, Const(0, 1)) for value in (a, b))
        shape = (a * b).shape()
        inner = min(INSIDE, stages)
        wide = multiplier(m, first, second, inner)[: shape.width]
        return pipelined(m, wide.as_signed() if shape.signed else wide, stages - inner, name)

    def times_two_bits(self, m: Module, x: Value, bits: Value) -> Value:
        """As `hw.products.times_two_bits`."""
        return times_two_bits(m, x, bits, len(x) + 2)

    def gated_sum(self, m: Module, x: Value, y: Value, without_x: Value, minus_y: Value) -> Value:
        """As `hw.products.gated_sum`."""
        return gated_sum(m, x, y, without_x, minus_y)


def _pair_of_logic(m: Module, x: Value, weights: tuple[Value, Value], stages: int, name: str) -> tuple[Value, Value]:
    lower, upper = weights
    products = [_product_of_logic(m, x, lower, is_signed=False), _product_of_logic(m, x, upper)]
    first, second = (pipelined(m, product, stages, f"{name}_{k}") for k, product in enumerate(products))
    return first, second


def _product_of_logic(m: Module, x: Value, weight: Value, *, is_signed: bool = True) -> Value:
    """``x * weight``; two bits of `weight` a row."""
    rows: list[Value] = [
        times_two_bits(m, x, weight[k : k + 2], len(x) + 2, is_signed=is_signed and k + 2 == len(weight))
        for k in range(0, len(weight), 2)
    ]
    apart = 2
    while len(rows) > 1:
        rows = [_shifted_sum(rows[k], rows[k + 1], apart) for k in range(0, len(rows), 2)]
        apart *= 2
    return rows[0][:PRODUCT_BITS].as_signed()


def _shifted_sum(low: Value, high: Value, apart: int) -> Value:
    """``low + (high << apart)``, signed; what only `low` has is not added to anything."""
    return Cat(low[:apart], low[apart:].as_signed() + high).as_signed()


def product_modulo(m: Module, a: Value, b: Value, bits: int) -> Value:
    """``a * b`` modulo ``2**bits``, an even number, in logic."""
    total: Value | None = None
    for k in reversed(range(0, bits, 2)):
        row = times_two_bits(m, a, b[k : k + 2], bits - k)
        total = row if total is None else Cat(row[:2], (row[2:] + total)[: len(total)])
    assert total is not None
    return total


def multiplier(m: Module, a: Value, b: Value, stages: int) -> Signal:
    """The signed product of a MULT18X18D (Lattice FPGA-TN-02205), one or two cycles later.

    Parameters
    ----------
    a, b:
        18 bits each, or fewer that are extended by their sign.
    stages:
        1 for the output register, 2 for the input registers too.

    Raises
    ------
    ValueError:
        A factor is too wide.
    """
    ports: dict[str, object] = {}
    for letter, value in (("A", a), ("B", b)):
        if len(value) > FACTOR_BITS:
            raise ValueError(f"a factor of {len(value)} bits; a MULT18X18D takes {FACTOR_BITS}")
        factor = value.as_signed()
        for k in range(FACTOR_BITS):
            ports[f"i_{letter}{k}"] = factor[min(k, len(value) - 1)]
        ports[f"i_SIGNED{letter}"] = 1
        ports[f"i_SOURCE{letter}"] = 0
    places = ["OUTPUT", "INPUTA", "INPUTB"][: 2 * stages - 1]
    registers = {f"p_REG_{place}_CLK": "CLK0" for place in places}
    product = Signal(signed(RESULT_BITS), name="product")
    m.submodules += Instance(
        "MULT18X18D",
        p_GSR="DISABLED",
        i_CLK0=ClockSignal(),
        i_CE0=1,
        i_RST0=0,
        **registers,
        **ports,
        **{f"o_P{k}": product[k] for k in range(RESULT_BITS)},
    )
    return product
