"""What cannot be imported is said in one message: all of it, with what would be supported."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from dovetail.compiler.frontend.errors import FrontendError, UnsupportedModel
from dovetail.compiler.frontend.onnx import from_onnx

HEAD = '<ir_version: 8, opset_import: ["": 17, "custom": 1]>'


def model(text: str) -> ModelProto:
    return parser.parse_model(f"{HEAD} m {text}")


def refusal(proto: ModelProto) -> UnsupportedModel:
    with pytest.raises(UnsupportedModel) as caught:
        from_onnx(proto)
    assert "\n" not in str(caught.value)
    return caught.value


def test_all_unsupported_nodes_are_reported_at_once() -> None:
    proto = model(
        """(float[2, 4] x) => (float[2, 4] y) {
            a = custom.Magic(x)
            b = Relu(a)
            c = QuantizeLinear(x, scale)
            d = Det(a)
            f = Pad<mode="symmetric">(x, pads)
            g = custom.Magic(f)
            y = Add(b, x)
        }"""
    )
    for name, array in {"scale": np.ones((2, 2), np.float32), "pads": np.zeros(4, np.int64)}.items():
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    proto.graph.node[4].name = "padding"
    error = refusal(proto)
    assert [(problem.node, problem.op) for problem in error.problems] == [
        ("Magic:a", "custom.Magic"),
        ("QuantizeLinear:c", "QuantizeLinear"),
        ("Det:d", "Det"),
        ("padding", "Pad"),
        ("Magic:g", "custom.Magic"),
    ]
    assert str(error).startswith("m: 5 nodes cannot be imported: custom.Magic (Magic:a, Magic:g): no such operator")
    assert "Pad (padding): mode='symmetric' is unsupported; supported: 'constant', 'reflect', 'edge', 'wrap'" in str(
        error
    )


def test_nodes_behind_an_unsupported_one_are_looked_at_too() -> None:
    error = refusal(
        model(
            """(float[2, 3, 3] x) => (float[2] y) <float[2] a> {
                a = Det(x)
                k = Constant<value = int64[1] {5}>()
                b, c = TopK(a, k)
                y = Identity(a)
            }"""
        )
    )
    assert [problem.op for problem in error.problems] == ["Det", "TopK"]


REASONS = [
    (
        "(float16[2] x) => (float16[2] y) { y = Relu(x) }",
        "dtype float16 of input 'x' is unsupported; supported are bool",
    ),
    (
        "(seq(float[2]) x) => (float[2] y) { y = SequenceAt(x, x) }",
        "input 'x' is a sequence; only tensors are supported",
    ),
    ("(float[2] x) => (float16[2] y) { y = Cast<to=10>(x) }", "dtype float16 of attribute to is unsupported"),
    (
        "(float[1, 1, 4, 4] x) => (float[1, 1, 2, 2] y, int64[1, 1, 2, 2] i) "
        "{ y, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x) }",
        "its output 1 ('i') is unsupported",
    ),
    ("(float[2, 3] x, float[2, 3] z) => (float[2, 2] y) { y = MatMul(x, z) }", "the inner extents must be equal"),
    (
        "(float[2, 3] x) => (float[3, 2] y) { y = Transpose<perm=[0, 3]>(x) }",
        "perm [0, 3] does not name each of 2 axes",
    ),
    (
        "(float[6] x, int64[2] s) => (float[2, 3] y) { y = Reshape(x, s) }",
        "shape (operand 1, 's') must be known when the model is imported",
    ),
    ("(float[2] x) => (float[2] y) { y = Softmax<axis=4>(x) }", "there is no axis 4 of 1"),
]


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_the_reason_names_what_is_unsupported(text: str, reason: str) -> None:
    assert reason in str(refusal(model(text)))


def test_inputs_that_shapes_depend_on_are_named() -> None:
    error = refusal(
        model(
            """(float[6] x, int64[1] s, int64[1] t) => (float[a, b] y) {
                u = Add(s, s)
                v = Concat<axis=0>(u, t)
                y = Reshape(x, v)
            }"""
        )
    )
    assert error.constants == {"s", "t"}


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            "N, 3, h, w",
            "dimension 0 ('N') of input 'x' is not fixed; give all of its shape: shapes={'x': [...]}, or --shape",
        ),
        ("2, tokens", "dimension 1 ('tokens') of input 'x' is not fixed"),
        ("tokens, 2", "dimension 0 ('tokens') of input 'x' is not fixed"),
    ],
)
def test_open_dimensions_are_named_with_the_way_out(shape: str, message: str) -> None:
    proto = model(f"(float[{shape}] x) => (float[{shape}] y) {{ y = Relu(x) }}")
    with pytest.raises(FrontendError) as caught:
        from_onnx(proto)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"z": (1,)}, "shapes names 'z'; the inputs are x"),
        ({"x": (1,)}, "input 'x' has 2 dimensions; shapes gives [1]"),
        ({"x": (1, 4)}, "dimension 1 of input 'x' is 3; shapes gives 4"),
        ({"x": (-1, 3)}, "input 'x' has the shape [-1, 3]; extents are at least 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    proto = model("(float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }")
    with pytest.raises(FrontendError) as caught:
        from_onnx(proto, shapes=shapes)
    assert message in str(caught.value)


def test_constants_must_be_of_the_inputs_type() -> None:
    proto = model("(float[2] x) => (float[2] y) { y = Relu(x) }")
    with pytest.raises(FrontendError, match="input 'x' is float32\\[2\\]; constants gives float64\\[2\\]"):
        from_onnx(proto, constants={"x": np.zeros(2)})


def test_weights_of_unsupported_types_matter_where_they_are_read() -> None:
    proto = model("(float[2] x) => (float[2] y) { y = Relu(x) }")
    half = numpy_helper.from_array(np.zeros(2, np.float16), "half")
    proto.graph.initializer.append(half)
    from_onnx(proto)
    proto.graph.node.append(helper.make_node("Cast", ["half"], ["z"], to=TensorProto.FLOAT))
    assert "dtype float16 of initializer 'half' is unsupported" in str(refusal(proto))
