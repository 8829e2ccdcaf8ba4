"""What is put right in a netlist between synthesis and placement.

The netlist is Yosys' JSON, a dictionary; it is changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Cells = dict[str, dict[str, Any]]
UNDRIVEN = "x"
"""A bit of a port that is there, but of no net."""
LOW, HIGH = "0", "1"
MEMORY, REGISTER = "DP16KD", "TRELLIS_FF"
WIDEST = 36
"""Bits of a memory that writes at its port A and reads at its port B; both ports' outputs then follow B's lines."""


class _Pin(NamedTuple):
    """A port of a cell; of the design itself, if the name is empty."""

    cell: str
    port: str


class _Lines(NamedTuple):
    """What makes a register move."""

    clock: int | str
    enable: int | str
    starts_set: bool


def disconnect_unused_carries(module: Mapping[str, Any]) -> int:
    """Leave the carry out of a chain open where nobody reads it; returns how many were.

    nextpnr takes two look-up tables to lead a carry out that has a net, read or not: a twentieth of `default`.
    """
    readers, count = _readers(module), 0
    for cell in module["cells"].values():
        connections = cell["connections"]
        if cell["type"] == "CCU2C" and "COUT" in connections and readers.keys().isdisjoint(connections["COUT"]):
            connections["COUT"] = [UNDRIVEN]
            count += 1
    return count


def absorb_output_registers(module: Mapping[str, Any]) -> int:
    """Let memories of `WIDEST` bits keep what they give in registers of their own; returns how many cells that spares.

    Where all of a memory's outputs go nowhere but into flip-flops that move together, those are what its output
    registers are (Lattice FPGA-TN-02204). Yosys does not use them; a memory is then 5.8 ns behind its clock, not 0.9.
    """
    cells: Cells = module["cells"]
    readers = _readers(module)
    gone: list[str] = []
    for cell in cells.values():
        if cell["type"] != MEMORY or int(cell["parameters"]["DATA_WIDTH_B"], 2) != WIDEST:
            continue
        outputs = {port: bits[0] for port, bits in cell["connections"].items() if port.startswith("DO")}
        registers = _registers(cells, readers, outputs)
        lines = {_lines(cells[name]) for name in registers.values()}
        if len(lines) != 1 or None in lines:
            continue
        (found,) = lines
        assert found is not None
        if found.starts_set or not _only_reads(cell, found.clock):
            continue
        cell["parameters"] |= {"REGMODE_A": "OUTREG", "REGMODE_B": "OUTREG"}
        cell["connections"]["OCEB"] = [found.enable]
        cell["connections"] |= {port: cells[name]["connections"]["Q"] for port, name in registers.items()}
        gone += registers.values()
    for name in gone:
        del cells[name]
    return len(gone)


def _readers(module: Mapping[str, Any]) -> dict[int | str, list[_Pin]]:
    """Who reads each net; ports of the design count, whatever their direction."""
    readers: dict[int | str, list[_Pin]] = {}

    def read(bits: Iterable[int | str], pin: _Pin) -> None:
        for bit in bits:
            readers.setdefault(bit, []).append(pin)

    for name, port in module["ports"].items():
        read(port["bits"], _Pin("", name))
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                read(bits, _Pin(name, port))
    return readers


def _registers(
    cells: Cells, readers: Mapping[int | str, list[_Pin]], outputs: Mapping[str, int | str]
) -> dict[str, str]:
    """The flip-flop behind each output that is read; nothing if one goes elsewhere too."""
    found = {}
    for port, net in outputs.items():
        pins = readers.get(net, []) if isinstance(net, int) else []
        if not pins:
            continue
        if len(pins) > 1 or pins[0].port != "DI" or cells[pins[0].cell]["type"] != REGISTER:
            return {}
        found[port] = pins[0].cell
    return found


def _only_reads(memory: Mapping[str, Any], clock: int | str) -> bool:
    """Whether a memory's port B moves at this clock's rising edge and is never reset, as its registers would be."""
    parameters, connections = memory["parameters"], memory["connections"]
    never_reset = all(connections.get(port, [LOW])[0] == LOW for port in ("RSTA", "RSTB"))
    return never_reset and connections["CLKB"][0] == clock and parameters.get("CLKBMUX", "CLKB") == "CLKB"


def _lines(register: Mapping[str, Any]) -> _Lines | None:
    """None, if it can be reset or has inverted lines."""
    parameters, connections = register["parameters"], register["connections"]
    enables = {"CE": connections.get("CE", [HIGH])[0], "1": HIGH}
    enable = enables.get(parameters.get("CEMUX", "CE").strip())  # Yosys sets "1 " apart from the number 1
    never_reset = connections.get("LSR", [LOW])[0] == LOW and parameters.get("LSRMUX", "LSR") == "LSR"
    if enable is None or not never_reset or parameters.get("CLKMUX", "CLK") != "CLK":
        return None
    return _Lines(connections["CLK"][0], enable, parameters.get("REGSET", "RESET") == "SET")
