"""Carry chains that gate what they add, against the same as it is written for any device."""

from __future__ import annotations

from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Module, Signal, signed

import dovetail.sim.ecp5
from dovetail.fpga.ecp5.arithmetic import Ecp5Arithmetic
from dovetail.hw.products import gated_sum, times_two_bits
from tests.sim.ecp5.verilate import run

CELL = Path(str(dovetail.sim.ecp5.__file__)).resolve().parent / "ccu2c.v"
BITS = 5
INPUTS = 2 * BITS + 2


def test_gated_sums_and_small_products_are_right_for_all_inputs(tmp_path: Path) -> None:
    m = Module()
    x, y = (Signal(signed(BITS), name=name) for name in "xy")
    gates = Signal(2, name="gates")
    ports = [x, y, gates]
    for platform, name in ((None, "expected"), (Ecp5Arithmetic(), "got")):
        total, product = Signal(signed(BITS + 1), name=f"{name}_sum"), Signal(signed(BITS + 2), name=f"{name}_product")
        m.d.comb += [
            total.eq(gated_sum(platform, m, x, y, gates[0], gates[1])),
            product.eq(times_two_bits(platform, m, x, gates)),
        ]
        ports += [total, product]
    bench = f"""
      module bench;
        reg [{INPUTS}:0] pins;
        wire [{BITS}:0] expected_sum, got_sum;
        wire [{BITS + 1}:0] expected_product, got_product;
        integer different = 0;
        chains dut(.x(pins[{BITS - 1}:0]), .y(pins[{2 * BITS - 1}:{BITS}]), .gates(pins[{INPUTS - 1}:{2 * BITS}]), .*);
        initial begin
          for (pins = 0; pins < {1 << INPUTS}; pins = pins + 1) begin
            #1 if (got_sum !== expected_sum || got_product !== expected_product) different = different + 1;
          end
          $display("different %0d", different);
          $finish;
        end
      endmodule"""
    texts = {
        "bench.sv": bench,
        "chains.v": verilog.convert(m, name="chains", ports=ports, emit_src=False),
        "cells.v": CELL.read_text(),
    }
    assert run(tmp_path, "bench", {name: text.encode() for name, text in texts.items()}, [*texts]) == ["different 0"]
