"""A serial port as a board's line, and which port a board is at."""

from __future__ import annotations

import contextlib
import io
import os
import select
import time
from importlib import import_module
from typing import Any

from dovetail.fpga.boards import Board, Usb
from dovetail.runtime.errors import DeviceUnavailable

from .transport import TransportLost

if os.name == "posix":
    import termios

TERMINAL_ERRORS: tuple[type[Exception], ...] = (termios.error,) if os.name == "posix" else ()
ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, TypeError, *TERMINAL_ERRORS)
"""What pyserial raises when a port is not there or is gone; its own error is an OSError."""
WRITE_SECONDS = 10.0
"""A port that takes nothing for so long is stuck."""
READ_BYTES = 1 << 16
POLL_SECONDS = 0.001
"""Between looks at a port that cannot be waited for."""


class SerialPort:
    """A port that nobody else uses meanwhile.

    Parameters
    ----------
    port:
        A device's name, which may be that of a pseudo-terminal, or a URL that pyserial knows.
    baud:
        Bits a second.

    Raises
    ------
    DeviceUnavailable:
        There is no such port, it is in use, it may not be opened, or pyserial is not installed.
    """

    def __init__(self, port: str, baud: int) -> None:
        serial = _pyserial()
        try:
            self._port = serial.serial_for_url(
                port, baudrate=baud, timeout=0, write_timeout=WRITE_SECONDS, exclusive=True
            )
        except ERRORS as error:
            raise DeviceUnavailable(f"{port}: the port cannot be opened: {_reason(error)}") from None
        self.name = port
        with contextlib.suppress(AttributeError, OSError, ValueError, NotImplementedError):
            self._port.set_low_latency_mode(True)  # an FTDI holds few bytes back for 16 ms otherwise
        try:
            self._file: int | None = self._port.fileno()
        except (AttributeError, io.UnsupportedOperation):
            self._file = None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except ERRORS as error:
            raise TransportLost(self._lost(error)) from None

    def read(self, seconds: float) -> bytes:
        try:
            if self._file is not None:
                ready, _, _ = select.select([self._file], [], [], seconds)
                return bytes(self._port.read(READ_BYTES)) if ready else b""
            end = time.monotonic() + seconds
            while not (data := bytes(self._port.read(READ_BYTES))) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
            return data
        except ERRORS as error:
            raise TransportLost(self._lost(error)) from None

    def close(self) -> None:
        with contextlib.suppress(*ERRORS):
            self._port.close()

    def _lost(self, error: Exception) -> str:
        return f"the connection is gone ({_reason(error)}): was the cable pulled?"


def find_port(board: Board) -> str:
    """The name of the port that a board is at.

    Raises
    ------
    DeviceUnavailable:
        No port is the board's, or several may be; the message lists what was seen.
    """
    _pyserial()
    from serial.tools.list_ports import comports

    usb = board.usb
    if usb is None:
        raise DeviceUnavailable(f"{board.name}: it cannot be told from other ports: name its port")
    ports = sorted(comports(), key=lambda port: str(port.device))
    found = [port.device for port in ports if _matches(port, usb)]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise DeviceUnavailable(f"{board.name}: several ports may be its own: {', '.join(found)}; name one with port")
    words = f" that calls itself {' '.join(usb.words)}" if usb.words else ""
    seen = ", ".join(_described(port) for port in ports if port.vid is not None) or "none"
    raise DeviceUnavailable(
        f"{board.name}: no USB serial port {usb.vendor:04x}:{usb.product:04x}{words}; seen: {seen}; "
        "connect the board, or name its port"
    )


def _matches(port: object, usb: Usb) -> bool:
    texts = [getattr(port, name, None) or "" for name in ("product", "description", "manufacturer")]
    said = " ".join(texts).lower()
    numbers = getattr(port, "vid", None), getattr(port, "pid", None)
    return numbers == (usb.vendor, usb.product) and all(word.lower() in said for word in usb.words)


def _described(port: object) -> str:
    vendor, product = getattr(port, "vid", 0), getattr(port, "pid", 0)
    text = getattr(port, "product", None) or getattr(port, "description", None) or "nameless"
    return f"{getattr(port, 'device', '?')} ({vendor:04x}:{product:04x} {text})"


def _pyserial() -> Any:
    try:
        return import_module("serial")
    except ImportError:
        raise DeviceUnavailable("boards need pyserial: pip install 'dovetail[fpga]'") from None


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    text = os.strerror(number) if number else str(error)
    if isinstance(number, int) and number in (13, 1):
        text += " (your user may have to be in the group that owns it, such as dialout)"
    if "exclusively lock" in str(error):
        text = "another program uses it"
    return " ".join(text.split())
