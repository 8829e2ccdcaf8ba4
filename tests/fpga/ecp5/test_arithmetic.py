"""Two products in one multiplier, against C++'s own, for all 2**24 factors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal, signed

import dovetail.sim
from dovetail.fpga.ecp5.arithmetic import Ecp5Arithmetic, multiplier
from dovetail.hw.products import product_pair
from dovetail.sim.rtl.toolchain import MAKE_VARIABLES, tool_environment, verilator_binary

HERE = Path(__file__).resolve().parent
CELLS = [Path(str(dovetail.sim.__file__)).resolve().parent / "ecp5" / name for name in ("mult18x18d.v", "ccu2c.v")]


def pairs_verilog() -> str:
    """Pairs with every arrangement of registers that a machine can have, and one that gets no multiplier."""
    m = Module()
    x, lower, upper = (Signal(signed(8), name=name) for name in ("x", "lower", "upper"))
    ports: list[Signal] = [x, lower, upper]
    platform = Ecp5Arithmetic()
    platform.multipliers = 3
    for name, stages in (("1", 1), ("2", 2), ("3", 3), ("logic", 1)):
        outputs = [Signal(signed(16), name=f"{place}_{name}") for place in ("first", "second")]
        kept = (lower.as_unsigned() ^ platform.weight_excess, upper)
        products = product_pair(platform, m, x, kept, stages, f"product_{name}")
        m.d.comb += [output.eq(product) for output, product in zip(outputs, products, strict=True)]
        ports += outputs
    return verilog.convert(m, name="pairs", ports=ports, emit_src=False)


def test_both_products_are_right_for_all_factors(tmp_path: Path) -> None:
    text = pairs_verilog()
    assert text.count("MULT18X18D #(") == 3
    (tmp_path / "pairs.v").write_text(text)
    make = ["make", "-f", "Vpairs.mk", *MAKE_VARIABLES, "OPT_FAST=-O2"]
    flags = ["-cc", "--exe", "--no-timing", "-Mdir", str(tmp_path), "--top-module", "pairs", "-Wno-fatal", "-Wno-lint"]
    sources = [str(HERE / "products.cpp"), str(tmp_path / "pairs.v"), *map(str, CELLS)]
    for command in ([str(verilator_binary()), *flags, *sources], make):
        done = subprocess.run(command, cwd=tmp_path, env=tool_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    done = subprocess.run([str(tmp_path / "Vpairs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_factor_that_is_too_wide_is_refused() -> None:
    with pytest.raises(ValueError, match="a factor of 19 bits; a MULT18X18D takes 18"):
        multiplier(Module(), Signal(19), Signal(8), 1)
