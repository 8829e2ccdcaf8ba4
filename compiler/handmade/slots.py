"""Parts of a buffer that hold one thing each, until it is needed for another."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

NOBODY = -1


@dataclass
class Slot:
    begin: int
    key: Hashable = None
    last_user: int = NOBODY
    """The last GEMM that reads it."""


class Slots:
    """A buffer of `depth` entries in equal slots of `size`, given away by least recent use."""

    def __init__(self, depth: int, size: int, most: int | None = None) -> None:
        count = depth // size if most is None else min(most, depth // size)
        self.slots = [Slot(place * size) for place in range(count)]

    def find(self, key: Hashable, user: int) -> tuple[int, bool, int]:
        """A slot for `key` that GEMM number `user` reads.

        Returns
        -------
        begin: int
            The slot's first entry.
        missing: bool
            What `key` names is not there and must be loaded.
        after: int
            The GEMM that must be complete before that, or `NOBODY`.
        """
        slot = next((slot for slot in self.slots if slot.key == key), None)
        missing = slot is None
        if slot is None:
            slot = min(self.slots, key=lambda slot: slot.last_user)
        after = slot.last_user
        slot.key, slot.last_user = key, user
        return slot.begin, missing, after
