"""Convolutions as machine programs: legal, exact against NumPy on many shapes and machines, and feeding the array."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler.codegen.vdla import VdlaModule
from dovetail.compiler.ops import Conv2dShape, MatmulShape, Output, conv2d, matmul
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config, load_config, preset_names
from dovetail.isa.instructions import Buffer, Gemm, Load
from dovetail.workload import RESNET18, expected_output, random_data
from tests.compiler.ops.compiled import compiled, result

DEFAULT = load_config("default")


def layer(h: int, w: int, ic: int, oc: int, k: int, *, n: int = 1, stride: int = 1, pad: int = 0) -> Conv2dShape:
    return Conv2dShape(n=n, h=h, w=w, ic=ic, oc=oc, kh=k, kw=k, strides=(stride, stride), pads=(pad, pad, pad, pad))


RAGGED = layer(9, 7, 10, 12, 3, pad=1)
SHAPES = {
    "one output": layer(3, 3, 4, 4, 3),
    "ragged channels": RAGGED,
    "stride 2": layer(14, 14, 16, 16, 3, stride=2, pad=1),
    "stride past the kernel": layer(13, 11, 8, 8, 2, stride=3),
    "pointwise": layer(8, 8, 20, 24, 1),
    "pointwise, stride 2": layer(9, 10, 8, 16, 1, stride=2),
    "wide kernel": layer(12, 15, 3, 8, 7, stride=2, pad=3),
    "even kernel": layer(6, 6, 4, 4, 6),
    "kernel with more taps than the input buffer has entries": layer(9, 9, 4, 4, 9, pad=4),
    "several samples": layer(5, 5, 9, 3, 2, n=3),
    "stride past what an instruction holds": layer(3, 5, 4, 4, 1, stride=70000),
    "stride of a row past what an instruction holds": layer(200, 200, 4, 4, 1, stride=500),
    "stride of two rows past what an instruction holds": layer(801, 200, 4, 4, 1, stride=400),
    "a row wider than the buffer": layer(4, 70, 4, 4, 3, pad=1),
}


def check(shape: Conv2dShape, config: Config, base: int = AXI_BOUNDARY_BYTES) -> VdlaModule:
    operator, data = conv2d(shape, config), random_data(shape, 1)
    module = compiled(operator, config, base)
    np.testing.assert_array_equal(result(operator, module, *data.arrays), expected_output(shape, data))
    return module


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("preset", preset_names())
def test_shapes_are_exact_on_every_preset(preset: str, shape: str) -> None:
    check(SHAPES[shape], load_config(preset))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(layer(1, 70000, 4, 4, 1), id="one row"),
        pytest.param(layer(3, 70000, 4, 4, 3), id="several rows"),
        pytest.param(layer(9000, 2, 4, 4, 2, stride=3), id="many rows"),
    ],
)
def test_more_than_an_instruction_moves_at_once(shape: Conv2dShape) -> None:
    check(shape, DEFAULT)


@pytest.mark.parametrize("name", RESNET18)
def test_resnet_layers_are_exact_at_full_size(name: str) -> None:
    shape = RESNET18[name]
    gemms = [one for one in check(shape, DEFAULT).program.instructions if isinstance(one, Gemm)]
    multiplied = sum(one.uop_count * one.outer * one.inner for one in gemms) * DEFAULT.macs_per_cycle
    idle = 160 / 147 if name == "C1" else 1  # 7 x 7 x 3 terms fill ten blocks of 16, but for 13 lanes
    assert multiplied == pytest.approx(shape.macs * idle)


@pytest.mark.parametrize(
    "changes", [{"token_depth": 1}, {"token_depth": 2}, {"queue_depth": 2}, {"uop_depth": 16}, {"wgt_depth": 8}]
)
def test_small_queues_and_buffers_are_respected(changes: dict[str, int]) -> None:
    check(RAGGED, dataclasses.replace(load_config("tiny"), **changes))


@pytest.mark.parametrize("base", [0, AXI_BOUNDARY_BYTES, 3 << 20])
def test_a_program_keeps_to_memory_from_its_base_on(base: int) -> None:
    module = check(RAGGED, load_config("tiny"), base)
    loads = [one.dram for one in module.program.instructions if isinstance(one, Load)]
    segments = [segment.address for segment in module.program.segments]
    assert base <= min(loads + segments) < base + AXI_BOUNDARY_BYTES


def test_a_relu_and_a_zero_point_are_the_store_units() -> None:
    shape, config, bounds = layer(6, 6, 8, 8, 3, pad=1), load_config("tiny"), (-5, 90)
    operator, data = conv2d(shape, config, output=Output(zero_point=-5, bounds=bounds)), random_data(shape)
    sums = reference.conv2d(data.inp, data.wgt, shape.strides, shape.pads)
    expected = reference.requantise(
        sums, data.bias, data.multiplier, data.shift, zero_point=-5, minimum=bounds[0], maximum=bounds[1]
    )
    assert {-5, 90} < set(expected.flat)
    np.testing.assert_array_equal(result(operator, compiled(operator, config), *data.arrays), expected)


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("size", [(1, 1, 1), (37, 45, 70), (3, 100, 9)], ids=str)
def test_products_are_exact_on_every_preset(preset: str, size: tuple[int, int, int]) -> None:
    m, n, k = size
    shape, config = MatmulShape(m=m, n=n, k=k), load_config(preset)
    operator, data = matmul(shape, config), random_data(shape)
    np.testing.assert_array_equal(
        result(operator, compiled(operator, config), *data.arrays), expected_output(shape, data)
    )


def test_the_array_starts_after_little_of_the_data() -> None:
    """Before the first GEMM of C2 a kernel, a few rows of one block of inputs and few weights are loaded, no more."""
    shape = RESNET18["C2"]
    instructions = compiled(conv2d(shape, DEFAULT), DEFAULT).program.instructions
    first = next(place for place, one in enumerate(instructions) if isinstance(one, Gemm))
    loads = [one for one in instructions[:first] if isinstance(one, Load)]
    vectors = {buffer: sum(one.rows * one.cols for one in loads if one.buffer is buffer) for buffer in Buffer}
    assert vectors[Buffer.INP] <= shape.h * shape.w // 10
    assert vectors[Buffer.WGT] <= shape.kh * shape.kw
    assert vectors[Buffer.UOP] <= shape.kh * shape.kw * shape.ic // DEFAULT.block_in
