"""ONNX's backend interface, on the CPU: `prepare`, `run_model`, `supports_device`.

Graphs have static shapes, so a model is compiled at its first run, for the shapes of the inputs. Inputs that shapes
depend on (what Reshape is given, starts of Slice, ...) become constants of that specialisation; another run with other
shapes, or with other contents of these inputs, compiles again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from dovetail.compiler.frontend.errors import FrontendError, UnsupportedModel
from dovetail.compiler.frontend.onnx import from_onnx
from dovetail.compiler.graph import Graph
from dovetail.compiler.graph.deploy import build
from dovetail.compiler.target import LlvmTarget
from dovetail.runtime.module import Module, create

Array = NDArray[Any]


class PreparedModel(BackendRep):
    """A model that runs on arrays.

    Attributes
    ----------
    constants:
        Names of the inputs that the latest run took as constants.
    """

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        weights = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [value.name for value in model.graph.input if value.name not in weights]
        self._graph: Graph | None = None
        self._module: Module | None = None
        self._known: dict[str, Array] = {}

    @property
    def constants(self) -> tuple[str, ...]:
        return tuple(self._known)

    @property
    def folded(self) -> bool:
        """Whether all inputs of the latest run became constants."""
        return bool(self._known) and self._graph is not None and not self._graph.inputs

    def run(self, inputs: Sequence[Array] | Mapping[str, Array], **kwargs: Any) -> tuple[Array, ...]:
        """The model's outputs for its inputs, in order or by name.

        Raises
        ------
        FrontendError:
            The model is not supported for inputs like these, or one is missing.
        """
        given = inputs if isinstance(inputs, Mapping) else dict(zip(self._inputs, inputs, strict=False))
        kinds = (np.ndarray, np.generic)
        arrays = {name: np.asarray(array) for name, array in given.items() if isinstance(array, kinds)}
        missing = [name for name in self._inputs if name not in given]
        if missing:
            raise FrontendError(f"input {missing[0]!r} is missing; the inputs are {', '.join(self._inputs)}")
        graph = self._specialised(arrays)
        if self._module is None:
            plan, library, params = build(graph, LlvmTarget())
            self._module = create(plan, library, "cpu")
            self._module.set_input(**params)
        self._module.run(**{value.name: arrays[value.name] for value in graph.inputs})
        return tuple(self._module.get_output(place) for place in range(len(graph.outputs)))

    def _specialised(self, arrays: Mapping[str, Array]) -> Graph:
        if self._graph is not None and self._fits(arrays):
            return self._graph
        shapes = {name: array.shape for name, array in arrays.items()}
        known: dict[str, Array] = {}
        while True:
            try:
                graph, params = from_onnx(self._model, shapes=shapes, constants=known)
                break
            except UnsupportedModel as error:
                wanted = error.constants & (arrays.keys() - known.keys())
                if not wanted:
                    raise
                known |= {name: arrays[name] for name in arrays if name in wanted}
        self._graph, self._known, self._module = graph.bind(params), known, None
        return self._graph

    def _fits(self, arrays: Mapping[str, Array]) -> bool:
        assert self._graph is not None
        shapes = all(arrays[value.name].shape == value.type.shape for value in self._graph.inputs)
        return shapes and all(np.array_equal(arrays[name], array) for name, array in self._known.items())


class DovetailBackend(Backend):
    """Dovetail's compiler as an ONNX backend."""

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        """The model, ready to run; it is compiled when the shapes of its inputs are known."""
        if not cls.supports_device(device):
            raise ValueError(f"device {device!r} is unsupported; CPU is supported")
        return PreparedModel(model)

    @classmethod
    def run_node(
        cls, node: NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Array, ...]:
        """The outputs of one node for its inputs, in the newest opset or that of `opset_version`."""
        version = kwargs.get("opset_version")
        opsets = [helper.make_opsetid("", version)] if isinstance(version, int) else None
        arrays = [np.asarray(array) for array in inputs]
        given = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(filter(None, node.input), arrays, strict=True)
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        model = helper.make_model(helper.make_graph([node], "node", given, results), opset_imports=opsets)
        return cls.prepare(model, device).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return bool(Device(device).type == DeviceType.CPU)


prepare = DovetailBackend.prepare
run_node = DovetailBackend.run_node
run_model = DovetailBackend.run_model
supports_device = DovetailBackend.supports_device
is_compatible = DovetailBackend.is_compatible
