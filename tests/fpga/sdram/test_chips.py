"""The chips' data, and what becomes of it at a clock."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dovetail.fpga.sdram.chips import (
    AS4C32M16SB_7,
    IS42S16160G_7,
    MT48LC16M16A2_7E,
    ULX3S_SDRAM,
    W9825G6KH_6,
    SdramChip,
)
from dovetail.fpga.sdram.segments import Geometry
from dovetail.isa.config import Config

PARTS = [IS42S16160G_7, MT48LC16M16A2_7E, W9825G6KH_6, AS4C32M16SB_7]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("clock_hz", [25_000_000, 66_666_667, 75_000_000, 100_000_000])
def test_what_serves_any_part_serves_each(part: SdramChip, clock_hz: int) -> None:
    assert part.memory_bytes >= ULX3S_SDRAM.memory_bytes == 32 << 20
    clocks = ULX3S_SDRAM.at(clock_hz)
    period = 1e9 / clock_hz
    assert dict(part.t_ck)[clocks.cas_latency] <= period
    assert clocks.rcd * period >= part.t_rcd
    assert clocks.rp * period >= part.t_rp
    assert clocks.ras * period >= part.t_ras
    assert (clocks.ras + clocks.rp) * period >= part.t_rc
    assert clocks.rfc * period >= part.t_rfc
    assert clocks.rrd * period >= part.t_rrd
    assert clocks.rrd >= part.rrd_clocks
    assert clocks.wr * period >= part.t_wr
    assert clocks.wr >= part.wr_clocks
    assert clocks.mrd * period >= part.t_mrd
    assert clocks.mrd >= part.mrd_clocks
    assert clocks.refresh_interval * period < part.t_refresh
    assert clocks.power_up * period >= part.t_power_up


def test_shortest_latency_that_the_clock_allows() -> None:
    assert [W9825G6KH_6.at(hz).cas_latency for hz in (66_666_667, 133_333_333, 166_000_000)] == [2, 2, 3]
    assert math.isclose(ULX3S_SDRAM.t_refresh * 8192, 64e6, rel_tol=0.002)


def test_a_clock_that_a_chip_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="takes a clock of 143 MHz at most, not 150 MHz"):
        ULX3S_SDRAM.at(150_000_000)
    with pytest.raises(ValueError, match="cannot be refreshed in time at 2 MHz"):
        ULX3S_SDRAM.at(2_000_000)


def test_a_bus_that_a_chip_cannot_serve_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits wide, cannot serve a bus of 64 bits"):
        Geometry(Config(bus_bits=64), replace(ULX3S_SDRAM, data_bits=64))
