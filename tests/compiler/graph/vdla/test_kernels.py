"""Nodes on the accelerator compute what they mean, whatever lies around their operands in DRAM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail import runtime
from dovetail.compiler import te
from dovetail.compiler.codegen.vdla.errors import CodegenError
from dovetail.compiler.graph.ops.quantised import QAdd, QAvgPool2d, QConv2d, QMatmul, QMaxPool2d
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.vdla.columns import Columns
from dovetail.compiler.graph.vdla.support import why_not
from dovetail.compiler.lower import lower
from dovetail.compiler.ops import Output, Scale
from dovetail.compiler.tir import interpreter
from dovetail.isa.config import load_config
from tests.compiler.graph.vdla.kernels import kernel_of, node_of, run_on
from tests.compiler.graph.vdla.samples import KINDS, Sample, int8, per_channel

CONFIGS = ("tiny", "small", "default", "batch8")
ADDED = Scale(zero_point=5, multiplier=-77, shift=3)
FINISH = Output(fraction=2, zero_point=-3, bounds=(-100, 120))


def check(sample: Sample, machine: runtime.Device) -> None:
    kernel = kernel_of(sample.op, sample.arrays, sample.running, machine.config)
    result, _ = run_on(machine, kernel, sample.arrays)
    np.testing.assert_array_equal(result, sample.op.evaluate(*sample.arrays))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=12, deadline=None)
def test_random_nodes_are_exact(kind: str, data: st.DataObject) -> None:
    sample = data.draw(KINDS[kind]())
    config = load_config(data.draw(st.sampled_from(CONFIGS)))
    node, constants = node_of(sample.op, sample.arrays, sample.running)
    if why_not(node, constants, config) is None:
        with runtime.open("fsim", config=config) as machine:
            check(sample, machine)


def convolution(size: int, ic: int, oc: int, kernel: int, stride: int, seed: int) -> Sample:
    """Over an image with a zero point, and with a residual."""
    rng = np.random.default_rng(seed)
    op = QConv2d(
        strides=(stride, stride), pads=(kernel // 2,) * 4, zero_point=-7, output=Output(fraction=1), residual=ADDED
    )
    out = (size - 1) // stride + 1
    data, weight = int8(rng, 1, ic, size, size), int8(rng, oc, ic, kernel, kernel)
    scales = [
        rng.integers(-2000, 2000, oc, np.int32),
        rng.integers(1 << 30, (1 << 31) - 1, oc, np.int32),
        rng.integers(38, 42, oc, np.int32),
    ]
    return Sample(op, [data, weight, *scales, int8(rng, 1, oc, out, out)], (0, 5))


@pytest.mark.parametrize("layer", [(56, 64, 64, 3, 1), (56, 64, 128, 1, 2)], ids=["C2", "C5"])
def test_whole_layers_with_zero_point_and_residual(layer: tuple[int, int, int, int, int]) -> None:
    with runtime.open("fsim") as machine:
        check(convolution(*layer, seed=1), machine)


@pytest.mark.rtl
@pytest.mark.parametrize("config", ["small", "batch8"])
def test_nodes_on_the_machine(config: str) -> None:
    rng = np.random.default_rng(2)
    image = int8(rng, 3, 20, 9, 9)
    samples = [
        convolution(9, 20, 12, 3, 2, seed=3),
        Sample(
            QMatmul(output=FINISH, residual=ADDED),
            [int8(rng, 2, 5, 20), int8(rng, 2, 18, 20), *per_channel(rng, 18), int8(rng, 2, 5, 18)],
            (0, 1, 5),
        ),
        Sample(QMaxPool2d(kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), [image], (0,)),
        Sample(QAdd(one=ADDED, other=Scale(multiplier=1 << 20, shift=14), output=FINISH), [image, image[::-1]], (0, 1)),
    ]
    with runtime.open("rtl", config=config, checks=True) as machine:
        for sample in samples:
            check(sample, machine)


def test_from_one_operator_to_the_next_nothing_is_laid_out_anew() -> None:
    """For one sample of whole blocks of channels, after columns too."""
    rng, config = np.random.default_rng(4), load_config("default")
    scales = per_channel(rng, 32)
    image = int8(rng, 1, 32, 14, 14)
    conv = QConv2d(pads=(1, 1, 1, 1), output=Output(), residual=Scale())
    chain = [
        kernel_of(QConv2d(pads=(2,) * 4, output=FINISH), [image[:, :3], int8(rng, 32, 3, 5, 5), *scales], (0,), config),
        kernel_of(conv, [image, int8(rng, 32, 32, 3, 3), *scales, image], (0, 5), config),
        kernel_of(
            QConv2d(groups=32, strides=(2, 2), output=FINISH), [image, int8(rng, 32, 1, 2, 2), *scales], (0,), config
        ),
        kernel_of(QMaxPool2d(kernel=(2, 2)), [image[..., :7, :7]], (0,), config),
        kernel_of(QAdd(output=FINISH), [image[..., :6, :6]] * 2, (0, 1), config),
        kernel_of(QAvgPool2d(kernel=(6, 6), scale=Scale(shift=5)), [image[..., :6, :6]], (0,), config),
        kernel_of(QMatmul(output=FINISH), [image[..., 0, 0], int8(rng, 32, 32), *scales], (0,), config),
    ]
    assert isinstance(chain[0].operands[0].form, Columns)
    for before, after in pairwise(chain):
        assert all(isinstance(one.form, Packing) and one.form.same_bytes(before.output) for one in after.operands)


def test_columns_as_an_expression_and_back() -> None:
    rng = np.random.default_rng(5)
    op = QConv2d(strides=(2, 2), pads=(2, 1, 0, 2), dilation=(1, 2), zero_point=9)
    data = int8(rng, 2, 3, 11, 9)
    for config in ("default", "batch8"):
        form = kernel_of(op, [data, int8(rng, 16, 3, 3, 3)], (0,), load_config(config)).operands[0].form
        assert isinstance(form, Columns)
        given = te.placeholder(data.shape, "int8", name="data")
        packed = form.compute(given)
        result = np.empty(form.packed.shape, np.int8)
        interpreter.run(lower(te.create_schedule(packed), [given, packed]), data, result)
        np.testing.assert_array_equal(result, form.pack(data))
        np.testing.assert_array_equal(form.pack(form.unpack(result)), result)


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ({"data": 0x1008}, "data is to lie at 0x1008; addresses are multiples of 16 bytes"),
        ({"elsewhere": 0x1000}, "no argument 'elsewhere' to place; the program takes data, out"),
        (
            {"data": 0x1000, "out": 0x2000},
            "out at 0x2000 to 0x2240 overlaps 0x2000 to 0x3010, where the program keeps what has no place of its own; "
            "choose another base",
        ),
    ],
)
def test_wrong_addresses_are_refused(addresses: dict[str, int], message: str) -> None:
    data = int8(np.random.default_rng(6), 1, 16, 7, 7)
    kernel = kernel_of(QMaxPool2d(kernel=(2, 2)), [data], (0,), load_config("default"))
    with pytest.raises(CodegenError) as caught:
        kernel.compile(addresses, 0x2000)
    assert str(caught.value) == message
