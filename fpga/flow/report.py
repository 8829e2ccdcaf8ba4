"""What a build came to, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dovetail.fpga.boards import Board

from .errors import FlowError
from .path import Point
from .place_and_route import Clock
from .units import PARTS, Use

DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """A build.

    Attributes
    ----------
    config:
        Name of the configuration, or its file.
    fingerprint:
        The configuration's.
    design:
        Digest of the design before synthesis: two builds of the same have the same.
    clock:
        The system's.
    clocks:
        All that were constrained and have paths.
    used:
        Of the device, after routing.
    bitstream:
        Where it is; of a build that missed its timing, with suffix ``.slow.bit``.
    seconds:
        By step; a step that was taken from the cache has what that took.
    units:
        What each unit takes after synthesis, those in it included; see `units.count_units`.
    critical_path:
        The slowest path of the clock that is furthest from its target.
    """

    board: Board
    config: str
    fingerprint: int
    design: str
    clock: Clock
    clocks: tuple[Clock, ...]
    used: Use
    bitstream: Path
    seconds: Mapping[str, float]
    seed: int
    tools: Mapping[str, str]
    units: Mapping[str, Use]
    critical_path: tuple[Point, ...]

    @property
    def timing_met(self) -> bool:
        return all(clock.met for clock in self.clocks)

    def as_dict(self) -> dict[str, object]:
        """The object of ``dovetail fpga build --json``."""
        return {
            "board": self.board.name,
            "config": self.config,
            "fingerprint": f"{self.fingerprint:016x}",
            "design": self.design,
            "fmax_mhz": round(self.clock.mhz, DIGITS),
            "target_mhz": round(self.clock.target_mhz, DIGITS),
            "timing_met": self.timing_met,
            **{part: getattr(self.used, part) for part in PARTS},
            "capacity": {
                part: {"limit": limit, "percent": round(100 * getattr(self.used, part) / limit, 1)}
                for part, limit in ((part, getattr(self.board.capacity, part)) for part in PARTS)
            },
            "bitstream": str(self.bitstream),
            "seconds": round(sum(self.seconds.values()), 1),
            "seconds_by_step": {step: round(seconds, 1) for step, seconds in self.seconds.items()},
            "seed": self.seed,
            "tools": dict(self.tools),
            "units": {unit: {part: getattr(use, part) for part in PARTS} for unit, use in self.units.items()},
            "critical_path": [point.as_dict() for point in self.critical_path],
        }


class TimingError(FlowError):
    """The design was placed and routed, but is slower than its clock.

    Attributes
    ----------
    report:
        Of the build; its bitstream is there to be looked at, not to be used.
    """

    def __init__(self, report: BuildReport) -> None:
        worst = min(report.clocks, key=lambda clock: clock.mhz / clock.target_mhz)
        path = report.critical_path
        between = f" from {path[0].name} to {path[-1].name}" if path else ""
        nanoseconds = sum(point.delay_ns for point in path)
        super().__init__(
            f"{report.config} on {report.board.name} reaches {worst.mhz:.2f} MHz, not {worst.target_mhz:.2f} MHz: the "
            f"slowest path is{between}, {nanoseconds:.2f} ns; try other seeds with --seeds, or a lower --frequency. "
            f"The bitstream is {report.bitstream.name}, and must not be used"
        )
        self.report = report
