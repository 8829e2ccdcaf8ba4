"""The units side by side in one module, each with its ports under its name."""

from __future__ import annotations

from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from dovetail.hw.axi import AxiPort
from dovetail.hw.compute import ComputeUnit
from dovetail.hw.fetch import FetchUnit
from dovetail.hw.load import LoadUnit
from dovetail.hw.store import StoreUnit
from dovetail.isa.config import Config

TOP = "units"


class Units(wiring.Component):
    """The units of a machine, not connected with each other: one simulator serves the benches of all."""

    def __init__(self, config: Config) -> None:
        self.units = {
            "fetch": FetchUnit(config),
            "load": LoadUnit(config),
            "compute": ComputeUnit(config),
            "store": StoreUnit(config),
            "port": AxiPort(config),
        }
        super().__init__({name: Out(unit.signature) for name, unit in self.units.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, unit in self.units.items():
            m.submodules[name] = unit
            connect(m, unit, flipped(getattr(self, name)))
        return m


def emit(config: Config) -> str:
    """Verilog of the units; the ports of the load unit are ``load__...``, and so on."""
    return verilog.convert(Units(config), name=TOP, emit_src=False)
