"""ONNX models become graphs that compute what ONNX Runtime does."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper, parser

from dovetail.compiler.frontend.onnx import from_onnx
from dovetail.compiler.graph import Graph
from dovetail.compiler.graph.interpreter import interpret, outputs

Array = NDArray[np.generic]

BLOCK = """<ir_version: 8, opset_import: ["": 17]>
block (float[1, 3, 9, 9] x) => (float[1, 5] y) {
    a = Conv<pads=[1, 1, 1, 1], strides=[2, 2]>(x, w1, b1)
    b = BatchNormalization(a, scale, shift, mean, var)
    c = Relu(b)
    d = Conv<auto_pad="SAME_UPPER", group=2>(c, w2)
    e = Add(c, d)
    f = MaxPool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(e)
    g = GlobalAveragePool(f)
    h = Flatten(g)
    y = Gemm<transB=1, alpha=0.5>(h, w3, b3)
}"""
ATTENTION = """<ir_version: 8, opset_import: ["": 17]>
attention (float[batch, length, 8] x) => (float[batch, length, 8] y) {
    shape = Shape(x)
    zero = Constant<value = int64 {0}>()
    one = Constant<value = int64 {1}>()
    n = Gather(shape, zero)
    l = Gather(shape, one)
    axis = Constant<value = int64[1] {0}>()
    n1 = Unsqueeze(n, axis)
    l1 = Unsqueeze(l, axis)
    heads = Constant<value = int64[2] {2, 4}>()
    split = Concat<axis=0>(n1, l1, heads)
    normal = LayerNormalization(x, gain, offset)
    q = MatMul(normal, wq)
    qs = Reshape(q, split)
    qt = Transpose<perm=[0, 2, 1, 3]>(qs)
    kt = Transpose<perm=[0, 2, 3, 1]>(qs)
    scores = MatMul(qt, kt)
    weights = Softmax<axis=-1>(scores)
    mixed = MatMul(weights, qt)
    back = Transpose<perm=[0, 2, 1, 3]>(mixed)
    width = Constant<value = int64[1] {8}>()
    whole = Concat<axis=0>(n1, l1, width)
    joined = Reshape(back, whole)
    y = Add(joined, x)
}"""
QUANTISED = """<ir_version: 8, opset_import: ["": 13, "com.microsoft": 1]>
quantised (uint8[1, 4, 6, 6] x) => (uint8[1, 4, 6, 6] sum, uint8[1, 4, 1, 1] mean, float[1, 4] y) {
    conv = QLinearConv<pads=[1, 1, 1, 1]>(x, xs, xz, w, ws, wz, ys, yz, bias)
    sum = com.microsoft.QLinearAdd(conv, ys, yz, x, xs, xz, ys, yz)
    mean = com.microsoft.QLinearGlobalAveragePool<channels_last=0>(sum, ys, yz, xs, xz)
    flat = Flatten(mean)
    y = com.microsoft.QGemm(flat, xs, xz, dense, ds, dz)
}"""


def model(text: str, **weights: Array) -> ModelProto:
    """A model in ONNX's own text form, with weights by name."""
    proto = parser.parse_model(text)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return proto


def reference(proto: ModelProto, **inputs: Array) -> list[Array]:
    """The outputs that ONNX Runtime computes."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


def run(proto: ModelProto, **inputs: Array) -> tuple[Graph, tuple[Array, ...]]:
    graph, params = from_onnx(proto, shapes={name: array.shape for name, array in inputs.items()})
    return graph, outputs(graph.bind(params), inputs)


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def block() -> ModelProto:
    weights = {"w1": normal(4, 3, 3, 3), "b1": normal(4), "scale": normal(4), "shift": normal(4), "mean": normal(4)}
    weights |= {"var": abs(normal(4)), "w2": normal(4, 2, 3, 3), "w3": normal(5, 4), "b3": normal(5)}
    return model(BLOCK, **weights)


def test_a_residual_network_computes_what_onnx_runtime_does() -> None:
    proto, x = block(), normal(1, 3, 9, 9, seed=1)
    _, found = run(proto, x=x)
    np.testing.assert_allclose(found[0], reference(proto, x=x)[0], rtol=1e-4, atol=1e-5)


def test_values_have_the_tensors_names_and_nodes_say_where_they_come_from() -> None:
    proto = block()
    proto.graph.node[2].name = "activation"
    graph, params = from_onnx(proto)
    produced = {node.name: node for node in graph.nodes}
    assert set("abcdefghy") <= set(produced)
    assert produced["c"].origin == ("activation",)
    assert produced["e"].origin == ("Add:e",)
    assert set(params) == {tensor.name for tensor in proto.graph.initializer}
    assert [value.name for value in graph.outputs] == ["y"]


def test_intermediate_values_are_those_of_onnx_runtime() -> None:
    proto, x = block(), normal(1, 3, 9, 9, seed=2)
    graph, params = from_onnx(proto)
    known = interpret(graph.bind(params), {"x": x})
    proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in "bdf")
    for name, expected in zip("ybdf", reference(proto, x=x), strict=True):
        np.testing.assert_allclose(known[name], expected, rtol=1e-4, atol=1e-5)


def test_shape_arithmetic_leaves_no_trace() -> None:
    proto = model(ATTENTION, gain=normal(8), offset=normal(8), wq=normal(8, 8))
    x = normal(2, 5, 8, seed=3)
    graph, found = run(proto, x=x)
    np.testing.assert_allclose(found[0], reference(proto, x=x)[0], rtol=1e-4, atol=1e-5)
    assert all(value.type.dtype == "float32" for node in graph.nodes for value in node.inputs)


def test_quantised_operators_become_one_form() -> None:
    random = np.random.default_rng(4)
    weights = {
        "xs": np.float32(0.02),
        "xz": np.uint8(120),
        "w": random.integers(0, 255, (4, 4, 3, 3)).astype(np.uint8),
        "ws": np.float32(0.01),
        "wz": np.uint8(128),
        "ys": np.float32(0.05),
        "yz": np.uint8(100),
        "bias": random.integers(-999, 999, 4).astype(np.int32),
        "dense": random.integers(0, 255, (4, 4)).astype(np.uint8),
        "ds": np.float32(0.01),
        "dz": np.uint8(128),
    }
    proto = model(QUANTISED, **{name: np.asarray(array) for name, array in weights.items()})
    x = random.integers(0, 255, (1, 4, 6, 6)).astype(np.uint8)
    graph, found = run(proto, x=x)
    for one, other in zip(found, reference(proto, x=x), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one.astype(float), other.astype(float), atol=1 if one.dtype == np.uint8 else 0.05)
    linear = [node for node in graph.nodes if node.op.name in ("conv", "matmul")]
    producers = graph.producers
    assert linear
    assert all(producers[value].op.name == "dequantize" for node in linear for value in node.inputs[:2])


NODES = [
    ("Softmax<axis=1>(x)", 11, {}),  # all axes from 1 on together
    ("Softmax<axis=1>(x)", 13, {}),
    ("LogSoftmax(x)", 13, {}),
    ("Hardmax<axis=0>(x)", 13, {}),
    ("Gelu<approximate='tanh'>(x)", 20, {}),
    ("Gelu(x)", 20, {}),
    ("Elu<alpha=0.3>(x)", 13, {}),
    ("Clip(x, low, high)", 13, {"low": np.float32(-0.5), "high": np.float32(0.25)}),
    ("PRelu(x, slope)", 13, {"slope": normal(1, 4)}),
    ("ReduceLogSumExp<axes=[1], keepdims=0>(x)", 13, {}),
    ("LRN<size=3, alpha=0.5>(image)", 13, {"image": normal(1, 6, 2, 2)}),
    ("InstanceNormalization(image, s, b)", 13, {"image": normal(2, 3, 4, 4), "s": normal(3), "b": normal(3)}),
    ("GroupNormalization<num_groups=2>(image, s, b)", 21, {"image": normal(2, 4, 3), "s": normal(4), "b": normal(4)}),
    ("ConvTranspose<strides=[2, 2], pads=[1, 0, 0, 1]>(i, w)", 13, {"i": normal(1, 2, 3, 3), "w": normal(2, 2, 3, 3)}),
    ("AveragePool<kernel_shape=[3], pads=[1, 1], count_include_pad=1>(s)", 13, {"s": normal(1, 2, 8)}),
    ("Einsum<equation='bij,bkj->bik'>(p, q)", 13, {"p": normal(2, 3, 4), "q": normal(2, 5, 4)}),
    ("Einsum<equation='...ii->...i'>(p)", 13, {"p": normal(2, 3, 3)}),
    (
        "Slice(x, starts, ends, axes, steps)",
        13,
        {"starts": [3], "ends": [-9], "axes": [-1], "steps": [-2]},
    ),
    ("Pad<mode='reflect'>(x, pads)", 13, {"pads": [0, 2, 1, -1]}),
    (
        "Resize<mode='cubic'>(i, '', s)",
        13,
        {"i": normal(1, 1, 4, 4), "s": np.float32([1, 1, 2, 1.5])},
    ),
    ("Resize<mode='linear', antialias=1>(i, '', '', n)", 18, {"i": normal(1, 1, 6, 6), "n": [1, 1, 3, 4]}),
    ("Trilu<upper=0>(x, k)", 14, {"k": np.int64(1)}),
    ("OneHot<axis=0>(places, depth, values)", 13, {"places": [0, 2, -1], "depth": 3, "values": np.float32([0, 5])}),
    ("ScatterElements<axis=1>(x, places, new)", 13, {"places": [[1], [0], [3]], "new": normal(3, 1)}),
    ("CumSum<reverse=1>(x, axis)", 14, {"axis": np.int64(1)}),
    ("DepthToSpace<blocksize=2>(image)", 13, {"image": normal(1, 8, 2, 3)}),
    ("GatherND(x, places)", 13, {"places": [[0, 1], [2, -1]]}),
]


@pytest.mark.parametrize(("call", "opset", "constants"), NODES, ids=[f"{call}-{opset}" for call, opset, _ in NODES])
def test_operators_compute_what_onnx_runtime_does(call: str, opset: int, constants: dict[str, object]) -> None:
    text = f'<ir_version: 8, opset_import: ["": {opset}]> m (float[3, 4] x) => (float y) {{ y = {call} }}'
    proto = parser.parse_model(text.replace("''", "").replace("'", '"'))
    proto.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("y"))
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    x = normal(3, 4, seed=5)
    _, found = run(proto, x=x)
    np.testing.assert_allclose(found[0], reference(proto, x=x)[0], rtol=1e-4, atol=1e-5)


def test_top_elements_are_in_order_and_equal_ones_too() -> None:
    text = """<ir_version: 8, opset_import: ["": 13]>
        m (float[2, 6] x) => (float[2, 4] best, int64[2, 4] places) { best, places = TopK(x, k) }"""
    proto = model(text, k=np.array([4]))
    x = np.float32([[1, 3, 3, 0, 2, 3], [5, 5, 5, 5, 5, 5]])
    _, found = run(proto, x=x)
    for one, other in zip(found, reference(proto, x=x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_functions_of_the_model_and_of_onnx_are_expanded() -> None:
    text = """<ir_version: 8, opset_import: ["": 18, "own": 1]>
        m (float[4] x) => (float[4] y) { z = own.twice<factor=3.0>(x)  y = Softsign(z) }
        <domain: "own", opset_import: ["": 18]>
        twice<factor>(a) => (c) { f = Constant<value_float: float = @factor>()  b = Mul(a, f)  c = Add(b, b) }"""
    proto, x = parser.parse_model(text), normal(4)
    graph, found = run(proto, x=x)
    np.testing.assert_allclose(found[0], 6 * x / (1 + abs(6 * x)), rtol=1e-6)
    assert {node.origin for node in graph.nodes if node.name == "z"} == {("twice:z",)}


def test_loops_are_unrolled_and_conditions_computed_both_ways() -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
        m (float[2] x, bool c) => (float[2] y, float[3, 2] all) {
            n = Constant<value = int64 {3}>()
            t = Constant<value = bool {1}>()
            z, all = Loop(n, t, x) <body = step (int64 i, bool go, float[2] s) => (bool on, float[2] d, float[2] e) {
                on = Identity(go)  d = Add(s, s)  e = Identity(d) }>
            y = If(c) <then_branch = a () => (float[2] p) { p = Neg(z) },
                       else_branch = b () => (float[2] q) { q = Identity(z) }>
        }"""
    proto, x = parser.parse_model(text), normal(2)
    for condition in (True, False):
        _, found = run(proto, x=x, c=np.asarray(condition))
        np.testing.assert_allclose(found[0], -8 * x if condition else 8 * x)
        np.testing.assert_allclose(found[1], [2 * x, 4 * x, 8 * x])


def test_open_dimensions_are_fixed_by_shapes_and_a_lone_batch_is_one() -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> m (float[N, 3] a, float[k, 3] b) => (float[N, k] y) {{ {} }}'
    proto = parser.parse_model(text.format("t = Transpose<perm=[1, 0]>(b) y = MatMul(a, t)"))
    graph, _ = from_onnx(proto, shapes={"b": (4, 3)})
    assert graph.outputs[0].type.shape == (1, 4)
    graph, _ = from_onnx(proto, shapes={"a": (2, 3), "b": (4, 3)})
    assert graph.outputs[0].type.shape == (2, 4)


def test_inputs_can_be_constants() -> None:
    proto = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[6] x, int64[2] s) => (float[a, b] y) { y = Reshape(x, s) }'
    )
    graph, _ = from_onnx(proto, constants={"s": np.array([2, 3])})
    assert [value.name for value in graph.inputs] == ["x"]
    assert graph.outputs[0].type.shape == (2, 3)


def test_outputs_are_computed_even_where_they_are_inputs_or_constants_under_another_name() -> None:
    proto = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> m (float[2] x) => (float[2] y, int64[1] s) '
        "{ y = Identity(x)  s = Shape(x) }"
    )
    graph, found = run(proto, x=normal(2))
    assert [value.name for value in graph.outputs] == ["y", "s"]
    assert {value.name for value in graph.outputs} == {node.name for node in graph.nodes}
    np.testing.assert_array_equal(found[0], normal(2))
    np.testing.assert_array_equal(found[1], [2])
