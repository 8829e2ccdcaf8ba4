from __future__ import annotations

import contextlib
import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.instructions import (
    INSTRUCTIONS,
    Buffer,
    Finish,
    Format,
    Gemm,
    Load,
    MicroOp,
    Opcode,
    Post,
    Store,
    Sync,
    Unit,
    decode,
    rne,
)
from dovetail.isa.layout import EncodingError

from .strategies import CONFIGS, configs, instructions

DEFAULT = load_config("default")


@pytest.mark.parametrize("kind", INSTRUCTIONS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_fields_follow_each_other_without_gaps(kind, config):
    layout = kind.layout(config)
    assert layout.fields[0].name == "opcode"
    assert all(field.width > 0 for field in layout.fields)
    ends = [field.lsb + field.width for field in layout.fields]
    assert [field.lsb for field in layout.fields] == [0, *ends[:-1]]
    assert ends[-1] + layout.reserved_bits == 128


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_encoding_round_trips(data):
    config = data.draw(configs)
    instruction = data.draw(instructions(config))
    word = instruction.encode(config)
    assert 0 < word < 1 << 128
    assert decode(word, config) == instruction


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_any_word_is_refused_or_is_exactly_one_instruction(data):
    config = data.draw(configs)
    instruction = data.draw(instructions(config))
    flips = data.draw(st.lists(st.integers(0, 127), min_size=1, max_size=3, unique=True))
    word = instruction.encode(config) ^ sum(1 << bit for bit in flips)
    try:
        decoded = decode(word, config)
    except EncodingError as error:
        assert "\n" not in str(error)
    else:
        assert decoded.encode(config) == word


@given(st.integers(0, (1 << 128) - 1))
def test_random_words_are_refused_or_round_trip(word):
    with contextlib.suppress(EncodingError):
        assert decode(word, DEFAULT).encode(DEFAULT) == word


def test_known_words():
    load = Load(
        buffer=Buffer.WGT, sram=5, dram=0x1230, rows=2, cols=3, stride=4, pad_left=1, pad_value=-1, push_next=True
    )
    places = [(1, 0), (1, 7), (1, 8), (5, 10), (0x1230, 22), (2, 54), (3, 66), (4, 78), (1, 102), (0xFF, 110)]
    assert load.encode(DEFAULT) == sum(value << lsb for value, lsb in places)
    assert Finish().encode(DEFAULT) == 15
    assert MicroOp(dst=3, src=5, wgt=7).encode(DEFAULT) == 3 | 5 << 11 | 7 << 23
    assert MicroOp.decode(0xFFFFFFFF, DEFAULT) == MicroOp(2047, 4095, 511)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        (Load(buffer=Buffer.INP, sram=4096, dram=0, cols=1), "LOAD: sram is 4096; it must be between 0 and 4095"),
        (Load(buffer=4, sram=0, dram=0, cols=1), "LOAD: buffer is 4; defined are 0 (inp), 1 (wgt), 2 (acc), 3 (uop)"),
        (Load(buffer=Buffer.UOP, sram=0, dram=2, cols=1), "LOAD: dram is 0x2; it must be a multiple of 4 bytes"),
        (Load(buffer=Buffer.INP, sram=0, dram=0, cols=1, pop_prev=True),
         "LOAD: pop_prev is 1; the load unit has no prev unit"),
        (Store(format=Format.RAW, residual=True, sram=0, dram=0, cols=1),
         "STORE: residual is 1; raw stores add no residual"),
        (Post(minimum=-129), "POST: minimum is -129; it must be between -128 and 127"),
        (Post(residual_offset=8), "POST: residual_offset is 0x8; it must be a multiple of 16 bytes"),
        (Gemm(uop_begin=0, uop_count=0), "GEMM: uop_count is 0; it must be between 1 and 2047"),
        (Sync(target=Unit.FETCH), "SYNC: target is 3 (fetch); it must be load, compute or store"),
        (Sync(target=Unit.STORE, push_next=True), "SYNC: push_next is 1; the store unit has no next unit"),
    ],
)  # fmt: skip
def test_illegal_fields_are_named_with_value_and_limit(instruction, message):
    with pytest.raises(EncodingError) as caught:
        instruction.encode(DEFAULT)
    assert str(caught.value) == message


def test_undefined_words_say_why():
    undefined = sorted(set(range(16)) - {opcode.value for opcode in Opcode})
    for opcode in undefined:
        with pytest.raises(EncodingError, match=f"opcode is {opcode}; defined are 1 "):
            decode(opcode, DEFAULT)
    with pytest.raises(EncodingError, match=r"^instruction 7 FINISH: reserved bits 127\.\.8 are 0x1; they must be 0$"):
        decode(15 | 1 << 8, DEFAULT, "instruction 7")


def test_every_flag_and_field_changes_the_word():
    instruction = Gemm(uop_begin=0, uop_count=1)
    words = {instruction.encode(DEFAULT)}
    for field in dataclasses.fields(Gemm):
        value = getattr(instruction, field.name)
        words.add(
            dataclasses.replace(instruction, **{field.name: not value if value is False else value + 1}).encode(DEFAULT)
        )
    assert len(words) == len(dataclasses.fields(Gemm)) + 1


@given(st.integers(-(1 << 70), 1 << 70), st.integers(0, 63))
def test_rounding_is_to_nearest_ties_to_even(value, shift):
    assert rne(value, shift) == round(Fraction(value, 1 << shift))
