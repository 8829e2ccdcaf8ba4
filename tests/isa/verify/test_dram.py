"""Rules about DRAM, against sets of bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.accesses import DramAccess
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Format, Load, Store
from dovetail.isa.verify.dram import DramOrder, check_ranges
from dovetail.isa.verify.dram import _check_residual as check_residual
from dovetail.isa.verify.errors import VerificationError
from dovetail.isa.verify.tokens import Schedule

TINY = load_config("tiny")
places = {
    "sram": st.just(0),
    "dram": st.integers(0, 30).map(lambda word: 8 * word),
    "rows": st.integers(1, 4),
    "cols": st.integers(1, 4),
    "stride": st.integers(0, 8),
}
loads = st.builds(Load, buffer=st.sampled_from([Buffer.INP, Buffer.ACC]), **places)
stores = st.builds(Store, format=st.sampled_from(Format), **places)


def touched(instruction: Load | Store) -> set[int]:
    size = 16 if isinstance(instruction, Load) and instruction.buffer is Buffer.ACC else 4
    if isinstance(instruction, Store) and instruction.format is Format.RAW:
        size = 16
    rows = (instruction.dram + row * instruction.stride * size for row in range(instruction.rows))
    return {byte for start in rows for byte in range(start, start + instruction.cols * size)}


def fixed_order(count: int, units: list[int]) -> Schedule:
    """A schedule in program order in which no instruction knows of any other."""
    of_unit = [[i for i in range(count) if units[i] == unit] for unit in range(3)]
    number = [of_unit[units[i]].index(i) + 1 for i in range(count)]
    return Schedule(list(range(count)), number, [(0, 0, 0)] * count, of_unit)


@given(st.lists(loads | stores, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_race_is_a_byte_that_both_units_touch(instructions):
    accesses = check_ranges(instructions, TINY, 1 << 20, None)
    units = [int(instruction.unit) for instruction in instructions]
    order = DramOrder(instructions, accesses, fixed_order(len(units), units))
    loaded: set[int] = set()
    stored: set[int] = set()
    for index, instruction in enumerate(instructions):
        mine, theirs = (loaded, stored) if isinstance(instruction, Load) else (stored, loaded)
        touch = touched(instruction)
        try:
            order.load(index) if isinstance(instruction, Load) else order.store(index)
        except VerificationError as error:
            assert error.rule == "race"
            assert touch & theirs
            return
        assert not touch & theirs
        mine |= touch


@given(stores, st.integers(0, 64), st.integers(1, 64))
@settings(max_examples=200, deadline=None)
def test_the_programs_region_is_hit_when_a_byte_is(store, begin, size):
    region = (8 * begin, size)
    hit = bool(touched(store) & set(range(region[0], sum(region))))
    try:
        check_ranges([store], TINY, 1 << 20, region)
        assert not hit
    except VerificationError as error:
        assert error.rule == "program-region"
        assert hit


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 8), st.integers(-20, 20))
@settings(max_examples=500, deadline=None)
def test_a_residual_may_be_replaced_only_by_its_own_output(rows, size, pitch, offset):
    output = DramAccess("dram", 100, rows, size, pitch, True)
    residual = DramAccess("residual", 100 + offset, rows, size, pitch, False)
    written = [byte for row in range(rows) for byte in range(row * pitch, row * pitch + size)]
    legal = len(set(written)) == len(written) and (
        offset == 0 or not set(written) & {byte + offset for byte in written}
    )
    try:
        check_residual(residual, output, 0, Store(format=Format.OUT, residual=True, sram=0, dram=0, cols=1))
        assert legal
    except VerificationError:
        assert not legal
