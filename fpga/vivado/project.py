"""Writes the project's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dovetail.fpga.boards import ACCELERATOR, Board
from dovetail.hw.verilog import TOP, emit
from dovetail.isa.config import Config, ConfigError

from .processing_system import HP_BITS, settings
from .templates import render
from .wrapper import MODULE, wrapper

DESIGN = "dovetail"
"""Name of the block design, the bitstream and the hardware description."""
REGISTER_ADDRESS = 0x43C0_0000
"""Of the register block in the processor's address space, within M_AXI_GP0's."""
REGISTER_RANGE = 4096
"""The least that a segment of addresses may have."""
TEMPLATES = {"block_design.tcl": "block_design.tcl", "build.tcl": "build.tcl", f"{DESIGN}.xdc": "constraints.xdc"}
TEMPLATES |= {"README.md": "README.md"}


@dataclass(frozen=True)
class Project:
    """A generated project.

    Attributes
    ----------
    files:
        What was written, in `folder`.
    bitstream:
        What Vivado will write; the hardware description for `pynq` lies beside it as ``.hwh``.
    """

    folder: Path
    files: tuple[Path, ...]
    bitstream: Path


def part(board: Board) -> str:
    """Vivado's name of a board's device."""
    return f"{board.device}{board.package}-{board.speed}"


def generate(board: Board, config: Config, folder: Path, *, config_name: str = "") -> Project:
    """Write a Vivado project that puts a machine on a Zynq board.

    Parameters
    ----------
    board:
        One of family ``zynq``; `Board.system_hz` is the accelerator's clock.
    folder:
        Is made if it is not there; files of the same names are replaced.
    config_name:
        What the README calls the configuration; the board's own by default.

    Raises
    ------
    ConfigError:
        The board is of another family, or the processing system cannot make the clock.
    """
    if board.family != "zynq":
        raise ConfigError(f"{board.name} is of family {board.family}: Vivado projects are for family zynq")
    values = {
        "accelerator": ACCELERATOR,
        "board": board,
        "config": config,
        "config_name": config_name or board.config,
        "design": DESIGN,
        "mhz": board.system_hz / 1e6,
        "module": MODULE,
        "part": part(board),
        "port_bits": HP_BITS,
        "processing_system": settings(board.system_hz),
        "register_address": REGISTER_ADDRESS,
        "register_range": REGISTER_RANGE,
        "top": TOP,
    }
    texts = {f"{TOP}.v": emit(config), f"{MODULE}.v": wrapper(config)}
    texts |= {name: render(template, **values) for name, template in TEMPLATES.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return Project(folder, tuple(folder / name for name in texts), folder / f"{DESIGN}.bit")
