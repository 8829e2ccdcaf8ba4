"""What carries bytes between a host and a board."""

from __future__ import annotations

from typing import Protocol


class TransportLost(Exception):
    """The line is gone, such as a cable that was pulled. The message says what was seen."""


class Transport(Protocol):
    """A line. Bytes may be lost and damaged on it; they stay in order."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def write(self, data: bytes) -> None:
        """Send bytes. Raises `TransportLost` when the line is gone or takes none for a long time."""

    def read(self, seconds: float) -> bytes:
        """What has arrived, or arrives first within `seconds`; nothing after that.

        Raises
        ------
        TransportLost:
            The line is gone.
        """

    def close(self) -> None:
        """Give the line back. Harmless when it is closed."""
