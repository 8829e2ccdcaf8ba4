"""Arithmetic that a platform with multipliers and carry chains of its own may form in its way."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from dovetail.isa.config import WGT_BITS


@runtime_checkable
class HasProducts(Protocol):
    """A platform that forms products and gated sums; it is given to `elaborate`, as for Amaranth's `lib.cdc`.

    Attributes
    ----------
    weight_excess:
        The first weight of a pair is kept as so much more, without a sign; see `kept_weights`. Sums of products are set
        right once, see `weight_excess`.
    """

    weight_excess: int

    def product_pair(
        self, m: Module, x: Value, weights: tuple[Value, Value], stages: int, name: str
    ) -> tuple[Value, Value]:
        """As the function `product_pair`."""

    def product(self, m: Module, a: Value, b: Value, stages: int, name: str) -> Value:
        """As the function `product`."""

    def times_two_bits(self, m: Module, x: Value, bits: Value) -> Value:
        """As the function `times_two_bits`."""

    def gated_sum(self, m: Module, x: Value, y: Value, without_x: Value, minus_y: Value) -> Value:
        """As the function `gated_sum`."""


def product_pair(
    platform: object, m: Module, x: Value, weights: tuple[Value, Value], stages: int, name: str
) -> tuple[Value, Value]:
    """``x * weights[0]`` and ``x * weights[1]``, `stages` cycles later.

    Parameters
    ----------
    platform:
        Forms the products if it can (`HasProducts`); else they are written as multiplications.
    x, weights:
        int8; the first weight is uint8 if the platform has an excess.
    stages:
        Of the pipeline, 1 at least.
    name:
        Begins the names of registers.

    Returns
    -------
    Two signed values of 16 bits.
    """
    if isinstance(platform, HasProducts):
        return platform.product_pair(m, x, weights, stages, name)
    lower, upper = (pipelined(m, x * weight, stages, f"{name}_{k}") for k, weight in enumerate(weights))
    return lower, upper


def product(platform: object, m: Module, a: Value, b: Value, stages: int, name: str) -> Value:
    """``a * b``, with their signs, `stages` cycles later."""
    if isinstance(platform, HasProducts):
        return platform.product(m, a, b, stages, name)
    return pipelined(m, a * b, stages, name)


def times_two_bits(platform: object, m: Module, x: Value, bits: Value) -> Value:
    """``x * bits`` in the same cycle; `x` has a sign, and `bits` are two of a number that has none."""
    if isinstance(platform, HasProducts):
        return platform.times_two_bits(m, x, bits)
    return Mux(bits[0], x, 0) + (Mux(bits[1], x, 0) << 1)


def gated_sum(platform: object, m: Module, x: Value, y: Value, without_x: Value, minus_y: Value) -> Value:
    """``x + y`` in the same cycle, with a bit more than they have.

    Parameters
    ----------
    x, y:
        Numbers with a sign, of as many bits.
    without_x:
        `x` counts as 0.
    minus_y:
        `y` counts as ``-y``.
    """
    if isinstance(platform, HasProducts):
        return platform.gated_sum(m, x, y, without_x, minus_y)
    first = Mux(without_x, 0, x).as_signed()
    second = (y.as_unsigned() ^ minus_y.replicate(len(y))).as_signed()
    return (Cat(1, first).as_signed() + Cat(minus_y, second).as_signed())[1 : len(y) + 2].as_signed()


def weight_excess(platform: object) -> int:
    """What the first weight of each pair of products exceeds its own value by: nothing, or what turns its sign over."""
    return platform.weight_excess if isinstance(platform, HasProducts) else 0


def kept_weights(platform: object, weights: Value, block_in: int) -> Value:
    """What the weight buffer is to hold for `weights`, int8: those of the first of each pair with their excess.

    Parameters
    ----------
    weights:
        A tile, weight (o, i) at place ``o * block_in + i``; outputs are paired from the first on.
    """
    excess = weight_excess(platform)
    outputs = len(weights) // (WGT_BITS * block_in)
    first = sum(excess << WGT_BITS * (o * block_in + i) for o in range(0, outputs, 2) for i in range(block_in))
    return weights ^ Const(first, len(weights)) if excess else weights


def register(m: Module, value: Value, name: str) -> Signal:
    """`value` a cycle later. It is not reset: whether data counts is kept elsewhere."""
    held = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += held.eq(value)
    return held


def pipelined(m: Module, value: Value, stages: int, name: str) -> Value:
    """`value`, `stages` cycles later."""
    for stage in range(stages):
        value = register(m, value, f"{name}_{stage}")
    return value
