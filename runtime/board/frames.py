"""The other direction of `isa.link.frame`: contents of frames out of a stream of bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dovetail.isa.link import CRC_BYTES, END, ESC, ESC_END, ESC_ESC, MAX_PAYLOAD_BYTES, Answer

LONGEST = 2 * (Answer.FORMAT.size + MAX_PAYLOAD_BYTES + CRC_BYTES)
"""Bytes between two `END` of a frame all of whose bytes are escaped."""


class Decoder:
    """Takes what arrives, in pieces of any size, and gives the contents of frames that are whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Contents of the frames that end in `data`, without their check; None for each whose check failed."""
        *frames, self._rest = (self._rest + data).split(bytes([END]))
        if len(self._rest) > LONGEST:
            self._rest = self._rest[-LONGEST - 1 :]  # longer than a frame may be, so that its end is no frame's
        return (_checked(escaped) for escaped in frames if escaped)


def _checked(escaped: bytes) -> bytes | None:
    whole = escaped.replace(bytes([ESC, ESC_END]), bytes([END])).replace(bytes([ESC, ESC_ESC]), bytes([ESC]))
    contents, check = whole[:-CRC_BYTES], whole[-CRC_BYTES:]
    if len(escaped) > LONGEST or zlib.crc32(contents).to_bytes(CRC_BYTES, "little") != check:
        return None
    return contents
