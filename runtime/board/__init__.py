"""Boards as devices: the link to them, and the device that it makes."""

from __future__ import annotations

from dovetail.fpga.boards import Board
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress
from dovetail.runtime.errors import DeviceUnavailable

from .connection import Connection, LinkConnection
from .device import BoardDevice
from .link import Link
from .serial_port import SerialPort, find_port

__all__ = ["BoardDevice", "open_board"]

ZYNQ = "zynq"
"""The family of boards whose processor is on the same chip, see `Board.family`."""


def open_board(
    board: Board,
    *,
    config: Config | None = None,
    port: str | None = None,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> BoardDevice:
    """A board as a device.

    Parameters
    ----------
    config:
        What its machine must be; by default what it is.
    port:
        Where the board is: a serial port's name, a pseudo-terminal's, or a URL that pyserial knows. By default the
        port that calls itself by the board's words. A Zynq board's own processor is the host, and there this is the
        bitstream that it loads.
    timeout, progress:
        See `BoardDevice`.

    Raises
    ------
    DeviceUnavailable, ConfigMismatch:
        There is no such board, or its machine is another.
    """
    return BoardDevice(board, _connect(board, port), config, timeout=timeout, progress=progress)


def _connect(board: Board, port: str | None) -> Connection:
    if board.family == ZYNQ:
        from .pynq import PynqConnection

        if port is None:
            raise DeviceUnavailable(f"{board.name} needs a bitstream: name the .bit file of a build with port")
        return PynqConnection(board, port)
    line = SerialPort(port or find_port(board), board.baud)
    try:
        return LinkConnection(Link(line))
    except BaseException:
        line.close()
        raise
