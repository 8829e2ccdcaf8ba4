"""Files that are malformed, or made to do harm: one clear line, and no memory spent."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from dovetail.compiler.errors import CompileError
from dovetail.compiler.frontend.errors import LONGEST
from dovetail.compiler.frontend.onnx import from_onnx, importer

HEAD = '<ir_version: 8, opset_import: ["": 17, "own": 1]> m '
RELU = "(float[2] x) => (float[2] y) { y = Relu(x) }"
LARGEST_GROWTH = 512 * 2**20
"""Bytes that refusing all these models may add to the process."""


def model(text: str) -> ModelProto:
    return parser.parse_model(HEAD + text)


def constant(values: str, call: str, result: str = "float[a]") -> ModelProto:
    return model(f"(float[2] x) => ({result} y) {{ s = Constant<value = {values}>() y = {call} }}")


def weight(**fields: object) -> ModelProto:
    proto = model("(float[2] x) => (float[2] y) { y = Add(x, w) }")
    proto.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, **fields))
    return proto


def edited(text: str, edit: Callable[[ModelProto], object]) -> ModelProto:
    proto = model(text)
    edit(proto)
    return proto


def recursive() -> ModelProto:
    return parser.parse_model(
        HEAD + "(float[2] x) => (float[2] y) { y = own.f(x) }"
        '<domain: "own", opset_import: ["own": 1]> f (a) => (b) { b = own.f(a) }'
    )


def doubling(depth: int) -> ModelProto:
    """Functions that each call the one before ten times."""
    functions = ['<domain: "own", opset_import: ["": 17]> f0 (a) => (b) { b = Relu(a) }']
    for number in range(1, depth):
        calls = " ".join(f"b{step + 1} = own.f{number - 1}(b{step})" for step in range(10))
        functions.append(f'<domain: "own", opset_import: ["own": 1]> f{number} (b0) => (b10) {{ {calls} }}')
    text = f"(float[2] x) => (float[2] y) {{ y = own.f{depth - 1}(x) }}"
    return parser.parse_model(HEAD + text + "\n".join(functions))


def nested(depth: int) -> ModelProto:
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "g", [], [_value("r")])
    for number in range(depth):
        node = helper.make_node("If", ["c"], [f"r{number}"], then_branch=inner, else_branch=inner)
        node.attribute[1].g.CopyFrom(
            helper.make_graph([helper.make_node("Relu", ["x"], ["o"])], "e", [], [_value("o")])
        )
        inner = helper.make_graph([node], "g", [], [_value(f"r{number}")])
    given = [_value("x"), helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
    return helper.make_model(helper.make_graph(inner.node, "m", given, inner.output), ir_version=8)


def _value(name: str) -> object:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def forever() -> ModelProto:
    return model(
        """(float[2] x) => (float[2] y) {
            n = Constant<value = int64 {9223372036854775807}>()
            y = Loop(n, , x) <body = b (int64 i, bool c, float[2] s) => (bool d, float[2] t) {
                d = Identity(c)  t = Relu(s) }>
        }"""
    )


MODELS: list[tuple[str, ModelProto | bytes, str]] = [
    ("empty", b"", "not an ONNX model"),
    ("random bytes", random.Random(0).randbytes(4096), "not an ONNX model"),
    ("cut off", model(RELU).SerializeToString()[:40], "not an ONNX model, or cut off"),
    ("text", b"PK\x03\x04 this is something else", "not an ONNX model"),
    ("no outputs", edited(RELU, lambda m: m.graph.ClearField("output")), "no graph with outputs"),
    ("no opset", edited(RELU, lambda m: m.ClearField("opset_import")), "the model names no opset"),
    ("future opset", edited(RELU, lambda m: setattr(m.opset_import[0], "version", 999)), "opset 999 is unsupported"),
    ("cycle", model("(float[2] x) => (float[2] y) { a = Add(x, b) b = Relu(a) y = Relu(b) }"), "in a cycle"),
    ("reads itself", model("(float[2] x) => (float[2] y) { y = Add(x, y) }"), "in a cycle"),
    ("reads nothing", model("(float[2] x) => (float[2] y) { y = Add(x, zz) }"), "'zz', which nothing computes"),
    ("name twice", model("(float[2] x) => (float[2] y) { y = Relu(x) y = Neg(x) }"), "'y' is computed twice"),
    ("input twice", model("(float[2] x, float[2] x) => (float[2] y) { y = Relu(x) }"), "two inputs are named 'x'"),
    ("output missing", model("(float[2] x) => (float[2] y) { z = Relu(x) }"), "output 'y' is computed by no node"),
    ("no type", edited(RELU, lambda m: m.graph.input[0].ClearField("type")), "not a valid model"),
    ("element type", edited(RELU, lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 77)), "77"),
    ("missing operand", model("(float[2] x) => (float[2] y) { y = Add(x) }"), "not a valid model"),
    ("unknown attribute", model("(float[2] x) => (float[2] y) { y = Relu<n=1>(x) }"), "not a valid model"),
    ("huge input", model("(float[99999999, 99999999] x) => (float y) { y = Relu(x) }"), "at most 2147483648"),
    ("negative input", model("(float[-5] x) => (float[2] y) { y = Relu(x) }"), "extents are at least 0"),
    (
        "many axes",
        edited(
            RELU,
            lambda m: m.graph.input[0].type.tensor_type.shape.dim.extend(
                m.graph.input[0].type.tensor_type.shape.dim[:1] * 99
            ),
        ),
        "100 axes; at most 32",
    ),
    ("short weight", weight(dims=[2], raw_data=b"1234"), "holds 4 bytes; its shape [2] of float32 needs 8"),
    ("long weight", weight(dims=[2], float_data=[1] * 3), "holds 3 elements; its shape [2] of float32 needs 2"),
    ("huge weight", weight(dims=[2**40], raw_data=b"1234"), "initializer 'w' has the shape [1099511627776]"),
    ("overflowing weight", weight(dims=[2**62, 4], raw_data=b""), "initializer 'w' has the shape"),
    ("negative weight", weight(dims=[-2], raw_data=b"12345678"), "extents are at least 0"),
    ("external, in memory", weight(dims=[2], data_location=1), "give the model by its path"),
    ("huge constant", constant("int64[1] {4611686018427387904}", "ConstantOfShape(s)"), "at most 2147483648"),
    ("huge expand", constant("int64[2] {1000000000, 2}", "Expand(x, s)"), "at most 2147483648"),
    ("huge tile", constant("int64[1] {1000000000000}", "Tile(x, s)"), "at most 2147483648"),
    ("huge pad", constant("int64[2] {0, 1000000000000}", "Pad(x, s)"), "at most 2147483648"),
    (
        "huge one-hot",
        model(
            "(int64[2] x) => (float[2, a] y) { d = Constant<value = int64 {1000000000000}>() "
            "v = Constant<value = float[2] {0, 1}>() y = OneHot(x, d, v) }"
        ),
        "at most 2147483648",
    ),
    (
        "huge range",
        model(
            "(int64[2] x) => (int64[a] y) { n = Constant<value = int64 {1000000000000}>() "
            "z = Constant<value = int64 {0}>() o = Constant<value = int64 {1}>() y = Range(z, n, o) }"
        ),
        "at most 2147483648",
    ),
    (
        "huge resize",
        model(
            "(float[1, 1, 2, 2] x) => (float[1, 1, a, b] y) { "
            "s = Constant<value = float[4] {1, 1, 1e9, 1e9}>() y = Resize(x, , s) }"
        ),
        "at most 2147483648",
    ),
    (
        "endless resize",
        model(
            "(float[1, 1, 2, 2] x) => (float[1, 1, a, b] y) { "
            "s = Constant<value = float[4] {1, 1, inf, 1}>() y = Resize(x, , s) }"
        ),
        "scales",
    ),
    (
        "huge window",
        model(
            "(float[1, 1, 9] x) => (float[1, 1, a] y) { "
            "y = MaxPool<kernel_shape=[4000000000000], pads=[4000000000000, 0]>(x) }"
        ),
        "MaxPool",
    ),
    (
        "no step",
        model("(float[1, 1, 9] x) => (float[1, 1, a] y) { y = MaxPool<kernel_shape=[2], strides=[0]>(x) }"),
        "strides [0] must be 1 numbers of at least 1",
    ),
    (
        "a million axes",
        edited(
            "(float[2] x) => (float[2] y) { y = Transpose<perm=[0]>(x) }",
            lambda m: m.graph.node[0].attribute[0].ints.extend([0] * 10**6),
        ),
        "Transpose",
    ),
    ("recursive function", recursive(), "must not be recursive"),
    ("exploding functions", doubling(12), "more than 5000 nodes"),
    ("endless loop", forever(), "more than 5000 nodes"),
    ("deep subgraphs", nested(28), "deep"),
]


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """The process does not grow."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < LARGEST_GROWTH


@pytest.mark.parametrize(("proto", "message"), [row[1:] for row in MODELS], ids=[row[0] for row in MODELS])
def test_hostile_models_are_refused_in_one_line(
    proto: ModelProto | bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "MAX_NODES", 5000)
    with pytest.raises(CompileError) as caught:
        from_onnx(proto)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2 * LONGEST


def external(folder: Path, **entries: str) -> Path:
    """A model whose weight is where these entries say."""
    proto = weight(dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        proto.graph.initializer[0].external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_are_read_from_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"head" + np.float32([1.5, -2]).tobytes())
    _, params = from_onnx(external(tmp_path, location="w.bin", offset="4", length="8"))
    np.testing.assert_array_equal(params["w"], np.float32([1.5, -2]))


EXTERNAL = [
    ({"location": "../secret"}, "outside of the model's folder"),
    ({"location": "sub/../../secret"}, "outside of the model's folder"),
    ({"location": "/etc/passwd"}, "outside of the model's folder"),
    ({"location": "link"}, "outside of the model's folder"),
    ({}, "outside of the model's folder"),
    ({"location": "absent"}, "which is no file in the model's folder"),
    ({"location": "."}, "which is no file in the model's folder"),
    ({"location": "x" * 5000}, "in 'xxx"),
    ({"location": "nul\0"}, "which cannot be read"),
    ({"location": "w.bin", "length": "4"}, "needs 8 bytes; its external data are 4 bytes"),
    ({"location": "w.bin", "offset": "1"}, "8 bytes from 1 of 'w.bin', which has 8"),
    ({"location": "w.bin", "offset": "-1"}, "the offset of its external data must be a number, not '-1'"),
]


@pytest.mark.parametrize(("entries", "message"), EXTERNAL)
def test_external_data_elsewhere_are_refused(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(bytes(8))
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(CompileError) as caught:
        from_onnx(external(folder, **entries))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "message"), [("none.onnx", "no such file"), ("", "is a folder")])
def test_paths_that_are_no_files_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        from_onnx(tmp_path / name)


def test_many_large_constants_are_left_to_the_run() -> None:
    parts = " ".join(f"a{i} = ConstantOfShape(n) b{i} = Neg(a{i})" for i in range(200))
    body = f"n = Constant<value = int64[1] {{4000000}}>() {parts} y = Add(b0, b199)"
    graph, _ = from_onnx(model(f"(float[2] x) => (float[4000000] y) {{ {body} }}"))
    assert [node.op.name for node in graph.nodes] == ["expand", "neg", "add"]


def test_damaged_files_never_raise_anything_else(tmp_path: Path) -> None:
    proto = model("(float[2, 3] x) => (float[3, 2] y) { t = Transpose<perm=[1, 0]>(x) y = Add(t, w) }")
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((3, 2), np.float32), "w"))
    content = proto.SerializeToString()
    source = random.Random(0)
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            from_onnx(bytes(damaged))
        except CompileError as error:
            assert "\n" not in str(error)
