"""From the graph of a Keras model to an ONNX graph, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx

from dovetail.compiler.frontend.errors import FrontendError, Problem, UnsupportedModel

from .layers import LAYERS
from .registry import Call, Unsupported, convert, find
from .writer import Tensor, Writer

MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Keras raises of shapes that make no sense."""
Shapes = Mapping[str, Sequence[int]]


class UnsupportedLayers(UnsupportedModel):
    """Layers of a Keras model are not supported: all that were found, in one message."""

    def __init__(self, model: str, problems: Sequence[Problem]) -> None:
        super().__init__(model, problems)
        ValueError.__init__(self, f"{self}; supported layers: {', '.join(sorted(LAYERS))}")


def model_proto(keras: Any, model: Any, name: str, shapes: Shapes) -> onnx.ModelProto:
    """The ONNX model of a Keras model.

    Parameters
    ----------
    shapes:
        Of inputs by name, where the model leaves them open.

    Raises
    ------
    FrontendError:
        The model has no graph, or an input's shape is not known.
    UnsupportedLayers:
        Layers are not supported.
    """
    _check_graph(keras, model, name)
    writer = Writer(name)
    known = {one.name for one in model.inputs}
    for wanted in shapes:
        if wanted not in known:
            raise FrontendError(f"{name} has no input {wanted!r}; it has {', '.join(sorted(known))}")
    inputs = [
        writer.input(one.name, _input_shape(one, shapes.get(one.name), name), _dtype(one.dtype)) for one in model.inputs
    ]
    walk = _Walk(keras, writer)
    outputs = walk.run(model, inputs, "")
    if walk.problems:
        raise UnsupportedLayers(name, walk.problems)
    names = [one._keras_history.operation.name for one in model.outputs]
    return writer.model(list(zip(names, [one for one in outputs if one is not None], strict=True)))


class _Walk:
    def __init__(self, keras: Any, writer: Writer) -> None:
        self.keras = keras
        self.writer = writer
        self.problems: list[Problem] = []

    def run(self, model: Any, inputs: Sequence[Tensor | None], path: str) -> list[Tensor | None]:
        """The outputs of a model, nested ones included; None for what depends on a layer that is not supported."""
        known: dict[int, Tensor | None] = {id(one): tensor for one, tensor in zip(model.inputs, inputs, strict=True)}
        for node in _in_order(model):
            for one, tensor in zip(node.outputs, self._call(node, known, path), strict=True):
                known[id(one)] = tensor
        return [known[id(one)] for one in model.outputs]

    def _call(self, node: Any, known: Mapping[int, Tensor | None], path: str) -> list[Tensor | None]:
        operator = node.operation
        where = f"{path}{operator.name}"
        given = [known[id(one)] for one in node.arguments.keras_tensors]
        if _is_model(self.keras, operator):
            return self.run(operator, given, f"{where}/")
        since = self.writer.size
        self.writer.path = where
        try:
            outputs = self._converted(node, known)
        except Unsupported as reason:
            return self._problem(node, where, str(reason))
        except MALFORMED as error:
            return self._problem(node, where, f"cannot be converted: {error}")
        return [None if one is None else self.writer.named(one, where, since) for one in outputs]

    def _converted(self, node: Any, known: Mapping[int, Tensor | None]) -> list[Tensor | None]:
        keras, tree = self.keras, self.keras.tree

        def tensor(one: Any) -> Any:
            return known[id(one)] if isinstance(one, keras.KerasTensor) else one

        def spec(one: Any) -> Any:
            if not isinstance(one, Tensor):
                return one
            return keras.KerasTensor(one.shape, one.dtype)

        operator = node.operation
        find(keras, operator)
        inputs = tuple(one for key in node.arguments.keras_tensors if (one := known[id(key)]) is not None)
        if len(inputs) < len(node.arguments.keras_tensors):
            return [None] * len(node.outputs)
        args = tree.map_structure(tensor, tuple(node.arguments.args))
        kwargs = tree.map_structure(tensor, dict(node.arguments.kwargs))
        specs = tree.map_structure(spec, args), tree.map_structure(spec, kwargs)
        found = tree.flatten(operator.compute_output_spec(*specs[0], **specs[1]))
        if len(found) != 1:
            raise Unsupported(f"has {len(found)} outputs; supported: layers of one")
        arguments = {**dict(enumerate(args)), **kwargs}
        shape, dtype = tuple(found[0].shape), _dtype(found[0].dtype)
        return [convert(Call(keras, self.writer, operator, inputs, arguments, shape, dtype))]

    def _problem(self, node: Any, where: str, reason: str) -> list[Tensor | None]:
        self.problems.append(Problem(where, type(node.operation).__name__, reason))
        return [None] * len(node.outputs)


def _in_order(model: Any) -> Iterator[Any]:
    """The calls that the outputs of a model depend on, each after those that it depends on."""
    ends = {id(one) for one in model.inputs}
    done: set[int] = set()
    waiting = [(one, False) for one in reversed(model.outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        if id(tensor) in ends:
            continue
        history = tensor._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            waiting.append((tensor, True))
            waiting += [(one, False) for one in reversed(node.arguments.keras_tensors)]


def _is_model(keras: Any, operator: Any) -> bool:
    return isinstance(operator, keras.Sequential) or (isinstance(operator, keras.Model) and _has_graph(operator))


def _has_graph(model: Any) -> bool:
    return all(isinstance(getattr(model, part, None), list) for part in ("inputs", "outputs"))


def _check_graph(keras: Any, model: Any, name: str) -> None:
    if isinstance(model, keras.Sequential) and not model.built:
        raise FrontendError(f"{name} has no known input shape; give its first layer one, or call its build")
    if not isinstance(model, keras.Model) or not _has_graph(model):
        raise FrontendError(f"{name} is a {type(model).__name__}, whose graph cannot be read; give a Functional model")


def _input_shape(one: Any, given: Sequence[int] | None, name: str) -> tuple[int, ...]:
    open_shape = tuple(one.shape)
    if given is None:
        given = tuple(1 if axis == 0 and size is None else size for axis, size in enumerate(open_shape))
    shown = list(open_shape)
    if len(given) != len(open_shape) or any(
        size is not None and size != wanted for size, wanted in zip(open_shape, given, strict=False)
    ):
        raise FrontendError(f"input {one.name} of {name} has the shape {shown}, which {list(given)} does not fit")
    if any(type(size) is not int or size < 1 for size in given):
        raise FrontendError(f"input {one.name} of {name} has the open shape {shown}; give a shape in numbers for it")
    return tuple(given)


def _dtype(dtype: str) -> str:
    return "float32" if dtype in ("float16", "bfloat16", "float64") else dtype
