"""Placement and routing with nextpnr, and what it says of the clock and of the device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dovetail.fpga.boards import Board
from dovetail.isa.config import ConfigError
from dovetail.isa.progress import Progress

from .errors import ToolFailed
from .places import Places
from .tools import Runner, Task, Tool, path_from
from .units import PARTS, Use

PLACED = "top.config"
TIMING = "timing.json"
LOG = "place_and_route.log"
SIZES = {"LFE5U-12F": "12k", "LFE5U-25F": "25k", "LFE5U-45F": "45k", "LFE5U-85F": "85k"}
"""nextpnr's options for devices."""
OPTIONS = ("--router", "router2", "--timing-allow-fail")
"""The default router was not done with half of an 85F in 15 minutes, where router2 took 9 for all. Timing is judged
here, since the path that misses it is of interest."""
CELLS = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}
"""What nextpnr calls the parts of a device."""

SOLVED = re.compile(r"at iteration #(\d+), type ALL: .* legal = (\d+)")
REFINED = re.compile(r"at iteration #(\d+): temp = .* wirelen = (\d+)")
ROUTED = re.compile(r"iter=(\d+) wires=\d+ overused=(\d+)")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A clock as it came out.

    Attributes
    ----------
    mhz:
        The fastest at which every path of it is in time.
    target_mhz:
        What it is to be.
    """

    name: str
    mhz: float
    target_mhz: float

    @property
    def met(self) -> bool:
        return self.mhz >= self.target_mhz


@dataclass(frozen=True)
class Hop:
    """A step of a path: through a cell, or along a wire from it to the next.

    Attributes
    ----------
    cell:
        Its name in the netlist.
    """

    cell: str
    is_routing: bool
    delay_ns: float


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A placed and routed design.

    Attributes
    ----------
    config:
        Text, for ecppack.
    clocks:
        Those that there are paths of.
    used:
        Parts of the device, those among it that routing took.
    path:
        The slowest within the clock that is furthest from its target.
    """

    config: Path
    log: Path
    clocks: tuple[Clock, ...]
    used: Use
    path: tuple[Hop, ...]

    @property
    def worst(self) -> Clock:
        """The clock that is furthest from its target, or the least ahead of it."""
        return _worst(self.clocks)


def place_and_route(
    places: Places, constraints: Path, board: Board, seed: int, folder: Path, run: Runner, progress: Progress
) -> Placement:
    """Place and route a netlist.

    Parameters
    ----------
    places:
        The netlist, and what of it only takes places.
    constraints:
        Pins and clocks, an LPF file.
    seed:
        Of the placer; another gives another clock, by a few percent.
    folder:
        Where the files go; it exists.

    Raises
    ------
    ConfigError:
        The board's device is none that nextpnr knows.
    ToolFailed, ToolMissing:
        As `run`; or there is no timing in what it wrote.
    """
    size = SIZES.get(board.device)
    if size is None:
        raise ConfigError(f"{board.name}: {board.device} cannot be routed; those are {', '.join(SIZES)}")
    progress("placement", 0, 0)
    arguments = [f"--{size}", "--package", board.package, "--speed", board.speed, "--seed", str(seed), *OPTIONS]
    arguments += ["--json", path_from(folder, places.netlist), "--lpf", path_from(folder, constraints)]
    arguments += ["--textcfg", PLACED, "--report", TIMING]
    run(Task(Tool.NEXTPNR, arguments, folder, LOG, [PLACED, TIMING]), Steps(progress))
    return read_placement(json.loads((folder / TIMING).read_text()), folder, places.reserved)


def read_placement(report: Mapping[str, Any], folder: Path, reserved: int = 0) -> Placement:
    """The placement in `folder`, of nextpnr's report.

    Parameters
    ----------
    reserved:
        Look-up tables that are counted there but are of no use.

    Raises
    ------
    ToolFailed:
        It has no timing.
    """
    clocks = tuple(
        Clock(name=name, mhz=found["achieved"], target_mhz=found["constraint"])
        for name, found in report["fmax"].items()
    )
    if not clocks:
        raise ToolFailed(f"{Tool.NEXTPNR.program} reports no clock; its log is {folder / LOG}")
    used = {part: report["utilization"].get(CELLS[part], {}).get("used", 0) for part in PARTS}
    used["lut"] -= reserved
    edge = f"posedge {_worst(clocks).name}"
    paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"] == edge]
    hops = max(([_hop(step) for step in path] for path in paths), key=_delay, default=[])
    return Placement(config=folder / PLACED, log=folder / LOG, clocks=clocks, used=Use(**used), path=tuple(hops))


def _worst(clocks: Iterable[Clock]) -> Clock:
    return min(clocks, key=lambda clock: clock.mhz / clock.target_mhz)


def _hop(step: Mapping[str, Any]) -> Hop:
    return Hop(step["from"]["cell"], step["type"] == "routing", step["delay"])


def _delay(hops: list[Hop]) -> float:
    return sum(hop.delay_ns for hop in hops)


class Steps:
    """Progress by what the log says. How many iterations there will be is not known."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __call__(self, line: str) -> None:
        if found := SOLVED.search(line):
            self.progress(f"placement: iteration {found[1]}, wires of {int(found[2]):,}", 0, 0)
        elif found := REFINED.search(line):
            self.progress(f"refinement: iteration {found[1]}, wires of {int(found[2]):,}", 0, 0)
        elif found := ROUTED.search(line):
            self.progress(f"routing: iteration {found[1]}, {int(found[2]):,} wires in conflict", 0, 0)
        elif line.startswith("Preparing to run"):
            self.progress("placement: preparing nextpnr, once", 0, 0)
