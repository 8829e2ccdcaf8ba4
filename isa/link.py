"""The protocol between a host and a board: requests and answers in frames over a byte stream such as a UART.

A frame is a header, a payload and their CRC-32, delimited and escaped as SLIP does (RFC 1055): it begins and ends with
`END`; in between `END` is sent as `ESC ESC_END` and `ESC` as `ESC ESC_ESC`. Empty frames mean nothing, so a sender may
flush a line with any number of `END`. Numbers are little-endian; the checksum is that of IEEE 802.3 (`zlib.crc32`).

The board executes requests in order, each only when all of its frame has arrived and is whole, and gives each one
answer with the request's tag. A damaged frame, or one shorter than a header, is answered with `LinkStatus.DAMAGED`,
operation 0 and tag 0 and has no other effect.
Requests to memory may be repeated: they give the same again. A register write with the tag of the register write that
was last executed is answered and not executed, so it may be repeated too; `LinkOp.IDENTIFY` forgets that tag.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD

LINK_VERSION = 1
TAG_BITS = 16
ALIGN_BYTES = 16
"""Addresses and lengths of memory requests are multiples of this, which is the widest bus."""
MAX_PAYLOAD_BYTES = 1024
"""Bytes that one request writes or reads; a request stays within a block of this size, at a multiple of it."""
WINDOW_REQUESTS = 4
"""Requests that a host may have unanswered."""
CRC_BYTES = 4


class LinkOp(IntEnum):
    """What a request asks."""

    IDENTIFY = 1
    """Answer: `Identity`. `address` and `length` are 0."""
    READ_MEMORY = 2
    """Answer: `length` bytes from `address` on."""
    WRITE_MEMORY = 3
    """Payload: `length` bytes for `address` on. Answered when the memory has answered."""
    READ_REGISTER = 4
    """Answer: the 4 bytes of the register at byte `address` of the register block. `length` is 4."""
    WRITE_REGISTER = 5
    """Payload: the 4 bytes for the register. `length` is 4."""


class LinkStatus(IntEnum):
    """How a request went. Only an `OK` answer has a payload."""

    OK = 0
    MALFORMED = 1
    """The frame is whole, but no such request is possible: the operation, the alignment, the length, the payload."""
    REFUSED = 2
    """The memory answered with an error."""
    DAMAGED = 3
    """The frame's check failed: some request before this answer must be sent again."""


@dataclass(frozen=True)
class Request:
    """Header of a request: `op` u8, a zero byte, `tag` u16, `address` u32, `length` u32; its payload follows."""

    op: int
    tag: int
    address: int = 0
    length: int = 0

    FORMAT = struct.Struct("<BxHII")

    def encode(self) -> bytes:
        return self.FORMAT.pack(self.op, self.tag, self.address, self.length)


@dataclass(frozen=True)
class Answer:
    """Header of an answer: `op` u8 of the request, `status` u8, `tag` u16; its payload follows."""

    op: int
    status: int
    tag: int

    FORMAT = struct.Struct("<BBH")

    def encode(self) -> bytes:
        return self.FORMAT.pack(self.op, self.status, self.tag)


@dataclass(frozen=True)
class Identity:
    """Payload of the answer to `LinkOp.IDENTIFY`.

    Attributes
    ----------
    version:
        `LINK_VERSION` of the board.
    memory_bytes:
        Size of the board's memory, from address 0 on.
    clock_hz:
        Of the accelerator.
    fingerprint:
        Of the accelerator's configuration.
    """

    version: int
    memory_bytes: int
    clock_hz: int
    fingerprint: int

    FORMAT = struct.Struct("<IIIQ")

    def encode(self) -> bytes:
        return self.FORMAT.pack(self.version, self.memory_bytes, self.clock_hz, self.fingerprint)

    @classmethod
    def decode(cls, payload: bytes) -> Identity:
        return cls(*cls.FORMAT.unpack(payload))


def frame(contents: bytes) -> bytes:
    """A frame of a header and payload, with its check, as it goes over the line."""
    whole = contents + zlib.crc32(contents).to_bytes(CRC_BYTES, "little")
    escaped = whole.replace(bytes([ESC]), bytes([ESC, ESC_ESC])).replace(bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + escaped + bytes([END])
