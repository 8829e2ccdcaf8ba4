"""Names for what a module runs on: ``cpu(0)``, ``fsim(0)``, ``rtl(0)``, ``timing(0)``, and boards."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.fpga.boards import BOARDS
from dovetail.isa.config import ConfigError

DEVICES = ("fsim", "rtl", "timing", *BOARDS)
"""The names that `dovetail.runtime.open` knows."""
KINDS = ("cpu", *DEVICES)


@dataclass(frozen=True)
class Context:
    """One device of a kind.

    Attributes
    ----------
    kind:
        One of `KINDS`.
    index:
        Its number; there is one of each. A simulator is made for whoever asks; boards are told apart by their ports.

    Raises
    ------
    ConfigError:
        There is no such device.
    """

    kind: str
    index: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"no device {self.kind!r}; use one of {', '.join(KINDS)}")
        if self.index != 0:
            raise ConfigError(f"no device {self.kind}({self.index!r}); there is one, {self.kind}(0)")


def cpu(index: int = 0) -> Context:
    """The CPU that this runs on."""
    return Context("cpu", index)


def fsim(index: int = 0) -> Context:
    """The functional simulator."""
    return Context("fsim", index)


def rtl(index: int = 0) -> Context:
    """The Verilated machine."""
    return Context("rtl", index)


def timing(index: int = 0) -> Context:
    """The functional simulator, with the cycles of the timing simulator."""
    return Context("timing", index)
