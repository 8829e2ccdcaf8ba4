"""SDR SDRAM chips as their data sheets describe them. Nothing here needs an HDL.

The values of the ISSI and Micron parts were not compared with the sheets again: do so before a board is to run much
faster than the 66.67 MHz of today, where the slowest of the parts decides and each time is rounded up to 15 ns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from dovetail.isa.config import BYTE_BITS


@dataclass(frozen=True, kw_only=True)
class SdramClocks:
    """What a chip asks for at one clock, in whole clocks; `ras` is so long that it and `rp` cover tRC as well."""

    cas_latency: int
    rcd: int
    rp: int
    ras: int
    rfc: int
    rrd: int
    wr: int
    mrd: int
    refresh_interval: int
    power_up: int


@dataclass(frozen=True, kw_only=True)
class SdramChip:
    """A chip. Times are in ns; minima unless it says otherwise.

    Attributes
    ----------
    name:
        The part.
    banks, row_bits, column_bits, data_bits:
        Its geometry.
    t_rcd:
        ACTIVATE to READ or WRITE.
    t_rp:
        PRECHARGE to ACTIVATE or REFRESH.
    t_ras, t_rc:
        ACTIVATE to PRECHARGE, and to ACTIVATE of the same bank.
    t_rfc:
        REFRESH to anything.
    t_rrd:
        ACTIVATE to ACTIVATE of another bank; `rrd_clocks` at least.
    t_wr:
        The last data written to PRECHARGE; `wr_clocks` at least.
    t_mrd:
        Mode register to anything; `mrd_clocks` at least.
    t_refresh:
        Longest mean time from REFRESH to REFRESH.
    t_power_up:
        Stable supply and clock to the first command.
    power_up_refreshes:
        REFRESH commands before the chip is used.
    t_ck:
        Shortest clock period for each CAS latency.
    t_ac, t_hz:
        Longest time from the clock to data, and to high impedance.
    t_oh:
        How long data stays after the next clock.
    """

    name: str
    banks: int = 4
    row_bits: int = 13
    column_bits: int = 9
    data_bits: int = 16
    t_rcd: float
    t_rp: float
    t_ras: float
    t_rc: float
    t_rfc: float
    t_rrd: float
    rrd_clocks: int = 1
    t_wr: float
    wr_clocks: int = 1
    t_mrd: float
    mrd_clocks: int = 1
    t_refresh: float = 64e6 / 8192
    t_power_up: float = 200_000.0
    power_up_refreshes: int = 8
    t_ck: tuple[tuple[int, float], ...]
    t_ac: float
    t_hz: float
    t_oh: float

    @property
    def memory_bytes(self) -> int:
        return (self.banks << (self.row_bits + self.column_bits)) * self.data_bits // BYTE_BITS

    def at(self, clock_hz: int) -> SdramClocks:
        """The chip's times at a clock, with the shortest CAS latency that it allows.

        Raises
        ------
        ValueError:
            The clock is too fast for the chip, or too slow to refresh it.
        """
        period = 1e9 / clock_hz
        latencies = [latency for latency, shortest in self.t_ck if shortest <= period]
        if not latencies:
            shortest = min(time for _, time in self.t_ck)
            raise ValueError(
                f"{self.name} takes a clock of {1e3 / shortest:.0f} MHz at most, not {clock_hz / 1e6:g} MHz"
            )

        def clocks(time: float) -> int:
            return max(1, math.ceil(time / period))

        rp, rfc = clocks(self.t_rp), clocks(self.t_rfc)
        # One less than there is time for: a REFRESH waits until the banks can be closed.
        refresh_interval = math.floor(self.t_refresh / period) - 1
        if refresh_interval < 8 * (rp + rfc):
            raise ValueError(f"{self.name} cannot be refreshed in time at {clock_hz / 1e6:g} MHz")
        return SdramClocks(
            cas_latency=min(latencies),
            rcd=clocks(self.t_rcd),
            rp=rp,
            ras=max(clocks(self.t_ras), clocks(self.t_rc) - rp),
            rfc=rfc,
            rrd=max(clocks(self.t_rrd), self.rrd_clocks),
            wr=max(clocks(self.t_wr), self.wr_clocks),
            mrd=max(clocks(self.t_mrd), self.mrd_clocks),
            refresh_interval=refresh_interval,
            power_up=clocks(self.t_power_up),
        )


def any_of(name: str, chips: tuple[SdramChip, ...]) -> SdramChip:
    """A chip whose demands cover those of all of `chips` and whose memory each of them has.

    Larger chips serve with some of their columns or rows left unused; banks and data must be as many.
    """
    shorter_is_worse = {"t_refresh", "t_oh", "row_bits", "column_bits"}
    values: dict[str, float] = {}
    for field in fields(SdramChip):
        if field.name not in {"name", "t_ck", "banks", "data_bits"}:
            worst = min if field.name in shorter_is_worse else max
            values[field.name] = worst(getattr(chip, field.name) for chip in chips)
    (geometry,) = {(chip.banks, chip.data_bits) for chip in chips}
    latencies = set.intersection(*({latency for latency, _ in chip.t_ck} for chip in chips))
    t_ck = tuple((latency, max(dict(chip.t_ck)[latency] for chip in chips)) for latency in sorted(latencies))
    return SdramChip(name=name, banks=geometry[0], data_bits=geometry[1], t_ck=t_ck, **values)  # type: ignore[arg-type]


IS42S16160G_7 = SdramChip(
    name="IS42S16160G-7",
    t_rcd=15,
    t_rp=15,
    t_ras=37,
    t_rc=60,
    t_rfc=60,
    t_rrd=14,
    t_wr=14,
    wr_clocks=2,
    t_mrd=14,
    mrd_clocks=2,
    t_ck=((2, 7.5), (3, 7)),
    t_ac=6,
    t_hz=6,
    t_oh=2.5,
)
"""ISSI, IS42S16160G data sheet, AC electrical characteristics."""

MT48LC16M16A2_7E = SdramChip(
    name="MT48LC16M16A2-7E",
    t_rcd=15,
    t_rp=15,
    t_ras=37,
    t_rc=60,
    t_rfc=66,
    t_rrd=14,
    t_wr=14,
    wr_clocks=2,
    t_mrd=14,
    mrd_clocks=2,
    t_power_up=100_000.0,
    power_up_refreshes=2,
    t_ck=((2, 7.5), (3, 7)),
    t_ac=5.4,
    t_hz=5.4,
    t_oh=2.7,
)
"""Micron, 256 Mb x4, x8, x16 SDRAM data sheet, electrical characteristics and AC functional characteristics."""

W9825G6KH_6 = SdramChip(
    name="W9825G6KH-6",
    t_rcd=15,
    t_rp=15,
    t_ras=42,
    t_rc=60,
    t_rfc=60,
    t_rrd=12,
    rrd_clocks=2,
    t_wr=12,
    wr_clocks=2,
    t_mrd=12,
    mrd_clocks=2,
    t_ck=((2, 7.5), (3, 6)),
    t_ac=6,
    t_hz=6,
    t_oh=3,
)
"""Winbond, W9825G6KH data sheet, section 9.5."""

AS4C32M16SB_7 = SdramChip(
    name="AS4C32M16SB-7",
    column_bits=10,
    t_rcd=21,
    t_rp=21,
    t_ras=42,
    t_rc=63,
    t_rfc=63,
    t_rrd=14,
    t_wr=14,
    wr_clocks=2,
    t_mrd=14,
    mrd_clocks=2,
    t_refresh=7800.0,
    t_ck=((2, 10), (3, 7)),
    t_ac=6,
    t_hz=5.4,
    t_oh=2.5,
)
"""Alliance Memory, AS4C32M16SB data sheet, table 16."""

ULX3S_SDRAM = any_of("ULX3S SDRAM", (IS42S16160G_7, MT48LC16M16A2_7E, W9825G6KH_6, AS4C32M16SB_7))
"""What holds for every chip that a ULX3S may carry: 32 MB, of a 64 MB chip the half with the lower columns."""
