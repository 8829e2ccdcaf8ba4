"""A path in the words of the design: modules and signals, for the cells and nets that tools made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .place_and_route import Hop

MADE = re.compile(
    r"(_(TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|MULT18X18D|TRELLIS_DPR16X4|DP16KD)_|\$([A-Z]|nextpnr|auto|abc)).*"
)
"""What Yosys and nextpnr add to a signal's name to name what is around it."""
BLOCKS = re.compile(r"(\.\d+)+$")
"""What Yosys adds to a memory's name to name its blocks."""
DIGITS = 3


@dataclass(frozen=True)
class Point:
    """A part of a path.

    Attributes
    ----------
    name:
        A signal, by the path of its module: the part is what drives it or, of logic whose signals were optimised away,
        what is next to it.
    delay_ns:
        What this part takes, with the wires from it.
    routing_ns:
        What the wires take.
    """

    name: str
    delay_ns: float
    routing_ns: float

    def as_dict(self) -> dict[str, object]:
        return {"name": self.name, "delay_ns": self.delay_ns, "routing_ns": self.routing_ns}


def translate(hops: Iterable[Hop], top: str) -> tuple[Point, ...]:
    """The points of a path that nextpnr reports. Hops that follow each other and are of one signal are one point."""
    names: list[str] = []
    delays: list[tuple[float, float]] = []
    for hop in hops:
        name = signal_name(hop.cell) or (names[-1] if names else "")
        if not names or name != names[-1]:
            names.append(name)
            delays.append((0.0, 0.0))
        delay, routing = delays[-1]
        delays[-1] = delay + hop.delay_ns, routing + (hop.delay_ns if hop.is_routing else 0.0)
    return tuple(
        Point(f"{top}.{name}" if name else top, round(delay, DIGITS), round(routing, DIGITS))
        for name, (delay, routing) in zip(names, delays, strict=True)
    )


def signal_name(cell: str) -> str:
    """The signal that a cell is named for, such as ``soc.accelerator.compute.sums``; empty where nextpnr made it up."""
    return BLOCKS.sub("", MADE.sub("", cell))
