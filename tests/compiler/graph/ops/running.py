"""Operators compiled for the CPU from their tensor expressions, and models of a single operator for ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import dovetail as t
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.types import TensorType


def compiled(op: Op, *arrays: NDArray) -> NDArray:
    """The output of `op` as native code."""
    operands = [
        t.placeholder(array.shape, array.dtype.name, name=f"operand{place}") for place, array in enumerate(arrays)
    ]
    output = op.compute(*operands)
    kind = op.infer(*(TensorType.of(array) for array in arrays))
    assert TensorType(tuple(int(extent.value) for extent in output.shape), output.dtype) == kind
    found = np.empty(kind.shape, kind.dtype)
    t.build(t.create_schedule(output.op), [*operands, output])(*arrays, found)
    return found


def onnx_output(op_type: str, *arrays: NDArray | None, opset: int = 21, **attributes: object) -> NDArray:
    """What ONNX Runtime gives for one operator; the first operand is the input, the others are constants."""
    names = [f"operand{place}" if array is not None else "" for place, array in enumerate(arrays)]
    node = helper.make_node(op_type, names, ["output"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(names[0], helper.np_dtype_to_tensor_dtype(arrays[0].dtype), arrays[0].shape)],
        [onnx.ValueInfoProto(name="output")],
        [numpy_helper.from_array(array, name) for name, array in zip(names[1:], arrays[1:], strict=True) if name],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {names[0]: arrays[0]})[0]
