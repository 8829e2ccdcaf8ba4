"""The link's server: what is answered and what is done, for requests in whatever state they arrive."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.link import END, WINDOW_REQUESTS, LinkOp, LinkStatus, Request, frame
from tests.fpga.link.link_bench import MEMORY_BYTES, REGISTERS_REFUSED, Board, ReferenceBoard, contents_of, request

CONFIGS = {64: load_config("tiny"), 128: load_config("default")}
BOARDS = {width: Board(config) for width, config in CONFIGS.items()}
RESYNCHRONISE = bytes([END, END])
BLOCK = random.Random(5).randbytes(512) + bytes([END]) * 512
"""The largest payload, with much to escape."""


def check(width: int, line: bytes, **handshakes: float) -> tuple[Board, ReferenceBoard]:
    """Have the board do all that the reference does, and nothing else."""
    board, reference = BOARDS[width], ReferenceBoard(CONFIGS[width])
    expected = reference.answers(line)
    assert board.run(line, answer_bytes=len(expected), **handshakes) == expected
    assert board.memory == reference.memory
    assert board.register_writes == reference.register_writes
    return board, reference


def statuses(width: int, *frames: bytes) -> list[int]:
    """Of the answers of a board, once they are checked."""
    check(width, b"".join(frames))
    return [contents[1] for contents in contents_of(bytes(BOARDS[width].answers)) if contents is not None]


@pytest.mark.parametrize("width", CONFIGS)
def test_requests_are_executed_in_order_by_one_burst_each(width):
    line = (
        request(LinkOp.IDENTIFY, 7)
        + request(LinkOp.WRITE_MEMORY, 8, 1024, 1024, BLOCK)
        + request(LinkOp.READ_MEMORY, 9, 1024, 1024)
        + request(LinkOp.WRITE_MEMORY, 10, 2048 - 16, 16, bytes(range(16)))
        + request(LinkOp.READ_MEMORY, 11, 2048 - 48, 48)
        + request(LinkOp.WRITE_REGISTER, 12, 0x24, 4, b"abcd")
        + request(LinkOp.READ_REGISTER, 13, 0x24, 4)
    )
    board, reference = check(width, line)
    beat = width // 8
    assert board.bursts == [
        ("write", 1024, 1024 // beat),
        ("read", 1024, 1024 // beat),
        ("write", 2048 - 16, 16 // beat),
        ("read", 2048 - 48, 48 // beat),
    ]
    assert reference.register_writes == [(0x24, struct.unpack("<I", b"abcd")[0])]


@pytest.mark.parametrize("width", CONFIGS)
def test_what_the_memory_or_a_register_refuses_is_refused_whole(width):
    end = MEMORY_BYTES
    assert statuses(
        width,
        request(LinkOp.WRITE_MEMORY, 1, end - 16, 16, bytes(range(1, 17))),
        request(LinkOp.READ_MEMORY, 2, end, 32),
        request(LinkOp.READ_MEMORY, 2, end, 48),
        request(LinkOp.READ_MEMORY, 2, end, 64),
        request(LinkOp.WRITE_MEMORY, 3, end, 16, bytes(16)),
        request(LinkOp.READ_REGISTER, 4, REGISTERS_REFUSED, 4),
        request(LinkOp.WRITE_REGISTER, 5, REGISTERS_REFUSED, 4, bytes(4)),
        request(LinkOp.WRITE_REGISTER, 5, REGISTERS_REFUSED, 4, bytes(4)),
        request(LinkOp.READ_MEMORY, 6, end - 16, 16),
    ) == [LinkStatus.OK, *[LinkStatus.REFUSED] * 7, LinkStatus.OK]


def test_a_request_that_cannot_be_is_malformed_and_does_nothing():
    assert (
        statuses(
            64,
            request(0, 1),
            request(max(LinkOp) + 1, 2),
            frame(b"\1\1" + Request(1, 3).encode()[2:]),
            request(LinkOp.IDENTIFY, 4, 16),
            request(LinkOp.IDENTIFY, 4, 0, 16),
            request(LinkOp.IDENTIFY, 4, payload=b"x"),
            request(LinkOp.READ_MEMORY, 5, 8, 16),
            request(LinkOp.READ_MEMORY, 5, 0, 0),
            request(LinkOp.READ_MEMORY, 5, 0, 24),
            request(LinkOp.READ_MEMORY, 5, 0, 1040),
            request(LinkOp.READ_MEMORY, 5, 0, 1 << 31),
            request(LinkOp.READ_MEMORY, 5, 1024 - 16, 32),
            request(LinkOp.READ_MEMORY, 5, 0, 16, bytes(16)),
            request(LinkOp.WRITE_MEMORY, 6, 0, 16, bytes(15)),
            request(LinkOp.WRITE_MEMORY, 6, 0, 16, bytes(32)),
            request(LinkOp.WRITE_MEMORY, 6, 0, 0),
            request(LinkOp.WRITE_MEMORY, 6, 0, 1024),
            request(LinkOp.READ_REGISTER, 7, 2, 4),
            request(LinkOp.READ_REGISTER, 7, 256, 4),
            request(LinkOp.READ_REGISTER, 7, 0, 8),
            request(LinkOp.WRITE_REGISTER, 8, 0, 4, bytes(3)),
            request(LinkOp.WRITE_REGISTER, 8, 0, 4, bytes(5)),
        )
        == [LinkStatus.MALFORMED] * 22
    )


def test_a_frame_shorter_than_a_header_is_damaged_even_if_it_is_whole():
    write = request(LinkOp.WRITE_REGISTER, 1, 0x24, 4, b"abcd")
    cut = [frame(Request(LinkOp.WRITE_REGISTER, 2, 0x24, 4).encode()[:size]) for size in (0, 1, 11)]
    assert statuses(64, write, *cut) == [LinkStatus.OK, *[LinkStatus.DAMAGED] * 3]


def test_a_payload_longer_than_any_request_is_malformed_and_the_next_request_is_not():
    too_long = request(LinkOp.WRITE_MEMORY, 1, 0, 1024, bytes(1024 + 1024 + 16))
    assert statuses(64, too_long, request(LinkOp.READ_MEMORY, 2, 0, 16)) == [LinkStatus.MALFORMED, LinkStatus.OK]


def test_a_register_write_is_executed_once_for_its_tag_until_the_board_is_identified():
    def write(tag: int) -> bytes:
        return request(LinkOp.WRITE_REGISTER, tag, 0x0C, 4, b"\1\0\0\0")

    read, memory, identify = (
        request(LinkOp.READ_REGISTER, 3, 0x0C, 4),
        request(LinkOp.WRITE_MEMORY, 4, 0, 16, bytes(16)),
        request(LinkOp.IDENTIFY, 3),
    )
    damaged = bytes([END]) + b"noise" + bytes([END])
    _, reference = check(64, b"".join([write(0), write(0), write(3), read, damaged, memory, write(3)]))
    assert len(reference.register_writes) == 2
    _, reference = check(64, b"".join([write(3), identify, write(3), write(4), write(3)]))
    assert len(reference.register_writes) == 4


def test_a_window_of_requests_is_taken_from_the_line_while_no_answer_leaves():
    reads = [request(LinkOp.READ_MEMORY, tag, 0, 16) for tag in range(WINDOW_REQUESTS - 1)]
    board, _ = check(64, b"".join([*reads, request(LinkOp.WRITE_MEMORY, 9, 0, 1024, BLOCK)]), held=1800)
    assert board.waited == 0


TAGS = st.integers(0, 3)
ADDRESSES = st.sampled_from([0, 16, 48, 1024 - 32, MEMORY_BYTES - 16, MEMORY_BYTES])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Contents of a frame, most of them possible."""
    tag, op = draw(TAGS), draw(st.sampled_from([*LinkOp, *LinkOp, 9]))
    if op in (LinkOp.READ_MEMORY, LinkOp.WRITE_MEMORY):
        address, length = draw(ADDRESSES), draw(st.sampled_from([16, 32, 48]))
    elif op in (LinkOp.READ_REGISTER, LinkOp.WRITE_REGISTER):
        address, length = draw(st.sampled_from([0x0C, 0x24, REGISTERS_REFUSED])), 4
    else:
        address = length = 0
    writes = op in (LinkOp.WRITE_MEMORY, LinkOp.WRITE_REGISTER)
    payload = draw(st.binary(min_size=length, max_size=length)) if writes else b""
    return Request(op, tag, address, length).encode() + payload


@st.composite
def faults(draw: st.DrawFn, line: bytes) -> bytes:
    """The line with a few bytes changed, dropped or repeated, or noise between them."""
    damaged = bytearray(line)
    for _ in range(draw(st.integers(0, 6))):
        at, length = draw(st.integers(0, len(damaged) - 1)), draw(st.integers(1, 4))
        piece = damaged[at : at + length]
        match draw(st.sampled_from(["change", "drop", "repeat", "noise"])):
            case "change":
                piece[0] = draw(st.sampled_from([END, 0xDB, 0xDC, piece[0] ^ 0x10]))
            case "drop":
                piece = bytearray()
            case "repeat":
                piece *= 2
            case "noise":
                piece += draw(st.binary(max_size=4))
        damaged[at : at + length] = piece
    return bytes(damaged)


@settings(max_examples=20, deadline=None)
@given(st.data(), st.sampled_from([*CONFIGS]), st.sampled_from([0.7, 1.0]))
def test_whatever_happens_to_the_line_only_whole_requests_are_executed_and_all_frames_answered(data, width, eagerness):
    contents = data.draw(st.lists(requests(), min_size=1, max_size=8))
    line = data.draw(faults(b"".join(map(frame, contents))))
    last = Request(LinkOp.IDENTIFY, 0x1234).encode()
    board, reference = check(width, line + RESYNCHRONISE + frame(last), eagerness=eagerness)
    assert set(reference.executed) <= {*contents, last}
    assert reference.executed[-1] == last
    assert board.answers.endswith(ReferenceBoard(CONFIGS[width]).answers(frame(last)))
