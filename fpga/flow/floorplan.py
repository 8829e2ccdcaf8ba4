"""A floorplan: where multipliers and block memories go, chosen before nextpnr places the rest around them.

There are few, in a few rows of the device, and the logic between them is drawn to where they are. nextpnr lets each
follow the logic and takes the next free place for it, so that those of a lane end far from each other, and stay there.
Here they are placed together, by how strongly logic connects them (`Network.strengths`): places are swapped while that
brings down the sum of the distances' squares, each times its strength (simulated annealing; Kirkpatrick,
Gelatt and Vecchi, 1983). With squares the longest of the 3% strongest connections of `narrow` spans 62 tiles, with
distances 86, and the sum of distances is less than 1% larger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import CapacityError
from .grid import Site, sites
from .network import Floats, Network

MOVES = 2000
"""For each cell, in annealing."""
HOT, COLD = 0.5, 1 / 2000
"""The temperature at first, over a cell's part of the sum, and in the end over that."""


def floorplan(
    network: Network, kinds: Sequence[str], device: str, pads: Sequence[tuple[int, int]] = (), *, seed: int = 0
) -> list[Site]:
    """Places for a netlist's multipliers and block memories.

    Parameters
    ----------
    network:
        The netlist; those are what it has fixed, and then its pads.
    kinds:
        Their types.
    device:
        An ECP5, such as ``LFE5U-85F``.
    pads:
        Columns and rows of the pads.

    Raises
    ------
    CapacityError:
        There are more of a type than the device has.
    ToolMissing:
        nextpnr's package does not describe the device.
    """
    places = [(kind, site) for kind, all_of_it in sites(device).items() for site in all_of_it]
    for kind, all_of_it in sites(device).items():
        if (count := kinds.count(kind)) > len(all_of_it):
            raise CapacityError(f"the design takes {count:,} {kind}, of which {device} has {len(all_of_it):,}")
    own = [f"pad {number}" for number in range(len(pads))]  # each is of its own kind, and stays where it is
    at = np.array([*((site.x, site.y) for _, site in places), *pads], np.float64)
    squares = np.abs(at[:, None] - at[None]).sum(axis=2) ** 2
    offered = [*(kind for kind, _ in places), *own]
    chosen = arrange(network.strengths(), squares, [*kinds, *own], offered, seed=seed)
    return [places[number][1] for number in chosen[: len(kinds)]]


def arrange(
    strength: Floats, costs: Floats, kinds: Sequence[str], place_kinds: Sequence[str], *, seed: int
) -> NDArray[np.int64]:
    """A place of its kind for each thing, all different, so that strongly connected ones are near each other.

    Parameters
    ----------
    strength:
        Between things, symmetric, 0 with itself.
    costs:
        Between places, the same both ways.
    kinds, place_kinds:
        Of things and of places; there are enough of each.
    """
    count = len(strength)
    rng = np.random.default_rng(seed)
    places = {kind: np.flatnonzero(np.array(place_kinds) == kind) for kind in set(kinds)}
    place = np.full(count, -1)
    for kind, all_of_it in sorted(places.items()):
        things = [thing for thing, its in enumerate(kinds) if its == kind]
        place[things] = rng.permutation(all_of_it)[: len(things)]
    holder = np.full(len(costs), -1)
    holder[place] = np.arange(count)

    total = (strength * costs[np.ix_(place, place)]).sum() / 2
    moves = MOVES * count
    temperature, cooling = HOT * total / count, COLD ** (1 / moves)
    for thing, pick, chance in zip(rng.integers(count, size=moves), rng.random(moves), rng.random(moves), strict=True):
        temperature *= cooling
        choice = places[kinds[thing]]
        old, new = place[thing], choice[int(pick * len(choice))]
        other = holder[new]
        if other == thing:
            continue
        pulls = strength[thing].copy()
        if other >= 0:
            pulls -= strength[other]
            pulls[thing] = pulls[other] = 0  # the two stay as far apart as they are
        gain = pulls @ (costs[new, place] - costs[old, place])
        if gain <= 0 or (temperature > 0 and chance < math.exp(-gain / temperature)):
            place[thing], holder[new], holder[old] = new, thing, other
            if other >= 0:
                place[other] = old
    return place
