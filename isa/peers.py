"""Dependency flags by the names of the units that they concern, as the builder and the assembler write them."""

from __future__ import annotations

from collections.abc import Iterable

from .instructions import NEXT, PREVIOUS, Instruction, Unit
from .layout import EncodingError

UNIT_NAMES = {unit.name.lower(): unit for unit in (Unit.LOAD, Unit.COMPUTE, Unit.STORE)}


def sides(unit: Unit) -> dict[Unit, str]:
    """The neighbours of `unit`, and what its flags call them."""
    found = (("prev", PREVIOUS.get(unit)), ("next", NEXT.get(unit)))
    return {peer: side for side, peer in found if peer is not None}


def flags(unit: Unit, verb: str, peers: Iterable[Unit | str]) -> dict[str, bool]:
    """The flags that make an instruction of `unit` ``pop`` from, or ``push`` to, the units `peers`.

    Raises
    ------
    EncodingError:
        A name is no unit's, or the unit is no neighbour.
    """
    neighbours = sides(unit)
    chosen = {}
    for peer in peers:
        known = UNIT_NAMES.get(peer) if isinstance(peer, str) else peer
        if known not in neighbours:
            name = peer if isinstance(peer, str) else peer.name.lower()
            names = " and ".join(unit.name.lower() for unit in neighbours) or "no unit"
            raise EncodingError(f"{verb}({name}): {unit.name.lower()} exchanges tokens with {names}")
        chosen[f"{verb}_{neighbours[known]}"] = True
    return chosen


def peers(instruction: Instruction, verb: str) -> list[str]:
    """The names of the units that the flags of `instruction` that begin with `verb` concern."""
    neighbours = sides(instruction.unit).items()
    return [peer.name.lower() for peer, side in neighbours if getattr(instruction, f"{verb}_{side}")]
