from __future__ import annotations

import hashlib
import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.container import PREFIX
from dovetail.isa.instructions import Buffer, Finish, Format, Load, Param, Post, Store
from dovetail.isa.program import Program, ProgramError, Segment

from .strategies import configs, instructions

TINY = load_config("tiny")
PROGRAM = Program(
    TINY,
    (Load(buffer=Buffer.INP, sram=0, dram=8, cols=2), Finish()),
    (Segment("micro-ops", 64, b"\x01\x02"), Segment("weights", 128, bytes(range(16)))),
)
FILE = PROGRAM.to_bytes()


def sealed(header: object, payload: bytes = b"") -> bytes:
    """A program file with a header of our own and a right checksum."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = PREFIX.pack(b"DVTLPROG", 1, len(text), len(payload)) + text + payload
    return content + hashlib.sha256(content).digest()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_file_round_trips(data):
    config = data.draw(configs)
    program = Program(config, tuple(data.draw(st.lists(instructions(config), max_size=6))), PROGRAM.segments)
    assert Program.from_bytes(program.to_bytes(), config) == program


def test_words_are_little_endian_in_order():
    words = PROGRAM.encode()
    assert len(words) == 32
    assert int.from_bytes(words[16:], "little") == Finish().encode(TINY)
    assert Program.decode(words, TINY).instructions == PROGRAM.instructions


def test_save_and_load(tmp_path):
    path = tmp_path / "a.prog"
    path.write_bytes(b"older")
    (tmp_path / "a.prog.partial").mkdir()  # of whoever writes at the same time
    PROGRAM.save(path)
    assert Program.load(path, TINY) == PROGRAM
    assert set(tmp_path.iterdir()) == {path, tmp_path / "a.prog.partial"}
    with pytest.raises(ProgramError, match="absent: No such file or directory"):
        Program.load(tmp_path / "absent")


@pytest.mark.parametrize("name", ["file/a.prog", "n" * 300, ".", "folder", "/", "missing/a.prog"])
def test_a_file_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ProgramError, match=f"^{re.escape(name)}: [^\n]+$"):
        PROGRAM.save(name)
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "folder"}


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        PROGRAM.save(pipe)
        assert os.read(reader, 1 << 16) == FILE
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_dram_bytes_are_what_instructions_and_segments_reach():
    assert PROGRAM.dram_bytes == 144
    load = Load(buffer=Buffer.INP, sram=0, dram=0x100, rows=3, cols=2, stride=10)
    assert Program(TINY, (load,)).dram_bytes == 0x100 + 2 * 10 * 4 + 2 * 4
    assert Program(TINY, (Param(dram=0x200),)).dram_bytes == 0x200 + 4 * 16
    store = Store(format=Format.OUT, residual=True, sram=0, dram=0, cols=1)
    assert Program(TINY, (Post(residual_offset=0x400), store)).dram_bytes == 0x404
    assert Program(TINY, (), dram_bytes=1 << 20).dram_bytes == 1 << 20


def test_every_damaged_byte_and_every_cut_is_noticed():
    for at in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(
            ProgramError, match=r"^f: (not a program|truncated|too long|damaged|file version|the header|the payload)"
        ):
            Program.from_bytes(bytes(damaged), where="f")
        with pytest.raises(ProgramError, match=r"^f: (not a program|truncated)"):
            Program.from_bytes(FILE[:at], where="f")


HEADER = json.loads(FILE[PREFIX.size : PREFIX.size + PREFIX.unpack_from(FILE)[2]])
EMPTY = HEADER | {"instructions": 0, "segments": []}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ELF", "f: not a program file: it begins with b'ELF', not b'DVTLPROG'"),
        (FILE[:10], "f: truncated: 10 bytes, a program file has at least 24"),
        (FILE + b"x", f"f: too long: {len(FILE) + 1} bytes, the header promises {len(FILE)}"),
        (FILE[:8] + b"\x09" + FILE[9:], "f: file version 9 is unknown; this reads version 1"),
        (FILE[:12] + b"\xff\xff\xff\xff" + FILE[16:], "f: the header claims 4294967295 bytes; the limit is 1048576"),
        (FILE[:-1] + bytes([FILE[-1] ^ 1]), "f: damaged: the checksum does not match the content"),
        (sealed(b"{"), "f: the header is not JSON: "),
        (sealed(b"[" * 100000), "f: the header is not JSON: "),
        (sealed([]), "f: the header is not a JSON object"),
        (sealed({}), "f: the header has no configuration"),
        (sealed(HEADER | {"config": {"batch": 3}}), "f: configuration: batch must be a power of two, not 3"),
        (sealed(HEADER | {"config": {"bits": 3}}), "f: configuration: unknown field 'bits'"),
        (sealed(HEADER | {"fingerprint": "0"}), "f: fingerprint '0' is not that of the configuration's fields"),
        (sealed(HEADER | {"instructions": -1}), "f: instructions must be a natural number, not -1"),
        (sealed(HEADER | {"instructions": 1 << 60}), f"f: the header claims {1 << 60} instructions; 0 bytes follow"),
        (sealed(EMPTY | {"instructions": 1}, bytes(16)), "f: instruction 0: opcode is 0; defined are 1 (load), "),
        (sealed(EMPTY | {"segments": 3}), "f: the header has no list of segments"),
        (sealed(EMPTY | {"segments": [3]}), "f: a segment is a name, an address and a length, not 3"),
        (sealed(EMPTY | {"segments": [["a", 0, 9]]}), "f: segment 'a' claims 9 bytes; 0 are left"),
        (sealed(EMPTY, b"x"), "f: 1 bytes belong to no segment"),
        (sealed(EMPTY | {"dram_bytes": 1 << 33}), "f: dram_bytes is 8589934592; "),
    ],
)  # fmt: skip
def test_unusable_files_say_why(data, message):
    with pytest.raises(ProgramError) as caught:
        Program.from_bytes(data, where="f")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_another_configuration_is_refused_by_the_fields_names():
    with pytest.raises(
        ProgramError, match=r"^program: made for another configuration: block_in is 4, not 16; block_out is "
    ):
        Program.from_bytes(FILE, load_config("default"))


@pytest.mark.parametrize(
    ("segments", "dram_bytes", "message"),
    [
        ([Segment("a", 0, b"12"), Segment("a", 8, b"1")], 0, "segment 'a' is there twice"),
        ([Segment("a", 0, b"12"), Segment("b", 1, b"1")], 0, "segments 'a' and 'b' overlap at byte 0x1"),
        ([Segment("a", -1, b"1")], 0, "segment 'a' covers bytes -0x1 to 0x0; the limit is 0x100000000"),
        ([Segment("a", 8, b"12")], 9, "dram_bytes is 9; the segments reach 10"),
    ],
)
def test_segments_that_cannot_lie_in_memory_are_refused(segments, dram_bytes, message):
    with pytest.raises(ProgramError) as caught:
        Program(TINY, (Finish(),), tuple(segments), dram_bytes)
    assert str(caught.value) == message


def test_a_words_length_must_be_whole():
    with pytest.raises(ProgramError, match="15 bytes of instructions; it must be a multiple of 16"):
        Program.decode(bytes(15), TINY)
