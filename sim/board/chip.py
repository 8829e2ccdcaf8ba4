"""What the SDRAM's model is told of the chip that it stands for."""

from __future__ import annotations

from typing import Protocol

BYTE_BITS = 8
PS_PER_NS = 1000
ANY_CLOCK = 1 << 40
"""A clock period, in ps, that no clock reaches: for a CAS latency that a chip does not have."""


class Chip(Protocol):
    """An SDR SDRAM. Times are in ns; `dovetail.fpga.sdram.chips.SdramChip` says what they mean."""

    @property
    def banks(self) -> int: ...
    @property
    def row_bits(self) -> int: ...
    @property
    def column_bits(self) -> int: ...
    @property
    def data_bits(self) -> int: ...
    @property
    def t_rcd(self) -> float: ...
    @property
    def t_rp(self) -> float: ...
    @property
    def t_ras(self) -> float: ...
    @property
    def t_rc(self) -> float: ...
    @property
    def t_rfc(self) -> float: ...
    @property
    def t_rrd(self) -> float: ...
    @property
    def rrd_clocks(self) -> int: ...
    @property
    def t_wr(self) -> float: ...
    @property
    def wr_clocks(self) -> int: ...
    @property
    def t_mrd(self) -> float: ...
    @property
    def mrd_clocks(self) -> int: ...
    @property
    def t_refresh(self) -> float: ...
    @property
    def t_power_up(self) -> float: ...
    @property
    def power_up_refreshes(self) -> int: ...
    @property
    def t_ck(self) -> tuple[tuple[int, float], ...]: ...
    @property
    def t_ac(self) -> float: ...
    @property
    def t_hz(self) -> float: ...
    @property
    def t_oh(self) -> float: ...


def chip_package(chip: Chip) -> str:
    """The package ``chip`` for SystemVerilog: geometry, and times in ps."""
    periods = dict(chip.t_ck)
    counts = {
        "BANKS": chip.banks,
        "BANK_BITS": (chip.banks - 1).bit_length(),
        "ROW_BITS": chip.row_bits,
        "COLUMN_BITS": chip.column_bits,
        "DATA_BITS": chip.data_bits,
        "DATA_BYTES": chip.data_bits // BYTE_BITS,
        "C_RRD": chip.rrd_clocks,
        "C_WR": chip.wr_clocks,
        "C_MRD": chip.mrd_clocks,
        "POWER_UP_REFRESHES": chip.power_up_refreshes,
    }
    times = {
        "T_RCD": chip.t_rcd,
        "T_RP": chip.t_rp,
        "T_RAS": chip.t_ras,
        "T_RC": chip.t_rc,
        "T_RFC": chip.t_rfc,
        "T_RRD": chip.t_rrd,
        "T_WR": chip.t_wr,
        "T_MRD": chip.t_mrd,
        "T_REFRESH": chip.t_refresh,
        "T_POWER_UP": chip.t_power_up,
        "T_CK_2": periods.get(2, ANY_CLOCK),
        "T_CK_3": periods.get(3, ANY_CLOCK),
        "T_AC": chip.t_ac,
        "T_HZ": chip.t_hz,
        "T_OH": chip.t_oh,
    }
    lines = [f"  localparam int {name} = {value};\n" for name, value in counts.items()]
    lines += [f"  localparam longint {name} = 64'd{round(time * PS_PER_NS)};\n" for name, time in times.items()]
    return f"package chip;\n{''.join(lines)}endpackage\n"
