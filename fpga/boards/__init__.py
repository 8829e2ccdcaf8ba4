"""The boards that there are builds for, as data: nothing here needs an HDL."""

from __future__ import annotations

from dovetail.isa.config import ConfigError

from .board import Board, Capacity, MemoryFigures, Usb
from .pynq import ACCELERATOR, PYNQ_Z1, PYNQ_Z2
from .ulx3s import ULX3S_25F, ULX3S_85F

__all__ = ["ACCELERATOR", "BOARDS", "Board", "Capacity", "MemoryFigures", "Usb", "find_board"]

BOARDS = {board.name: board for board in (ULX3S_85F, ULX3S_25F, PYNQ_Z1, PYNQ_Z2)}
"""By name."""


def find_board(name: str) -> Board:
    """The board of a name.

    Raises
    ------
    ConfigError:
        There is none; the message lists the names.
    """
    board = BOARDS.get(name)
    if board is None:
        raise ConfigError(f"no board {name!r}; use one of {', '.join(BOARDS)}")
    return board
