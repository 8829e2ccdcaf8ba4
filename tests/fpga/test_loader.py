"""Programming a board, with a script in the place of openFPGALoader."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from dovetail.fpga.boards import find_board
from dovetail.fpga.loader import LoaderError, find_loader, program

BOARD = find_board("ulx3s-85f")


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "top.bit"
    path.write_bytes(b"bits")
    return path


def script(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / "openFPGALoader"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_the_board_and_the_memory_are_named(tmp_path: Path, bitstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = tmp_path / "said"
    script(tmp_path, monkeypatch, f'echo "$@" >> {said}')
    program(BOARD, bitstream)
    program(BOARD, bitstream, flash=True)
    assert said.read_text().splitlines() == [
        f"--board ulx3s {bitstream}",
        f"--board ulx3s --write-flash {bitstream}",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'echo "unable to open ftdi device: -3 (device not found)"; echo "JTAG init failed with: unable"; exit 1',
            "ended with status 1: JTAG init failed with: unable; connect the board, and close what else uses it",
        ),
        (
            'echo "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open" >&2; exit 127',
            "ended with status 127: .*libusb-1.0.so.0: cannot open; install libusb",
        ),
        ("exit 2", "ended with status 2: it said nothing; see the board's"),
    ],
)
def test_what_goes_wrong_is_one_line(
    text: str, message: str, tmp_path: Path, bitstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, monkeypatch, text)
    with pytest.raises(LoaderError, match=f"ulx3s-85f: openFPGALoader {message}") as error:
        program(BOARD, bitstream)
    assert "\n" not in str(error.value)


def test_what_cannot_be_programmed_is_said_before(tmp_path: Path, bitstream: Path) -> None:
    with pytest.raises(LoaderError, match="no such bitstream; build it with: dovetail fpga build ulx3s-85f"):
        program(BOARD, tmp_path / "none.bit")
    with pytest.raises(LoaderError, match="ulx3s-85f: openFPGALoader does not program it"):
        program(dataclasses.replace(BOARD, loader=None), bitstream)


def test_the_packages_program_is_found() -> None:
    assert Path(find_loader()).name == "openFPGALoader"
