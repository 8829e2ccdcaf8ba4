"""The host link's frames and headers, byte by byte."""

from __future__ import annotations

import binascii
import re

from hypothesis import given
from hypothesis import strategies as st

from dovetail.isa.link import (
    ALIGN_BYTES,
    END,
    MAX_PAYLOAD_BYTES,
    Answer,
    Identity,
    LinkOp,
    LinkStatus,
    Request,
    frame,
)

SPECIAL = st.sampled_from([0xC0, 0xDB, 0xDC, 0xDD])


@given(st.lists(SPECIAL | st.integers(0, 255)).map(bytes))
def test_a_frame_gives_its_contents_back_and_shows_no_end_inside(contents):
    line = frame(contents)
    assert line[0] == line[-1] == END
    inside = line[1:-1]
    assert END not in inside
    assert re.fullmatch(rb"(?s:[^\xdb]|\xdb[\xdc\xdd])*", inside)
    whole = re.sub(rb"\xdb[\xdc\xdd]", lambda escape: b"\xc0" if escape[0][1] == 0xDC else b"\xdb", inside)
    assert whole == contents + binascii.crc32(contents).to_bytes(4, "little")


def test_headers_are_little_endian_in_the_order_of_their_fields():
    request = Request(LinkOp.WRITE_MEMORY, 0x0201, 0x06050403, 0x0A090807)
    assert request.encode() == bytes([3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert Answer(LinkOp.READ_MEMORY, LinkStatus.REFUSED, 0x0201).encode() == bytes([2, 2, 1, 2])
    identity = Identity(version=1, memory_bytes=32 << 20, clock_hz=65_000_000, fingerprint=0x0102030405060708)
    assert identity.encode().hex(" ", 4) == "01000000 00000002 40d2df03 08070605 04030201"
    assert Identity.decode(identity.encode()) == identity


def test_the_largest_request_is_a_whole_number_of_units():
    assert MAX_PAYLOAD_BYTES % ALIGN_BYTES == 0
