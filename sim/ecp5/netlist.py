"""A netlist of the ECP5's cells, as a design for the simulator.

Logic becomes tables for ``fabric.cpp``: its cells are many, and compiling them takes minutes that looking them up does
not. Multipliers and block memories are instances of their models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dovetail.sim.rtl.build import Design

from .cells import Bit, Cell, Flop, Memory, NetlistError, elements
from .fabric import Fabric

HERE = Path(__file__).resolve().parent
MODELS = {"MULT18X18D": "mult18x18d.v", "DP16KD": "dp16kd.v"}
"""Cells that have a model in Verilog, and where it is."""
ENGINE = "fabric.cpp"
SCOPE = "$scopeinfo"
"""What Yosys leaves of a module that it flattened; it does nothing."""
CLOCK = "clk"
BITS = re.compile("[01xz]+")
WRAPPER = """module {top}({names});
  import "DPI-C" function void fabric_settle(input bit tick, input bit [{last_in}:0] in, output bit [{last_out}:0] out);
  import "DPI-C" function void fabric_clock();

{declarations}
  bit tick = 0;
  bit [{last_in}:0] in;
  bit [{last_out}:0] out;

  always_comb fabric_settle(tick, in, out);

  always_ff @(posedge {clock}) begin
    fabric_clock();
    tick <= !tick;
  end

{body}
endmodule
"""
"""What settles again after the clock does so because `tick` has changed."""


def netlist_design(text: str, top: str, name: str) -> Design:
    """A module with the ports of a netlist's top that behaves as the netlist.

    Parameters
    ----------
    text:
        What Yosys' ``write_json`` gives after ``synth_ecp5``. All of it has one clock, port `CLOCK`.
    name:
        Begins the name of the simulator's folder.

    Raises
    ------
    NetlistError:
        A cell is not known, is used in a way that its model does not have, or has another clock; or the netlist cannot
        be ordered.
    """
    module = json.loads(text)["modules"][top]
    wrapper = _Wrapper(module)
    files = {path: (HERE / path).read_bytes() for path in (*MODELS.values(), ENGINE)}
    files |= {f"{top}.v": wrapper.verilog(top).encode(), "fabric.h": wrapper.fabric.header().encode()}
    return Design(name=name, files=files, sources=(f"{top}.v", *MODELS.values(), ENGINE))


class _Wrapper:
    """Connects ports and models with the fabric."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.module = module
        self.fabric = Fabric()
        self.clock: Bit = module["ports"][CLOCK]["bits"][0]
        self.out: dict[Bit, int] = {}
        self.body: list[str] = []
        self.internal = 0
        for name, port in module["ports"].items():
            if port["direction"] == "output":
                self.body.append(f"  assign {name} = {{{', '.join(map(self._taken, reversed(port['bits'])))}}};")
            elif name != CLOCK:
                begin = self._given(port["bits"])
                self.body.append(f"  assign in[{begin} +: {len(port['bits'])}] = {name};")
        for name, cell in module["cells"].items():
            if cell["type"] in MODELS:
                self._instance(len(self.body), cell)
            elif cell["type"] != SCOPE:
                self._logic(Cell(name, cell["type"], cell["parameters"], cell["connections"]))

    def verilog(self, top: str) -> str:
        ports = self.module["ports"]
        return WRAPPER.format(
            top=top,
            clock=CLOCK,
            names=", ".join(ports),
            declarations="\n".join(
                f"  {port['direction']} [{len(port['bits']) - 1}:0] {name};" for name, port in ports.items()
            ),
            last_in=len(self.fabric.inputs) - 1,
            last_out=len(self.fabric.outputs) - 1,
            body="\n".join(self.body),
        )

    def _logic(self, cell: Cell) -> None:
        for element in elements(cell, self._new_net):
            if isinstance(element, Flop | Memory) and element.clock != self.clock:
                raise NetlistError(f"{cell.type} {cell.name} has another clock than {CLOCK}")
            self.fabric.add(element)

    def _instance(self, number: int, cell: dict[str, Any]) -> None:
        pins = []
        for pin, bits in cell["connections"].items():
            if not bits:
                continue
            if cell["port_directions"][pin] == "output":
                pins.append(f".{pin}(in[{self._given(bits)}])")
            else:
                pins.append(f".{pin}({self._taken(bits[0])})")
        parameters = ", ".join(f".{name}({_value(value)})" for name, value in cell["parameters"].items())
        self.body.append(f"  {cell['type']} #({parameters}) model_{number} ({', '.join(pins)});")

    def _given(self, bits: Iterable[Bit]) -> int:
        """Have the fabric take nets from outside; where they are in its input."""
        begin = len(self.fabric.inputs)
        self.fabric.inputs += bits
        return begin

    def _taken(self, bit: Bit) -> str:
        """A net as an expression."""
        if isinstance(bit, str):
            return f"1'b{bit}"
        if bit == self.clock:
            return CLOCK
        if bit not in self.out:
            self.out[bit] = len(self.fabric.outputs)
            self.fabric.outputs.append(bit)
        return f"out[{self.out[bit]}]"

    def _new_net(self) -> Bit:
        self.internal += 1
        return -self.internal


def _value(text: str) -> str:
    """A parameter in Verilog: Yosys' JSON has bits, and words, to which it adds a space where they look like bits."""
    if BITS.fullmatch(text):
        return f"{len(text)}'b{text}"
    word = text[:-1] if BITS.fullmatch(text.rstrip(" ")) else text
    return f'"{word}"'
