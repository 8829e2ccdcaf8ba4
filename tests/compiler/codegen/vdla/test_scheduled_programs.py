"""From tensor expressions to machine programs: loops fold into few instructions, and results are NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler import te as t
from dovetail.compiler.codegen.vdla import VdlaModule, compile_program
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.ops.quantise import requantise
from dovetail.compiler.pipeline import accelerator_stages, run_all
from dovetail.compiler.vdla import Vdla
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Gemm

from .programs import int8, run

TILE = 3


def requantised_matmul(config: Config, m: int, n: int, k: int) -> VdlaModule:
    """C = requantise(A times the transpose of W), `TILE` vectors of rows at a time."""
    v = Vdla(config)
    a, w = t.placeholder((m, k), "int8", name="A"), t.placeholder((n, k), "int8", name="W")
    bias, multiplier, shift = (t.placeholder((n,), "int32", name=name) for name in ("bias", "multiplier", "shift"))
    r = t.reduce_axis((0, k), name="r")
    sums = t.compute((m, n), lambda y, x: t.sum(a[y, r].astype("int32") * w[x, r].astype("int32"), axis=r), name="sums")
    c = t.compute(
        (m, n),
        lambda y, x: requantise(sums[y, x], bias[x], multiplier[x], shift[x], zero_point=3, bounds=(-100, 100)),
        name="C",
    )
    s = t.create_schedule(c.op)
    s[sums].set_scope(v.acc_buffer)
    al, wl = s.cache_read(a, v.inp_buffer, [sums]), s.cache_read(w, v.wgt_buffer, [sums])
    y, x = s[c].op.axis
    yo, xo, _, _ = s[c].tile(y, x, TILE * config.batch, config.block_out)
    s[sums].compute_at(s[c], xo)
    rows, cols = s[sums].op.axis
    (reduction,) = s[sums].op.reduce_axis
    outer, inner = s[sums].split(rows, factor=config.batch)
    ko, ki = s[sums].split(reduction, factor=config.block_in)
    s[sums].reorder(outer, ko, inner, cols, ki)
    s[al].compute_at(s[c], yo)
    s[wl].compute_at(s[c], xo)
    for tensor in (al, wl, sums):
        s[tensor].ring_buffer(2)
    s[sums].tensorize(inner, v.gemm)
    program = lower(s, [a, w, bias, multiplier, shift, c], "matmul")
    return compile_program(run_all(program, accelerator_stages()), config)


@pytest.mark.parametrize("name", ["default", "batch8", "small"])
def test_a_requantised_matmul(name: str) -> None:
    config, rng = load_config(name), np.random.default_rng(0)
    m, n, k = (2 * TILE + 1) * config.batch, 3 * config.block_out, 4 * config.block_in
    arrays = {
        "A": int8(rng, m, k),
        "W": int8(rng, n, k),
        "bias": rng.integers(-5000, 5000, n, np.int32),
        "multiplier": rng.integers(1 << 14, 1 << 15, n, np.int32),
        "shift": rng.integers(20, 24, n, np.int32),
    }
    module = requantised_matmul(config, m, n, k)
    wanted = reference.requantise(
        reference.matmul(arrays["A"], arrays["W"]),
        *(arrays[name] for name in ("bias", "multiplier", "shift")),
        zero_point=3,
        minimum=-100,
        maximum=100,
    )
    np.testing.assert_array_equal(run(module, arrays)["C"], wanted)


def test_sums_that_begin_inside_a_loop_are_one_instruction() -> None:
    config = load_config("default")
    program = requantised_matmul(config, 2 * TILE, 2 * config.block_out, 4 * config.block_in).program
    gemms = [instruction for instruction in program.instructions if isinstance(instruction, Gemm)]
    assert len(gemms) == 4
    assert all((gemm.outer * gemm.inner, gemm.uop_count, gemm.overwrite) == (TILE, 4, True) for gemm in gemms)
