"""The standard AXI signals behind the packed payloads of the accelerator's ports."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out

from dovetail.hw.interfaces import Axi4, Axi4Lite
from dovetail.isa.config import Config

SOLE_FIELD = {"ar": "addr", "aw": "addr", "w": "data", "b": "resp"}
"""What a channel's payload is where it is no structure."""


@dataclass(frozen=True)
class Packed:
    """A port of the accelerator: its name in the emitted Verilog, its width, and whether the accelerator drives it."""

    name: str
    width: int
    driven: bool


@dataclass(frozen=True)
class Signal:
    """One signal of a standard interface.

    Attributes
    ----------
    name:
        In lower case without the interface's prefix, such as ``araddr``.
    packed:
        The port of the accelerator that holds it.
    low:
        Its lowest bit there.
    """

    name: str
    packed: Packed
    low: int
    width: int

    @property
    def bits(self) -> str:
        """Verilog of its place in the accelerator's port."""
        if self.width == self.packed.width:
            return self.packed.name
        high = self.low + self.width - 1
        return f"{self.packed.name}[{high}:{self.low}]" if self.width > 1 else f"{self.packed.name}[{self.low}]"


@dataclass(frozen=True)
class Interface:
    """An AXI interface of the accelerator as it is and as the standard has it."""

    signals: tuple[Signal, ...]
    packed: tuple[Packed, ...]

    def __getitem__(self, name: str) -> Signal:
        """The signal of that name; KeyError when there is none."""
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise KeyError(name)


def memory_interface(config: Config) -> Interface:
    """The AXI4 master."""
    return _unpack("axi", Axi4(config), master=True)


def register_interface() -> Interface:
    """The AXI4-Lite slave."""
    return _unpack("ctl", Axi4Lite(), master=False)


def _unpack(prefix: str, signature: wiring.Signature, *, master: bool) -> Interface:
    signals: list[Signal] = []
    packed: list[Packed] = []
    for channel, member in signature.members.items():
        if not isinstance(member.signature, stream.Signature):
            raise TypeError(f"{prefix}.{channel} is no stream")
        for part, inner in member.signature.members.items():
            port = Packed(f"{prefix}__{channel}__{part}", _width(inner.shape), (inner.flow is Out) == master)
            packed.append(port)
            if isinstance(inner.shape, data.Layout):
                fields = [(name, at.offset, _width(at.shape)) for name, at in inner.shape]
            else:
                fields = [(SOLE_FIELD[channel] if part == "payload" else part, 0, port.width)]
            signals += [Signal(channel + name, port, low, width) for name, low, width in fields]
    return Interface(tuple(signals), tuple(packed))


def _width(shape: object) -> int:
    return Shape.cast(shape).width
