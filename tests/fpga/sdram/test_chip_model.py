"""The model that judges the controller: each rule holds at its limit and is broken a clock before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dovetail.fpga.sdram.chips import AS4C32M16SB_7
from tests.fpga.sdram.chip_model import ChipModel, Pins, ProtocolError

CHIP = replace(AS4C32M16SB_7, t_power_up=1000.0, t_rc=90.0)
"""With a tRC that tRAS and tRP do not cover."""
PERIOD = 10.0
LATENCY = 2
CODES = {
    "MRS": (0, 0, 0),
    "REF": (0, 0, 1),
    "PRE": (0, 1, 0),
    "PALL": (0, 1, 0),
    "ACT": (0, 1, 1),
    "WR": (1, 0, 0),
    "RD": (1, 0, 1),
    "NOP": (1, 1, 1),
}
POWERED = [(100, "PALL"), (3, "REF"), *[(7, "REF")] * 7, (7, "MRS")]


class Bus:
    """Gives a model commands, each some clocks after the one before."""

    def __init__(self) -> None:
        self.model = ChipModel(CHIP, PERIOD)
        self.cycle = 0
        self.clock("NOP")

    def clock(self, name: str, bank: int = 0, dqm: int = 0) -> None:
        address = {"PALL": 1 << 10, "MRS": LATENCY << 4, "ACT": 5}.get(name, 0)
        dq = 0xBEEF if name == "WR" else None
        self.model.clock(self.cycle * PERIOD, Pins(1, 0, *CODES[name], ba=bank, a=address, dqm=dqm, dq=dq))
        self.cycle += 1

    def give(self, commands: list[tuple[int, str] | tuple[int, str, int]]) -> None:
        for clocks, name, *bank in commands:
            for _ in range(clocks - 1):
                self.clock("NOP")
            self.clock(name, *bank)


def test_what_is_written_is_read() -> None:
    bus = Bus()
    bus.give([*POWERED, (2, "ACT"), (3, "WR"), (1, "RD"), (1, "NOP"), (1, "NOP")])
    now = (bus.cycle - 1) * PERIOD
    assert bus.model.dq(now) == 0xBEEF
    assert bus.model.dq(now - PERIOD) is None
    assert bus.model.drives(now, now + 1)
    assert not bus.model.drives(now + 6, now + PERIOD)


@pytest.mark.parametrize(
    ("rule", "before", "clocks", "command"),
    [
        ("power-up", [], 100, "PALL"),
        ("tRP", [(100, "PALL")], 3, "REF"),
        ("tRFC", POWERED[:-1], 7, "MRS"),
        ("tMRD", POWERED, 2, "ACT"),
        ("tRCD", [*POWERED, (2, "ACT")], 3, "RD"),
        ("tRAS", [*POWERED, (2, "ACT")], 5, "PRE"),
        ("tRC", [*POWERED, (2, "ACT"), (5, "PRE")], 4, "ACT"),
        ("tRRD", [*POWERED, (2, "ACT", 1)], 2, "ACT"),
        ("tWR", [*POWERED, (2, "ACT"), (5, "WR")], 2, "PRE"),
    ],
)
def test_times_between_commands(rule: str, before: list[tuple[int, str]], clocks: int, command: str) -> None:
    kept, broken = Bus(), Bus()
    kept.give([*before, (clocks, command)])
    broken.give(before)
    with pytest.raises(ProtocolError, match=f"{rule}:"):
        broken.give([(clocks - 1, command)])


@pytest.mark.parametrize(
    ("rule", "commands"),
    [
        ("READ or WRITE of a closed bank", [*POWERED, (2, "RD")]),
        ("ACTIVATE of an open bank", [*POWERED, (2, "ACT"), (9, "ACT")]),
        ("REFRESH with an open bank", [*POWERED, (2, "ACT"), (9, "REF")]),
        ("ACTIVATE before the chip is initialised", [*POWERED[:-1], (9, "ACT")]),
        ("mode register after 3 REFRESH", [*POWERED[:4], (9, "MRS")]),
        ("refresh 1 is .* late", [*POWERED, (900, "NOP")]),
    ],
)
def test_what_is_forbidden(rule: str, commands: list[tuple[int, str]]) -> None:
    with pytest.raises(ProtocolError, match=rule):
        Bus().give(commands)


def test_masked_data_is_not_read() -> None:
    bus = Bus()
    bus.give([*POWERED, (2, "ACT"), (3, "NOP")])
    bus.clock("RD", dqm=1)
    with pytest.raises(ProtocolError, match="DQM hides data"):
        bus.give([(2, "NOP")])
