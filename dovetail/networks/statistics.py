"""The statistics of batch normalisation, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import require

if TYPE_CHECKING:
    import onnx

IMAGE_AXES = [0, 2, 3]


def with_statistics(model: onnx.ModelProto, data: NDArray[np.float32] | None) -> onnx.ModelProto:
    """The model with the mean and variance that each BatchNormalization finds in front of it, as training leaves them.

    Parameters
    ----------
    data:
        For the model's only input, any number of samples; None leaves the model as it is.

    Raises
    ------
    NetworkError:
        onnxruntime is not installed.
    """
    if data is None:
        return model
    require("onnxruntime")
    import onnxruntime
    from onnx import numpy_helper

    measuring, names = _measuring(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(measuring.SerializeToString(), options, providers=["CPUExecutionProvider"])
    measured = session.run(names, {model.graph.input[0].name: data})
    found = dict(zip(names, measured, strict=True))
    for weight in model.graph.initializer:
        if weight.name in found:
            weight.CopyFrom(numpy_helper.from_array(np.asarray(found[weight.name]), weight.name))
    return model


def _measuring(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A model that normalises by the statistics of its input, which are its outputs."""
    from onnx import TensorProto, helper

    names: list[str] = []
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "BatchNormalization":
            data, mean, variance = node.input[0], node.input[3], node.input[4]
            squares, square = f"{variance}.squares", f"{variance}.square"
            nodes += [
                helper.make_node("ReduceMean", [data], [mean], axes=IMAGE_AXES, keepdims=0),
                helper.make_node("Mul", [data, data], [f"{squares}.all"]),
                helper.make_node("ReduceMean", [f"{squares}.all"], [squares], axes=IMAGE_AXES, keepdims=0),
                helper.make_node("Mul", [mean, mean], [square]),
                helper.make_node("Sub", [squares, square], [variance]),
            ]
            names += [mean, variance]
        nodes.append(node)
    data = model.graph.input[0]
    sizes = [axis.dim_value for axis in data.type.tensor_type.shape.dim]
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        [helper.make_tensor_value_info(data.name, TensorProto.FLOAT, ["samples", *sizes[1:]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [weight for weight in model.graph.initializer if weight.name not in names],
    )
    measuring = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return measuring, names
