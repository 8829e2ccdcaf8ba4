"""The array's products, which a platform with multipliers of its own may form in its way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from amaranth.hdl import Module, Signal, Value


@runtime_checkable
class HasProductPairs(Protocol):
    """A platform that forms the products; it is given to `elaborate`, as for Amaranth's `lib.cdc`."""

    def product_pair(
        self, m: Module, x: Value, weights: tuple[Value, Value], enables: Sequence[Value], name: str
    ) -> tuple[Value, Value]:
        """As the function `product_pair`."""


def product_pair(
    platform: object, m: Module, x: Value, weights: tuple[Value, Value], enables: Sequence[Value], name: str
) -> tuple[Value, Value]:
    """``x * weights[0]`` and ``x * weights[1]``, as many cycles later as there are `enables`.

    Parameters
    ----------
    platform:
        Forms the products if it can (`HasProductPairs`); else they are written as multiplications.
    x, weights:
        int8.
    enables:
        One for each of the pipeline's stages, in their order, 1 at least: its registers move in cycles in which it is
        high.
    name:
        Begins the names of registers.

    Returns
    -------
    Two signed values of 16 bits.
    """
    if isinstance(platform, HasProductPairs):
        return platform.product_pair(m, x, weights, enables, name)
    lower, upper = (pipelined(m, x * weight, enables, f"{name}_{k}") for k, weight in enumerate(weights))
    return lower, upper


def register(m: Module, value: Value, enable: Value, name: str) -> Signal:
    """`value` as it was in the last cycle with `enable`."""
    held = Signal(value.shape(), name=name)
    with m.If(enable):
        m.d.sync += held.eq(value)
    return held


def pipelined(m: Module, value: Value, enables: Sequence[Value], name: str) -> Value:
    """`value` behind a register for each of `enables`, in their order."""
    for stage, enable in enumerate(enables):
        value = register(m, value, enable, f"{name}_{stage}")
    return value
