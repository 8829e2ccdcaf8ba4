"""Scripts for player.sv, and what it says of them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

from dovetail.fpga.sdram.chips import ULX3S_SDRAM
from dovetail.isa.progress import silent
from dovetail.sim.board import build
from dovetail.sim.board.chip import chip_package
from dovetail.sim.rtl.compilation import Compilation

CHIP = replace(ULX3S_SDRAM, t_power_up=1000.0, t_rc=80.0)
"""tRC is more than tRAS and tRP together, so that it can be violated alone."""
PERIOD = 15_000
MIDDLE = PERIOD // 2
POWER_UP_CLOCKS = 70
SECONDS = 20
MODE, REFRESH, PRECHARGE, ACTIVATE, WRITE, READ, STOP, NOP = range(8)
CKE = 1 << 4
ALL = 1 << 10


def player() -> Path:
    """The player with the model of `CHIP`."""
    here = Path(__file__).parent
    return Compilation(
        kind="board",
        name="player",
        top="player",
        files={
            "chip.sv": chip_package(CHIP).encode(),
            "sdram.sv": (build.HERE / "sdram.sv").read_bytes(),
            "player.sv": (here / "player.sv").read_bytes(),
        },
        sources=["chip.sv", "sdram.sv", "player.sv"],
        arguments=["--main", "--timing", "--timescale", "1ps/1ps", "-Wno-fatal", "-Wno-lint", "-Wno-style"],
        optimisation="-O1",
    ).build(silent)


@dataclass
class Script:
    """Lines for the player; each method adds one clock, or `count`."""

    lines: list[str] = field(default_factory=list)

    def clock(
        self,
        command: int,
        bank: int = 0,
        address: int = 0,
        *,
        count: int = 1,
        data: int | None = None,
        dqm: int = 0,
        change: int = MIDDLE,
        cke: int = CKE,
    ) -> Script:
        numbers = (count, change, command | cke, bank, address, dqm, int(data is not None), data or 0)
        self.lines.append(" ".join(f"{number:x}" for number in numbers))
        return self

    def wait(self, count: int, dqm: int = 0) -> Script:
        return self.clock(NOP, count=count, dqm=dqm) if count else self

    def power_up(self) -> Script:
        return self.wait(POWER_UP_CLOCKS)

    def initialise(self, mode: int) -> Script:
        self.power_up().clock(PRECHARGE, address=ALL).wait(4)
        for _ in range(CHIP.power_up_refreshes):
            self.clock(REFRESH).wait(8)
        return self.clock(MODE, address=mode).wait(4)

    def run(self, executable: Path, folder: Path, *, period: int = PERIOD) -> Outcome:
        path = folder / "script"
        path.write_text("\n".join(self.lines) + "\n")
        done = subprocess.run(
            [executable, f"+script={path}", f"+period={period}"], capture_output=True, text=True, timeout=SECONDS
        )
        return Outcome(done.stdout.splitlines())


@dataclass(frozen=True)
class Outcome:
    """What the player printed."""

    lines: list[str]

    @property
    def violation(self) -> str:
        found = [line for line in self.lines if line.startswith("violation: ")]
        assert len(found) + ("over" in self.lines) == 1, self.lines[-3:]
        return found[0] if found else ""

    @property
    def samples(self) -> list[list[int]]:
        """For each clock: the data pins at its edge, just before and after tOH, and just before and after tAC."""
        return [[int(word, 16) for word in line.split()] for line in self.lines if len(line.split()) == 5]


def mode(*, latency: int = 2, length: int = 0, interleaved: bool = False, single: bool = False) -> int:
    """A mode register; `length` is its code."""
    return latency << 4 | length | interleaved << 3 | single << 9
