"""Interpolation against ONNX's own reference, in NumPy and as native code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.ops.resize import COORDINATES, MODES, NEAREST_MODES, Resize
from dovetail.compiler.graph.types import TensorType
from tests.compiler.graph.ops.running import compiled

EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def reference(x: np.ndarray, op: Resize) -> np.ndarray:
    """ONNX's reference takes either scales or sizes."""
    given_as = "scales" if op.scales else "sizes"
    inputs = [helper.make_tensor_value_info(name, 0, None) for name in ("x", given_as)]
    node = helper.make_node(
        "Resize",
        ["x", "", "scales" if op.scales else "", "" if op.scales else "sizes"],
        ["y"],
        mode=op.mode,
        coordinate_transformation_mode=op.coordinates,
        nearest_mode=op.nearest_mode,
        cubic_coeff_a=op.cubic,
    )
    graph = helper.make_graph([node], "one", inputs, [helper.make_tensor_value_info("y", 0, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    value = np.array(op.scales, np.float32) if op.scales else np.array(op.sizes, np.int64)
    return ReferenceEvaluator(model).run(None, {"x": x, given_as: value})[0]


@EXAMPLES
@given(st.data())
def test_elements_are_those_of_the_reference(data) -> None:
    rows, cols = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 6))
    x = np.random.default_rng(0).standard_normal((1, 1, rows, cols)).astype(np.float32)
    scales: tuple[float, ...] = ()
    coordinates = data.draw(st.sampled_from(COORDINATES))
    # Of these the reference multiplies the input's size by the scale; ONNX Runtime and PyTorch take the output's size.
    by_size = coordinates in ("align_corners", "pytorch_half_pixel")
    if not by_size and data.draw(st.booleans()):
        scales = (1.0, 1.0, *(data.draw(st.sampled_from((0.5, 0.75, 1.5, 2.0, 2.75))) for _ in range(2)))
        sizes = tuple(int(size * scale) for size, scale in zip(x.shape, scales, strict=True))
    else:
        # Of one element PyTorch and ONNX Runtime take the first, as the specification says; the reference does not.
        least = 2 if coordinates == "pytorch_half_pixel" else 1
        sizes = (1, 1, data.draw(st.integers(least, 12)), data.draw(st.integers(least, 12)))
    op = Resize(
        sizes=sizes,
        mode=data.draw(st.sampled_from(MODES)),
        coordinates=coordinates,
        nearest_mode=data.draw(st.sampled_from(NEAREST_MODES)),
        scales=scales,
    )
    expected = reference(x, op)
    np.testing.assert_allclose(op.evaluate(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(compiled(op, x), expected, rtol=1e-4, atol=1e-5)


def test_integers_are_repeated() -> None:
    x = np.arange(6, dtype=np.int8).reshape(1, 1, 2, 3)
    op = Resize(sizes=(1, 1, 4, 6), mode="nearest", coordinates="asymmetric", nearest_mode="floor")
    expected = x.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(op.evaluate(x), expected)
    np.testing.assert_array_equal(compiled(op, x), expected)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Resize(sizes=(4, 6), mode="area"), "mode must be one of nearest, linear, cubic, not 'area'"),
        (Resize(sizes=(4, 6), mode="linear"), r"linear cannot take int8\[2, 3\]"),
        (Resize(sizes=(4,)), "need an entry for each axis"),
    ],
)
def test_what_cannot_be_interpolated_is_refused(op, message) -> None:
    with pytest.raises(GraphError, match=message):
        op.infer(TensorType((2, 3), "int8"))
