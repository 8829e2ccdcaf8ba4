"""ONNX Runtime's convolutions, to compare with: in one thread, on arrays that are bound once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.files import InputError

OPSET = 17
IR_VERSION = 9
"""Old enough for every ONNX Runtime that runs with this Python."""

Call = Callable[[], object]
Array = NDArray[np.generic]


class PackageMissing(InputError):
    """A package that is not installed by default is needed."""


def require_packages() -> None:
    """Refuses to begin what needs ONNX Runtime without it.

    Raises
    ------
    PackageMissing:
        onnx or onnxruntime is not installed.
    """
    for package in ("onnx", "onnxruntime"):
        try:
            import_module(package)
        except ImportError:
            raise PackageMissing(f"{package} is needed to compare with: pip install 'dovetail[bench]'") from None


@dataclass(frozen=True)
class OnnxConv:
    """A model of one operator.

    Attributes
    ----------
    operator:
        Conv or QLinearConv.
    data:
        Its first input.
    constants:
        Its other inputs, in order.
    """

    operator: str
    shape: Conv2dShape
    data: Array
    constants: Mapping[str, Array]

    def bound(self, out: Array) -> Call:
        """A function that computes `out` from `data`, without copies."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(self._model(out), options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(self.data))
        binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(out))
        return lambda: session.run_with_iobinding(binding)

    def _model(self, out: Array) -> bytes:
        from onnx import helper, numpy_helper

        shape = self.shape
        node = helper.make_node(
            self.operator,
            ["x", *self.constants],
            ["y"],
            kernel_shape=[shape.kh, shape.kw],
            strides=list(shape.strides),
            pads=list(shape.pads),
            dilations=list(shape.dilation),
            group=shape.groups,
        )
        constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in self.constants.items()]
        graph = helper.make_graph([node], "layer", [_value("x", self.data)], [_value("y", out)], constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString())


def _value(name: str, array: Array) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
