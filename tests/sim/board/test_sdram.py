"""The SDRAM's model stores and shows data as the chip does, and refuses what the chip forbids."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sim.board.sdram_script import (
    ACTIVATE,
    ALL,
    CHIP,
    MODE,
    NOP,
    PERIOD,
    PRECHARGE,
    READ,
    REFRESH,
    STOP,
    WRITE,
    Script,
    mode,
    player,
)

pytestmark = pytest.mark.rtl

ROW, COLUMN = 77, 20
DATA = [0x1234 + 0x1111 * k for k in range(9)]


@pytest.fixture(scope="module")
def executable() -> Path:
    return player()


def started(**settings: int) -> Script:
    """Initialised, with `ROW` of bank 1 open."""
    return Script().initialise(mode(**settings)).clock(ACTIVATE, 1, ROW).wait(3)


def clocks(time: float, least: int = 1) -> int:
    return max(math.ceil(time * 1000 / PERIOD), least)


NEEDED = {
    "tRCD": (clocks(CHIP.t_rcd), lambda n: started().clock(ACTIVATE, 2, ROW).wait(n - 1).clock(READ, 2)),
    "tRP": (clocks(CHIP.t_rp), lambda n: started().wait(5).clock(PRECHARGE, 1).wait(n - 1).clock(ACTIVATE, 1, ROW)),
    "tRAS": (clocks(CHIP.t_ras), lambda n: started().clock(ACTIVATE, 2, ROW).wait(n - 1).clock(PRECHARGE, 2)),
    "tRC": (
        clocks(CHIP.t_rc),
        lambda n: started().clock(ACTIVATE, 2, ROW).wait(2).clock(PRECHARGE, 2).wait(n - 4).clock(ACTIVATE, 2, ROW),
    ),
    "tRFC": (
        clocks(CHIP.t_rfc),
        lambda n: Script().initialise(mode()).clock(REFRESH).wait(n - 1).clock(ACTIVATE, 1, ROW),
    ),
    "tRRD": (
        clocks(CHIP.t_rrd, CHIP.rrd_clocks),
        lambda n: started().clock(ACTIVATE, 2, ROW).wait(n - 1).clock(ACTIVATE, 3, ROW),
    ),
    "tWR": (
        clocks(CHIP.t_wr, CHIP.wr_clocks),
        lambda n: started().clock(WRITE, 1, 0, data=1).wait(n - 1).clock(PRECHARGE, 1),
    ),
    "tMRD": (
        clocks(CHIP.t_mrd, CHIP.mrd_clocks),
        lambda n: Script().initialise(mode()).clock(MODE, address=mode()).wait(n - 1).clock(ACTIVATE, 1, ROW),
    ),
    "power-up": (
        clocks(CHIP.t_power_up),
        lambda n: Script().wait(n - 1).clock(PRECHARGE, address=ALL),
    ),
}


@pytest.mark.parametrize("rule", NEEDED)
def test_a_wait_is_as_long_as_the_chip_asks_and_no_shorter(executable: Path, tmp_path: Path, rule: str) -> None:
    least, script = NEEDED[rule]
    assert script(least).run(executable, tmp_path).violation == ""
    found = script(least - 1).run(executable, tmp_path).violation
    assert re.match(rf"violation: SDRAM {rule}: [A-Z]+ .*, bank \d, row \d+, at \d+\.\d{{3}} ns$", found), found


FORBIDDEN: dict[str, tuple[str, Callable[[], Script]]] = {
    "read without a row": ("closed row", lambda: Script().initialise(mode()).clock(READ, 1)),
    "write to a closed bank": ("closed row", lambda: started().clock(WRITE, 2, 0, data=1)),
    "a second row in a bank": ("open row", lambda: started().wait(5).clock(ACTIVATE, 1, ROW + 1)),
    "refresh with an open row": ("open row", lambda: started().wait(5).clock(REFRESH)),
    "no initialisation": ("initialisation", lambda: Script().power_up().clock(ACTIVATE, 1, ROW)),
    "too few refreshes": (
        "initialisation",
        lambda: (
            Script()
            .power_up()
            .clock(PRECHARGE, address=ALL)
            .wait(4)
            .clock(REFRESH)
            .wait(8)
            .clock(MODE, address=mode())
            .wait(4)
            .clock(ACTIVATE)
        ),
    ),
    "no refresh for long": ("tREFI", lambda: Script().initialise(mode()).wait(5000)),
    "reserved CAS latency": ("mode register", lambda: Script().initialise(mode(latency=4))),
    "clock suspended": ("CKE", lambda: started().clock(NOP, cke=0)),
    "command at the clock": ("tIS", lambda: started().clock(READ, 1, change=PERIOD - 1000)),
    "command away too soon": ("tIH", lambda: started().clock(READ, 1).clock(NOP, change=500)),
    "data at the clock": (
        "tDS",
        lambda: started().clock(WRITE, 1, 0, data=1).clock(WRITE, 1, 0, data=2, change=PERIOD - 1000),
    ),
    "data that nobody drives": ("undriven", lambda: started().clock(WRITE, 1, 0)),
    "both drive": ("contention", lambda: started().clock(READ, 1).wait(1).clock(NOP, data=1)),
    "clock too fast": ("tCK", lambda: started().wait(20).clock(READ, 1)),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_the_chip_forbids_ends_the_simulation(executable: Path, tmp_path: Path, what: str) -> None:
    rule, script = FORBIDDEN[what]
    period = 9_500 if rule == "tCK" else PERIOD
    waits = Script().wait(70).lines if rule == "tCK" else []
    made = script()
    made.lines[:0] = waits
    assert made.run(executable, tmp_path, period=period).violation.startswith(f"violation: SDRAM {rule}: ")


@pytest.mark.parametrize("latency", [2, 3])
@pytest.mark.parametrize("code", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("interleaved", [False, True])
def test_a_burst_is_read_as_it_was_written(
    executable: Path, tmp_path: Path, latency: int, code: int, interleaved: bool
) -> None:
    if interleaved and code == 7:
        code, interleaved = 3, True
    length = 1 << code if code < 7 else 8
    script = started(latency=latency, length=code, interleaved=interleaved)
    script.clock(WRITE, 1, COLUMN, data=DATA[0])
    for value in DATA[1:length]:
        script.clock(NOP, data=value)
    if code == 7:
        script.clock(STOP)
    script.wait(2).clock(READ, 1, COLUMN)
    begin = sum(int(line.split()[0], 16) for line in script.lines)
    script.wait(length - 1)
    script.clock(STOP if code == 7 else NOP).wait(6)
    outcome = script.run(executable, tmp_path)
    assert outcome.violation == ""
    samples = outcome.samples[begin + latency :][: length + 1]
    for (at_edge, held, over, _, _), value in zip(samples, DATA[:length], strict=False):
        assert (at_edge, held) == (value, value)
        assert over != value
    before = outcome.samples[begin + latency - 1]
    assert before[3] != DATA[0] and before[4] == DATA[0]
    assert samples[length][0] == 0


def test_masks_keep_bytes_and_blank_what_is_read_two_clocks_later(executable: Path, tmp_path: Path) -> None:
    script = started().clock(WRITE, 1, COLUMN, data=0x1234).clock(WRITE, 1, COLUMN, data=0x5678, dqm=0b10)
    script.wait(1).clock(READ, 1, COLUMN).clock(READ, 1, COLUMN, dqm=0b01).clock(READ, 1, COLUMN).wait(6)
    outcome = script.run(executable, tmp_path)
    assert outcome.violation == ""
    shown = [sample[0] for sample in outcome.samples if sample[0]]
    assert shown == [0x1234, 0x5678, 0x1278, 0x1200, 0x1278]


def test_contents_at_power_up_are_not_zero(executable: Path, tmp_path: Path) -> None:
    outcome = started().clock(READ, 1, 3).clock(READ, 1, 4).clock(READ, 1, 5).wait(5).run(executable, tmp_path)
    assert len({sample[0] for sample in outcome.samples}) > 3


def test_auto_precharge_closes_the_row(executable: Path, tmp_path: Path) -> None:
    closing = started().clock(READ, 1, COLUMN | ALL)
    assert Script(closing.lines).wait(4).clock(ACTIVATE, 1, ROW).run(executable, tmp_path).violation == ""
    closing = started().clock(READ, 1, COLUMN | ALL).wait(4)
    assert "closed row" in closing.clock(READ, 1, COLUMN).run(executable, tmp_path).violation
