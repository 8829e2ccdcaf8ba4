"""The trained network is as good as it says, in float, in int8, and on the accelerator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from examples.digits.accuracy import MODEL, in_onnx_runtime, on_device, quantised
from examples.digits.data import split

FLOAT_RIGHT = 597
POINTS = 0.5
"""By how much the accelerator's accuracy may differ from ONNX Runtime's int8."""


@pytest.fixture(scope="module")
def test_images():
    return split()[1]


def test_the_split_is_fixed_and_keeps_the_shares_of_the_digits(test_images):
    train, test = split()
    assert (len(train.labels), len(test.labels)) == (1198, 599)
    assert np.array_equal(test.images, test_images.images)
    shares = [np.bincount(digits.labels, minlength=10) / len(digits.labels) for digits in (train, test)]
    np.testing.assert_allclose(*shares, atol=1e-3)
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in test.images)


def test_float_accuracy_is_the_one_reported(test_images):
    model = onnx.load(MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert MODEL.stat().st_size < 400_000
    assert in_onnx_runtime(model, test_images) == FLOAT_RIGHT


def test_the_accelerator_is_as_good_as_onnx_runtime_in_int8(test_images):
    model = quantised()
    expected = in_onnx_runtime(model, test_images)
    found = on_device(model, test_images, "fsim")
    assert abs(found - expected) <= POINTS / 100 * len(test_images.labels)
    assert found >= FLOAT_RIGHT - POINTS / 100 * len(test_images.labels)
