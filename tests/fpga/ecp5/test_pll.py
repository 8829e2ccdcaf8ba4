"""Divisors of the PLL, against all that there are."""

from __future__ import annotations

from bisect import bisect
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dovetail.fpga.boards import BOARDS, Board
from dovetail.fpga.ecp5.pll import pll_settings
from dovetail.isa.config import ConfigError

MHZ = 1_000_000


def every_output(input_hz: int) -> set[Fraction]:
    """What a PLL can make, by trying all divisors against the data sheet's limits."""
    detectors = [Fraction(input_hz, divisor) for divisor in range(1, 129)]
    oscillators = {hz * factor for hz in detectors if 10 * MHZ <= hz <= 400 * MHZ for factor in range(1, 129)}
    outputs = {hz / divisor for hz in oscillators if 400 * MHZ <= hz <= 800 * MHZ for divisor in range(1, 129)}
    return {hz for hz in outputs if 3_125_000 <= hz <= 400 * MHZ}


FROM_25_MHZ = sorted(every_output(25 * MHZ))


@given(st.sampled_from(FROM_25_MHZ))
def test_what_can_be_reached_is_reached_within_the_limits(wanted: Fraction) -> None:
    settings = pll_settings(25 * MHZ, round(wanted))
    assert round(settings.output_hz) == round(wanted)
    assert settings.output_hz == Fraction(25 * MHZ * settings.feedback, settings.reference * settings.output)
    assert all(1 <= n <= 128 for n in (settings.reference, settings.feedback, settings.output))
    assert 10 * MHZ <= Fraction(25 * MHZ, settings.reference) <= 400 * MHZ
    assert 400 * MHZ <= Fraction(25 * MHZ * settings.feedback, settings.reference) <= 800 * MHZ


@given(st.integers(3_125_000, 400 * MHZ))
def test_what_cannot_be_reached_is_refused_with_the_nearest(wanted: int) -> None:
    place = bisect(FROM_25_MHZ, wanted)
    nearest = min(FROM_25_MHZ[max(0, place - 1) : place + 1], key=lambda hz: abs(hz - wanted))
    assume(round(nearest) != wanted)
    with pytest.raises(ConfigError) as refused:
        pll_settings(25 * MHZ, wanted)
    words = str(refused.value).split()
    named = int(words[words.index("is") + 1])
    assert abs(named - wanted) == abs(round(nearest) - wanted)


@pytest.mark.parametrize("frequencies", [(7 * MHZ, 50 * MHZ), (25 * MHZ, 3 * MHZ), (25 * MHZ, 401 * MHZ)])
def test_frequencies_outside_of_the_data_sheet_are_refused(frequencies: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="must be between"):
        pll_settings(*frequencies)


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if board.family == "ecp5"], ids=lambda b: b.name)
def test_boards_have_a_clock_that_their_pll_makes(board: Board) -> None:
    assert round(pll_settings(board.clock_hz, board.system_hz).output_hz) == board.system_hz
