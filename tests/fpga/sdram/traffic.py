"""Random AXI4 traffic whose every answer is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dovetail.isa.config import Config
from tests.fpga.sdram.bench import DECERR, Burst

BOUNDARY = 4096
LONGEST = 64


class RandomTraffic:
    """Gives `count` bursts near some places; none touches what one in flight writes, nor writes what one reads.

    Parameters
    ----------
    memory:
        What is stored; follows the writes.
    places:
        Byte addresses. A burst begins up to 1 KB before one, or after.
    """

    def __init__(
        self,
        config: Config,
        memory: bytearray,
        places: Sequence[int],
        *,
        count: int,
        rng: random.Random,
        ids: Sequence[int] = range(4),
    ) -> None:
        self.size, self.memory, self.places = config.bus_bytes, memory, places
        self.count, self.rng, self.ids = count, rng, ids

    @property
    def left(self) -> bool:
        return self.count > 0

    def __call__(self, write: bool, in_flight: list[Burst]) -> Burst | None:
        rng, size = self.rng, self.size
        if not self.left or rng.random() < 0.5:
            return None
        addr = rng.choice(self.places) + rng.randrange(-1024, 1024, size)
        beats = LONGEST if rng.random() < 0.1 else rng.choice((1, 1, 2, 3, 4, 7, 16))
        beats = min(beats, (BOUNDARY - addr % BOUNDARY) // size)
        end = addr + beats * size
        if addr < 0 or any(
            addr < other.addr + len(other.data) * size and other.addr < end and (write or other.write)
            for other in in_flight
        ):
            return None
        self.count -= 1
        burst = Burst(addr, [], id=rng.choice(self.ids))
        if addr >= len(self.memory):
            burst.resp = DECERR
        full = (1 << size) - 1
        for at in range(addr, end, size):
            if not write:
                burst.data.append(int.from_bytes(self.memory[at : at + size], "little"))
                continue
            data, strobes = rng.getrandbits(8 * size), rng.choice((full, full, rng.getrandbits(size), 0))
            burst.data.append(data)
            burst.strobes.append(strobes)
            for k in range(size):
                if burst.resp != DECERR and strobes >> k & 1:
                    self.memory[at + k] = data >> 8 * k & 0xFF
        return burst
