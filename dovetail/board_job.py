"""A board in simulation, from the FPGA's top that a build would have to the port that the driver opens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import dovetail.fpga
from dovetail.fpga.boards import BOARDS, Board
from dovetail.hw.emitted import kept
from dovetail.isa.config import Config, ConfigError
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.errors import DeviceError, DeviceUnavailable
from dovetail.sim.board.build import build
from dovetail.sim.board.process import BoardLost, BoardViolation, SimulatedBoard
from dovetail.sim.rtl.compilation import BuildError
from dovetail.sim.rtl.toolchain import ToolMissing

LEAST_DIVISOR = 4
"""Clocks of the system that the FPGA's receiver needs for a bit."""
MOST_DIVISOR = 1 << 16
DIGITS = 16


@contextmanager
def simulated(
    board: Board,
    config: Config,
    *,
    divisor: int | None = None,
    round_trip: float = 0.0,
    progress: Progress = silent,
) -> Iterator[SimulatedBoard]:
    """Build and start the simulation of a board with the accelerator of `config`.

    Parameters
    ----------
    divisor:
        Clocks of the system in a bit of the serial line, for a faster line than the board has; at least
        `LEAST_DIVISOR`. By default the line has the board's rate.
    round_trip:
        ns from a clock's edge in the FPGA to the SDRAM, and back with the data.

    Raises
    ------
    ConfigError:
        The board has no SDRAM or serial port, or the line cannot be so fast.
    DeviceUnavailable:
        The simulator cannot be built or started.
    DeviceError:
        At the end: a chip on the board was used in a way that it forbids; the message says how and when.
    """
    chip = board.sdram
    if chip is None or not board.baud:
        able = ", ".join(name for name, one in BOARDS.items() if one.sdram is not None and one.baud)
        raise ConfigError(f"{board.name} is not simulated: it has no SDRAM and serial port of its own; use {able}")
    if divisor is not None:
        if not LEAST_DIVISOR <= divisor <= MOST_DIVISOR:
            raise ConfigError(f"the serial line's divisor must be {LEAST_DIVISOR} to {MOST_DIVISOR}, not {divisor}")
        board = replace(board, baud=round(board.system_hz / divisor))
    try:
        progress("elaborating", 0, 0)
        executable = build(
            top_verilog(config, board),
            chip,
            clock_hz=board.clock_hz,
            baud=board.baud,
            progress=progress,
        )
        progress("starting", 0, 0)
        started = SimulatedBoard(executable, round_trip=round_trip)
    except (BuildError, ToolMissing, BoardLost) as error:
        raise DeviceUnavailable(f"{board.name}: {error}") from None
    try:
        with started as simulation:
            yield simulation
    except (BoardViolation, BoardLost) as error:
        raise DeviceError(f"{board.name} in simulation: {error}") from None


def top_verilog(config: Config, board: Board) -> str:
    """The Verilog of the top on the board's pins, from the cache where it can be."""

    def made() -> str:
        from dovetail.fpga.ecp5.emit import emit_top  # Amaranth need not load when the text is kept

        return emit_top(config, board, verilog=True).verilog

    described = hashlib.sha256(f"{board!r} {config.fingerprint:016x}".encode()).hexdigest()
    return kept(f"{board.name}-{described[:DIGITS]}", made, dovetail.fpga)
