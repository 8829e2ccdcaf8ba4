"""Intrinsics of every configuration: what they match, what they become, and what a machine does not have."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from dovetail.compiler import te as t
from dovetail.compiler.lower import TensorizeError, lower
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.stmt import Invoke
from dovetail.compiler.tir.structure import walk
from dovetail.compiler.vdla import DEFAULT, Vdla
from dovetail.isa.config import Config, ConfigError, load_config
from dovetail.isa.instructions import Unit
from tests.compiler.lower.running import lowered

PRESETS = ["tiny", "small", "default", "large", "batch8"]
UNEVEN = replace(Config(), batch=2, block_in=8, block_out=32)

Args = tuple[Tensor, Tensor, Tensor]


def product(config: Config, tiles: int) -> Args:
    rows, columns, depth = (tiles * n for n in (config.batch, config.block_out, config.block_in))
    a, w = t.placeholder((rows, depth), "int8", name="A"), t.placeholder((columns, depth), "int8", name="W")
    k = t.reduce_axis((0, depth), name="k")
    wide = t.compute(
        (rows, columns), lambda y, x: t.sum(a[y, k].astype("int32") * w[x, k].astype("int32"), axis=k), name="C"
    )
    return a, w, wide


def blocked(machine: Vdla, args: Args, weights: str, intrinsic: t.TensorIntrinsic) -> Schedule:
    """The product, a block at a time, its weights in the memory `weights`, computed by `intrinsic`."""
    a, w, c = args
    config = machine.config
    s = t.create_schedule(c)
    acc = s.cache_write(c, machine.acc_buffer)
    y, x = s[c].op.axis
    _, xo, _, _ = s[c].tile(y, x, config.batch, config.block_out)
    s[acc].compute_at(s[c], xo)
    ko, ki = s[acc].split(s[acc].op.reduce_axis[0], factor=config.block_in)
    b, o = s[acc].op.axis
    s[acc].reorder(ko, b, o, ki)
    for tensor, scope in ((a, machine.inp_buffer), (w, weights)):
        s[s.cache_read(tensor, scope, [acc])].compute_at(s[acc], ko)
    s[acc].tensorize(b, intrinsic)
    return s


@pytest.mark.parametrize("config", [*map(load_config, PRESETS), UNEVEN], ids=[*PRESETS, "uneven"])
def test_blocks_of_a_product_become_gemm(config: Config) -> None:
    machine, args = Vdla(config), product(config, 2)
    for weights in (machine.wgt_buffer, machine.inp_buffer):
        program = lowered(blocked(machine, args, weights, machine.gemm), args)
        names = [node.primitive.name for node in walk(program) if isinstance(node, Invoke)]
        extents = f"{config.block_in}x{config.block_out}"
        assert names in (["fill_zero", f"fused_gemm{extents}_add"], [f"fused_gemm{extents}_add"])
    assert getattr(machine, f"gemm{extents}") is machine.gemm


def test_blocks_of_another_machine_are_refused() -> None:
    machine = DEFAULT.using("small")
    args = product(machine.config, 2)
    with pytest.raises(TensorizeError, match=r"8.*16"):
        lower(blocked(machine, args, machine.wgt_buffer, DEFAULT.gemm), args)
    with pytest.raises(AttributeError, match="no gemm8x8; its array is gemm16x16"):
        _ = DEFAULT.gemm8x8
    with pytest.raises(AttributeError, match="the accelerator has no 'conv'"):
        _ = DEFAULT.conv


def test_sums_of_vectors_become_accumulate() -> None:
    config = load_config("tiny")
    machine = Vdla(config)
    a = t.placeholder((6, config.batch, config.block_out), "int8", name="A")
    k = t.reduce_axis((0, 6), name="k")
    c = t.compute(a.shape[1:], lambda b, o: t.sum(a[k, b, o].astype("int32"), axis=k), name="C")
    s = t.create_schedule(c)
    acc = s.cache_write(c, machine.acc_buffer, name="CL")
    b, o = s[acc].op.axis
    (step,) = s[acc].op.reduce_axis
    s[acc].reorder(step, b, o)
    al = s.cache_read(a, machine.inp_buffer, [acc], name="AL")
    s[al].compute_at(s[acc], step)
    s[acc].tensorize(b, machine.accumulate)
    program = lowered(s, [a, c])
    invoked = [node for node in walk(program) if isinstance(node, Invoke)]
    assert [(node.primitive.name, node.primitive.unit) for node in invoked] == [
        ("fill_zero", Unit.COMPUTE),
        ("accumulate", Unit.COMPUTE),
    ]
    assert str(invoked[1]) == "vdla.accumulate(AL, CL)"


def test_other_configurations_by_name() -> None:
    assert DEFAULT.using("tiny").config == load_config("tiny")
    assert DEFAULT.using(UNEVEN).gemm.name == "gemm8x32"
    with pytest.raises(ConfigError):
        DEFAULT.using("no such machine")


def test_a_machine_can_be_copied() -> None:
    assert copy.deepcopy(DEFAULT).config == DEFAULT.config
    with pytest.raises(AttributeError):
        _ = Vdla.__new__(Vdla).config
    assert np.dtype(DEFAULT.gemm.output.dtype) == np.int32
