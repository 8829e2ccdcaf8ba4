"""A build, from a configuration to a bitstream and its report."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dovetail.fpga.boards import Board
from dovetail.isa.config import Config
from dovetail.isa.container import replace_file
from dovetail.isa.progress import Progress, silent

from .errors import CapacityError, FlowError, ToolFailed
from .packing import pack
from .page import page
from .path import translate
from .place_and_route import Clock, Placement, place_and_route
from .places import Places, fix_places
from .report import BuildReport, TimingError
from .synthesis import synthesise
from .tools import PACKAGED, Programs, Runner, run_tool, tool_versions
from .units import NAMES, PARTS, Use, count_units, largest, read_netlist, total

if TYPE_CHECKING:
    from dovetail.fpga.ecp5.emit import TopFiles

BUILDS = Path("build") / "fpga"
CONSTRAINTS = "top.lpf"
NETLIST_WITH_PLACES = "top_with_places.json"
REPORT = "report.json"
PAGE = "report.md"
LOCK = ".lock"
SLOW = ".slow.bit"
"""Suffix of a bitstream whose timing is missed."""
HZ_PER_MHZ = 1e6
CLOCK_TOLERANCE = 1e-3
"""By which nextpnr may round a clock's period."""
DESIGN_DIGITS = 12
"""Of a design's digest in reports."""
LARGEST = 4
"""Units that an error names."""
CANNOT_PLACE = re.compile(r"unable to (find legal placement|place cell)", re.IGNORECASE)


def output_folder(board: str, config: str) -> Path:
    """Where a build goes unless it is told otherwise; `config` may be a file."""
    return BUILDS / _name(board, config)


def bitstream_path(board: str, config: str, folder: Path | None = None) -> Path:
    """The bitstream of a build in `folder`, or where it goes by default."""
    return (folder or output_folder(board, config)) / f"{_name(board, config)}.bit"


def build(
    board: Board,
    config: Config,
    *,
    config_name: str,
    out: Path | None = None,
    seed: int = 1,
    seeds: int = 1,
    progress: Progress = silent,
    run: Runner | None = None,
    programs: Programs = PACKAGED,
) -> BuildReport:
    """Build the system on chip of `config` for `board`, with bitstream, logs and reports in one folder.

    Parameters
    ----------
    board:
        Its `system_hz` is the clock that the design has, and is to reach.
    config_name:
        For files and reports.
    out:
        The folder; `output_folder` by default.
    seed, seeds:
        Placements are tried from `seed` on, at most `seeds` of them, until the timing is met.
    run:
        Runs tools; `run_tool` by default.
    programs:
        Of this machine, to be run in place of packages.

    Raises
    ------
    ConfigError:
        The board is not an ECP5 board, or its clock or serial line cannot be made.
    CapacityError:
        The design is larger than the device. No bitstream is there.
    TimingError:
        No placement is fast enough. All is written of the best of them, and the bitstream has suffix `SLOW`.
    ToolFailed, ToolMissing:
        A tool is not there, or failed.
    FlowError:
        The folder cannot be written, or another build is in it.
    """
    from dovetail.fpga.ecp5.emit import TOP, emit_top

    tools = tool_versions(programs)
    progress("elaboration", 0, 0)
    began = time.monotonic()
    files = emit_top(config, board)
    seconds = {"elaboration": time.monotonic() - began}
    try:
        with _folder(out or output_folder(board.name, config_name)) as folder:
            return implement(
                files,
                TOP,
                board,
                config,
                config_name=config_name,
                folder=folder,
                seed=seed,
                seeds=seeds,
                seconds=seconds,
                progress=progress,
                run=run or partial(run_tool, programs=programs),
                tools=tools,
            )
    except OSError as error:
        raise FlowError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from None


def implement(
    files: TopFiles,
    top: str,
    board: Board,
    config: Config,
    *,
    config_name: str,
    folder: Path,
    seed: int,
    seeds: int,
    seconds: Mapping[str, float],
    progress: Progress,
    run: Runner,
    tools: Mapping[str, str],
) -> BuildReport:
    """`build` for a design that is elaborated.

    Parameters
    ----------
    top:
        The design's top module.
    folder:
        Where everything goes; it exists.
    seconds:
        What the steps before took.
    tools:
        Their versions, by name.
    """
    spent = dict(seconds)
    bitstream = bitstream_path(board.name, config_name, folder)
    slow = bitstream.with_suffix(SLOW)
    for path in (bitstream, slow, folder / REPORT, folder / PAGE):
        path.unlink(missing_ok=True)
    (folder / CONSTRAINTS).write_text(files.constraints)

    with _timed(spent, "synthesis"):
        synthesis = synthesise(files.rtlil, top, folder, run, progress)
        netlist = read_netlist(synthesis.netlist, top)
        units = count_units(netlist)
    what = f"{config_name} on {board.name}"
    _check_capacity(what, board, units)
    with _timed(spent, "floorplan"):
        progress("floorplan", 0, 0)
        places = fix_places(
            synthesis.netlist, files.constraints, board, top, total(units).lut, folder / NETLIST_WITH_PLACES
        )
    with _timed(spent, "placement and routing"):
        chosen, placement = _place(what, board, units, places, folder, range(seed, seed + seeds), run, progress)
    with _timed(spent, "packing"):
        packed = pack(placement.config, folder, run, progress)

    report = BuildReport(
        board=board,
        config=config_name,
        fingerprint=config.fingerprint,
        design=hashlib.sha256(files.rtlil.encode()).hexdigest()[:DESIGN_DIGITS],
        clock=_system_clock(placement, board),
        clocks=placement.clocks,
        used=placement.used,
        bitstream=bitstream if all(clock.met for clock in placement.clocks) else slow,
        seconds=spent,
        seed=chosen,
        tools=dict(tools),
        units=units,
        critical_path=translate(placement.path, top),
    )
    packed.rename(report.bitstream)
    replace_file(folder / PAGE, page(report).encode())
    replace_file(folder / REPORT, (json.dumps(report.as_dict(), indent=2) + "\n").encode())
    if not report.timing_met:
        raise TimingError(report)
    return report


def _place(
    what: str,
    board: Board,
    units: Mapping[str, Use],
    places: Places,
    folder: Path,
    seeds: range,
    run: Runner,
    progress: Progress,
) -> tuple[int, Placement]:
    """The first placement that is fast enough, or else the best, and its seed."""
    best: tuple[int, Placement] | None = None
    failure: ToolFailed | None = None
    for seed in seeds:
        place = folder / f"seed-{seed}"
        place.mkdir(exist_ok=True)
        try:
            found = place_and_route(places, folder / CONSTRAINTS, board, seed, place, run, progress)
        except ToolFailed as error:
            failure = error
            continue
        _system_clock(found, board)
        if best is None or _margin(found) > _margin(best[1]):
            best = seed, found
        if found.worst.met:
            break
    if best is not None:
        return best
    assert failure is not None
    if CANNOT_PLACE.search(str(failure)):
        shares = {part: getattr(total(units), part) / getattr(board.capacity, part) for part in PARTS}
        fullest = max(shares, key=lambda part: shares[part])
        raise CapacityError(
            f"{_fill(what, board, units, fullest)}, and cannot be placed; {_way_out(units, fullest)}"
        ) from failure
    raise failure


def _margin(placement: Placement) -> float:
    return placement.worst.mhz / placement.worst.target_mhz


def _check_capacity(what: str, board: Board, units: Mapping[str, Use]) -> None:
    for part in PARTS:
        if getattr(total(units), part) > getattr(board.capacity, part):
            raise CapacityError(f"{_fill(what, board, units, part)}; {_way_out(units, part)}")


def _fill(what: str, board: Board, units: Mapping[str, Use], part: str) -> str:
    used, limit = getattr(total(units), part), getattr(board.capacity, part)
    return f"{what} takes {used:,} {NAMES[part]}, of which {board.device} has {limit:,}"


def _way_out(units: Mapping[str, Use], part: str) -> str:
    names = ", ".join(f"{unit} {count:,}" for unit, count in largest(units, part, LARGEST))
    return f"most are of {names}; take a smaller configuration or a larger board"


def _system_clock(placement: Placement, board: Board) -> Clock:
    """The system's clock.

    Raises
    ------
    ToolFailed:
        nextpnr has held no clock to the system's frequency.
    """
    target = board.system_hz / HZ_PER_MHZ
    for clock in placement.clocks:
        if abs(clock.target_mhz / target - 1) < CLOCK_TOLERANCE:
            return clock
    found = ", ".join(f"{clock.name} to {clock.target_mhz:.2f} MHz" for clock in placement.clocks)
    raise ToolFailed(f"no clock was held to {target:.2f} MHz, but {found}; the log is {placement.log}")


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[step] = time.monotonic() - began


@contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    """The folder of a build, which no other build may have meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FlowError(f"{folder}: another build is writing here; name another folder with --out") from None
        yield folder


def _name(board: str, config: str) -> str:
    return f"{board}-{Path(config).stem}"
