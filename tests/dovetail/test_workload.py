"""Workloads by name, and the reference that results are compared with."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler.ops import Conv2dShape, MatmulShape
from dovetail.workload import RESNET18, Shape, WorkloadError, expected_output, parse_workload, random_data, tensor_bytes


def test_layers_by_name_and_by_numbers() -> None:
    assert parse_workload("C2").shape == Conv2dShape(h=56, w=56, ic=64, oc=64, kh=3, kw=3, pads=(1, 1, 1, 1))
    assert parse_workload("conv2d:1,224,224,3,64,7,2,3").shape == RESNET18["C1"]
    assert parse_workload("matmul:5,6,7").shape == MatmulShape(m=5, n=6, k=7)


def test_resnet_outputs_are_the_input_over_the_stride() -> None:
    for name, shape in RESNET18.items():
        rows, cols = shape.strides
        assert (shape.out_h, shape.out_w) == (shape.h // rows, shape.w // cols), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C13", "no workload 'C13'; use C1 to C12, or conv2d:N,H,W,IC,OC,K,S,P or matmul:M,N,K"),
        ("conv2d:1,2", "'conv2d:1,2': conv2d takes 8 whole numbers, conv2d:N,H,W,IC,OC,K,S,P"),
        ("conv2d:1,8,8,4,4,3,0,1", "'conv2d:1,8,8,4,4,3,0,1': conv2d: stride of rows must be at least 1, not 0"),
        ("matmul:1,2", "'matmul:1,2': matmul takes 3 whole numbers, matmul:M,N,K"),
        ("matmul:1,0,2", "'matmul:1,0,2': matmul: n must be at least 1, not 0"),
        ("conv2d:1," + "9" * 5000 + ",8,4,4,3,1,1", "conv2d: H has 5000 digits; the limit is 9"),
    ],
)
def test_bad_workloads_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        parse_workload(text)
    assert str(caught.value) == message


SHAPES = [Conv2dShape(h=10, w=10, ic=16, oc=16, kh=3, kw=3, pads=(1, 1, 1, 1)), MatmulShape(m=40, n=20, k=100)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_data_is_reproducible_and_uses_the_range(shape: Shape) -> None:
    data, again = random_data(shape, 3), random_data(shape, 3)
    assert all((getattr(data, name) == getattr(again, name)).all() for name in vars(data))
    assert (random_data(shape, 4).inp != data.inp).any()
    assert 25 < expected_output(shape, data).std() < 70


def test_each_tensor_is_counted_once() -> None:
    assert tensor_bytes(RESNET18["C4"]) == 64 * 56 * 56 + 128 * 64 * 3 * 3 + 128 * 28 * 28
    assert tensor_bytes(MatmulShape(m=2, n=3, k=5)) == 10 + 15 + 6


def test_reference_convolution_is_the_definition() -> None:
    """With everything uneven: groups, strides, padding, dilation, kernel."""
    rng = np.random.default_rng(0)
    inp, wgt = rng.integers(-128, 128, (2, 4, 6, 5), np.int8), rng.integers(-128, 128, (6, 2, 3, 2), np.int8)
    sums = reference.conv2d(inp, wgt, (2, 1), (1, 0, 2, 3), (1, 2), 2)
    assert sums.shape == (2, 6, 4, 6)
    for n, o, y, x in np.ndindex(sums.shape):
        total = 0
        for c, ky, kx in np.ndindex(2, 3, 2):
            row, col = 2 * y + ky - 1, x + 2 * kx
            if 0 <= row < 6 and 0 <= col < 5:
                total += int(inp[n, 2 * (o // 3) + c, row, col]) * int(wgt[o, c, ky, kx])
        assert sums[n, o, y, x] == total


@pytest.mark.parametrize(
    ("total", "bias", "multiplier", "shift", "result"),
    [
        (5, 0, 1, 1, 2),
        (7, 0, 1, 1, 4),
        (-5, 0, 1, 1, -2),
        (-7, 0, 1, 1, -4),
        (100, 3, 1, 0, 103),
        (2**31 - 1, 2**31 - 1, 1, 25, 64),
        (-(2**31), 0, -(2**31), 62, 1),
        (-(2**31), 0, -(2**31), 63, 0),
        (2**31 - 1, 0, 2**31 - 1, 63, 0),
        (1000, 0, 1, 0, 127),
    ],
)
def test_reference_rounds_half_to_even_and_saturates(
    total: int, bias: int, multiplier: int, shift: int, result: int
) -> None:
    sums = np.full((1, 1, 1, 1), total, np.int64)
    records = np.array([bias], np.int32), np.array([multiplier], np.int32), np.array([shift], np.uint8)
    assert reference.requantise(sums, *records).item() == result
