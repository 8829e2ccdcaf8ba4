"""Programming a board, through openFPGALoader."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from .boards import Board

PROGRAM = "openFPGALoader"
PACKAGE = "openfpgaloader"
SECONDS = 600
"""Writing a flash chip takes a minute or two."""
ADVICE = {
    "libusb": "install libusb (Debian, Ubuntu: apt install libusb-1.0-0)",
    "permission": "allow your user to use the board: openFPGALoader's udev rules do",
    "access": "allow your user to use the board: openFPGALoader's udev rules do",
    "not found": "connect the board, and close what else uses it",
    "unable to open": "connect the board, and close what else uses it",
}
"""What helps, by a word in what openFPGALoader says, in the order in which they are looked for."""


class LoaderError(Exception):
    """A board cannot be programmed. The message is one line: why, and the way out."""


def program(board: Board, bitstream: Path, *, flash: bool = False) -> None:
    """Load a bitstream into a board's FPGA.

    Parameters
    ----------
    flash:
        Write it to the board's flash memory, from which the FPGA loads it whenever it is switched on.

    Raises
    ------
    LoaderError:
        There is no such file or program, no board answers, or it refuses the bitstream.
    """
    if board.loader is None:
        raise LoaderError(f"{board.name}: {PROGRAM} does not program it")
    if not bitstream.is_file():
        raise LoaderError(f"{bitstream}: there is no such bitstream; build it with: dovetail fpga build {board.name}")
    command = [find_loader(), "--board", board.loader, *(["--write-flash"] if flash else []), str(bitstream)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS
        )
    except OSError as error:
        raise LoaderError(f"{command[0]}: cannot be started: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise LoaderError(f"{board.name}: {PROGRAM} did not end within {SECONDS} s; disconnect the board") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")
        raise LoaderError(f"{board.name}: {PROGRAM} ended with status {done.returncode}: {_explained(said)}")


def find_loader() -> str:
    """The executable: the system's, or else the package's.

    Raises
    ------
    LoaderError:
        There is none.
    """
    installed = shutil.which(PROGRAM)
    if installed is not None:
        return installed
    package = find_spec(PACKAGE)
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "bin" / PROGRAM
        if path.is_file():
            return str(path)
    raise LoaderError(f"{PROGRAM} is needed to program boards: pip install 'dovetail[fpga]'")


def _explained(said: str) -> str:
    """The line of the program's output that tells most, and what helps."""
    lines = [" ".join(line.split()) for line in said.replace("\r", "\n").splitlines() if line.strip()]
    telling = next((line for line in reversed(lines) if "error" in line.lower() or "fail" in line.lower()), "")
    reason = telling or (lines[-1] if lines else "it said nothing")
    advice = next(
        (help_ for word, help_ in ADVICE.items() if word in said.lower()), "see the board's cable and switches"
    )
    return f"{reason}; {advice}"
