"""Workloads by name, and the reference that results are compared with."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler.handmade import Conv2d
from dovetail.workload import RESNET18, WorkloadError, parse_workload, random_data


def test_layers_by_name_and_by_numbers() -> None:
    assert parse_workload("C2").layer == Conv2d(h=56, w=56, ic=64, oc=64, k=3, pad=1)
    assert parse_workload("conv2d:1,224,224,3,64,7,2,3").layer == RESNET18["C1"]


def test_resnet_outputs_are_the_input_over_the_stride() -> None:
    for name, layer in RESNET18.items():
        assert (layer.out_h, layer.out_w) == (layer.h // layer.stride, layer.w // layer.stride), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C13", "no workload 'C13'; use C1 to C12, or conv2d:N,H,W,IC,OC,K,S,P"),
        ("conv2d:1,2", "'conv2d:1,2': conv2d takes 8 whole numbers, conv2d:N,H,W,IC,OC,K,S,P"),
        ("conv2d:1,8,8,4,4,3,0,1", "'conv2d:1,8,8,4,4,3,0,1': stride must be at least 1, not 0"),
        ("conv2d:1," + "9" * 5000 + ",8,4,4,3,1,1", "conv2d: H has 5000 digits; the limit is 9"),
    ],
)
def test_bad_workloads_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        parse_workload(text)
    assert str(caught.value) == message


def test_data_is_reproducible_and_uses_the_range() -> None:
    layer = Conv2d(h=10, w=10, ic=16, oc=16, k=3, pad=1)
    data, again = random_data(layer, 3), random_data(layer, 3)
    assert all((getattr(data, name) == getattr(again, name)).all() for name in vars(data))
    assert (random_data(layer, 4).inp != data.inp).any()
    outputs = reference.requantise(reference.conv2d(data.inp, data.wgt, 1, 1), data.bias, data.multiplier, data.shift)
    assert 25 < outputs.std() < 70


def test_reference_convolution_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    inp, wgt = rng.integers(-128, 128, (2, 3, 6, 5), np.int8), rng.integers(-128, 128, (4, 3, 3, 3), np.int8)
    sums = reference.conv2d(inp, wgt, 2, 1)
    assert sums.shape == (2, 4, 3, 3)
    for n, o, y, x in np.ndindex(sums.shape):
        total = 0
        for c, ky, kx in np.ndindex(3, 3, 3):
            row, col = 2 * y + ky - 1, 2 * x + kx - 1
            if 0 <= row < 6 and 0 <= col < 5:
                total += int(inp[n, c, row, col]) * int(wgt[o, c, ky, kx])
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
        (1000, 0, 1, 0, 127),
    ],
)
def test_reference_rounds_half_to_even_and_saturates(
    total: int, bias: int, multiplier: int, shift: int, result: int
) -> None:
    sums = np.full((1, 1, 1, 1), total, np.int64)
    records = np.array([bias], np.int32), np.array([multiplier], np.int32), np.array([shift], np.uint8)
    assert reference.requantise(sums, *records).item() == result
