"""A board's memory and registers, however they are reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dovetail.isa.link import ALIGN_BYTES, LINK_VERSION, MAX_PAYLOAD_BYTES, LinkOp
from dovetail.isa.registers import REGISTER_BYTES
from dovetail.runtime.errors import DeviceLost, DeviceUnavailable

from .link import Ask, Link

Moved = Callable[[int], None]
"""Called with the bytes that were moved since the last call."""


class Connection(Protocol):
    """Memory from address 0 on, and the register block. Everything raises `DeviceLost` when the board is gone."""

    @property
    def name(self) -> str:
        """What messages call the way to the board."""

    @property
    def memory_bytes(self) -> int:
        """Size of the memory that programs may use."""

    @property
    def round_trip(self) -> float:
        """Seconds that an access takes, roughly."""

    def read_memory(self, address: int, nbytes: int, moved: Moved) -> npt.NDArray[np.uint8]:
        """A copy of bytes that exist."""

    def write_memory(self, address: int, data: npt.NDArray[np.uint8], moved: Moved) -> None:
        """Overwrite bytes that exist."""

    def read_register(self, address: int) -> int:
        """The register at a byte address, see `isa.registers`."""

    def write_register(self, address: int, value: int) -> None:
        """Write the register at a byte address."""

    def close(self) -> None:
        """Give back what is held. Harmless when it is closed."""


class LinkConnection:
    """A board at the end of a link.

    Raises
    ------
    DeviceUnavailable:
        Nobody answers there, or not in a way that we know.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        try:
            self.identity = link.identify()
        except DeviceLost as error:
            raise DeviceUnavailable(str(error)) from None
        if self.identity.version != LINK_VERSION:
            raise DeviceUnavailable(
                f"{link.name}: the board speaks version {self.identity.version} of the protocol, not {LINK_VERSION}: "
                "build its bitstream again"
            )

    @property
    def name(self) -> str:
        return self._link.name

    @property
    def memory_bytes(self) -> int:
        return self.identity.memory_bytes

    @property
    def round_trip(self) -> float:
        return self._link.round_trip or 0.0

    def read_memory(self, address: int, nbytes: int, moved: Moved) -> npt.NDArray[np.uint8]:
        begin, end = _aligned(address, nbytes)
        whole = np.empty(end - begin, np.uint8)

        def ask(at: int, size: int) -> Ask:
            def take(payload: bytes) -> None:
                whole[at - begin : at - begin + size] = np.frombuffer(payload, np.uint8)
                moved(size)

            return Ask(LinkOp.READ_MEMORY, at, size, size, take)

        self._link.exchange(ask(*block) for block in _blocks(begin, end))
        return whole[address - begin : address - begin + nbytes]

    def write_memory(self, address: int, data: npt.NDArray[np.uint8], moved: Moved) -> None:
        begin, end = _aligned(address, data.size)
        if (begin, end) != (address, address + data.size):
            data = self._widened(address, data, begin, end)
        data = np.ascontiguousarray(data)

        def ask(at: int, size: int) -> Ask:
            payload = data[at - begin : at - begin + size].tobytes()
            return Ask(LinkOp.WRITE_MEMORY, at, size, 0, lambda _: moved(size), payload)

        self._link.exchange(ask(*block) for block in _blocks(begin, end))

    def read_register(self, address: int) -> int:
        payload = self._link.ask(LinkOp.READ_REGISTER, address, REGISTER_BYTES, answer_bytes=REGISTER_BYTES)
        return int.from_bytes(payload, "little")

    def write_register(self, address: int, value: int) -> None:
        payload = value.to_bytes(REGISTER_BYTES, "little")
        self._link.ask(LinkOp.WRITE_REGISTER, address, REGISTER_BYTES, payload=payload)

    def close(self) -> None:
        self._link.close()

    def _widened(self, address: int, data: npt.NDArray[np.uint8], begin: int, end: int) -> npt.NDArray[np.uint8]:
        """`data` between what memory holds beside it in the blocks where it begins and ends."""
        whole = np.empty(end - begin, np.uint8)
        for edge in {begin, end - ALIGN_BYTES}:
            whole[edge - begin : edge - begin + ALIGN_BYTES] = self.read_memory(edge, ALIGN_BYTES, _unmoved)
        whole[address - begin : address - begin + data.size] = data
        return whole


def _unmoved(nbytes: int) -> None:
    """Bytes that nobody counts."""


def _aligned(address: int, nbytes: int) -> tuple[int, int]:
    """The least range of whole blocks with these bytes; none for no bytes."""
    if not nbytes:
        return address, address
    return address // ALIGN_BYTES * ALIGN_BYTES, -(-(address + nbytes) // ALIGN_BYTES) * ALIGN_BYTES


def _blocks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Addresses and sizes of the requests for a range."""
    while begin < end:
        size = min(end, (begin // MAX_PAYLOAD_BYTES + 1) * MAX_PAYLOAD_BYTES) - begin
        yield begin, size
        begin += size
