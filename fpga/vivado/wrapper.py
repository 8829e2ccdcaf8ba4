"""The accelerator's Verilog wrapper: standard AXI signals, with the constants that the accelerator leaves to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dovetail.hw.accelerator import Observation
from dovetail.hw.verilog import TOP
from dovetail.isa.config import BYTE_BITS, DRAM_ADDRESS_BITS, Config, clog2
from dovetail.isa.registers import REGISTER_BITS

from .ports import Interface, memory_interface, register_interface
from .templates import render

MODULE = "dovetail_zynq"
MEMORY, REGISTERS = "m_axi", "s_axi"
INCREMENTING = 1
"""AxBURST (AMBA AXI, IHI 0022, A3.4.1)."""
BUFFERABLE_MODIFIABLE = 3
"""AxCACHE: normal memory, not cached; an interconnect may split and merge bursts (A4.4)."""


@dataclass(frozen=True)
class Port:
    """A port of the wrapper.

    Attributes
    ----------
    bits:
        Verilog of its place in a port of the accelerator; empty for what the accelerator does not have.
    constant:
        What an output is that the accelerator does not have.
    parameters:
        Names and values for the interface; with its first port.
    """

    interface: str
    name: str
    driven: bool
    width: int
    bits: str = ""
    constant: int | None = None
    parameters: tuple[str, ...] = ()


def wrapper(config: Config) -> str:
    """Verilog of module `MODULE`, which contains module `hw.verilog.TOP`."""
    memory, registers = memory_interface(config), register_interface()
    ports = [
        *_ports(MEMORY, memory, _memory_parameters(config), _memory_constants(config)),
        *_ports(REGISTERS, registers, _register_parameters(registers), _ignored()),
    ]
    packed = memory.packed + registers.packed
    observed = [f"obs__{name}" for name in Observation(config).members]
    return render("dovetail_zynq.v", ports=ports, packed=packed, observed=observed, top=TOP)


def _ports(name: str, interface: Interface, parameters: Mapping[str, object], others: list[Port]) -> list[Port]:
    first, *rest = (Port(name, one.name, one.packed.driven, one.width, one.bits) for one in interface.signals)
    named = {"XIL_INTERFACENAME": name, **parameters}
    return [replace(first, parameters=tuple(f"{key} {value}" for key, value in named.items())), *rest, *others]


def _memory_parameters(config: Config) -> dict[str, object]:
    return {
        "PROTOCOL": "AXI4",
        "DATA_WIDTH": config.bus_bits,
        "ADDR_WIDTH": DRAM_ADDRESS_BITS,
        "ID_WIDTH": memory_interface(config)["arid"].width,
        "READ_WRITE_MODE": "READ_WRITE",
        "SUPPORTS_NARROW_BURST": 0,
        "MAX_BURST_LENGTH": config.burst_beats,
        "NUM_READ_OUTSTANDING": config.max_bursts,
        "NUM_WRITE_OUTSTANDING": config.max_bursts,
    }


def _register_parameters(registers: Interface) -> dict[str, object]:
    return {
        "PROTOCOL": "AXI4LITE",
        "DATA_WIDTH": registers["wdata"].width,
        "ADDR_WIDTH": registers["awaddr"].width,
        "READ_WRITE_MODE": "READ_WRITE",
    }


def _memory_constants(config: Config) -> list[Port]:
    """What is the same for every burst."""
    size = clog2(config.bus_bytes)
    values = {"size": (3, size), "burst": (2, INCREMENTING), "lock": (1, 0), "cache": (4, BUFFERABLE_MODIFIABLE)}
    values |= {"prot": (3, 0), "qos": (4, 0)}
    return [
        Port(MEMORY, channel + name, driven=True, width=width, constant=value)
        for channel in ("ar", "aw")
        for name, (width, value) in values.items()
    ]


def _ignored() -> list[Port]:
    """What the register block does not look at: it is written in whole words, by anyone."""
    widths = {"arprot": 3, "awprot": 3, "wstrb": REGISTER_BITS // BYTE_BITS}
    return [Port(REGISTERS, name, driven=False, width=width) for name, width in widths.items()]
