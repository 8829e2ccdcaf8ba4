"""What users call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.graph.graph import Graph
from dovetail.compiler.graph.types import Array, TensorType
from dovetail.compiler.graph.verifier import verify

from . import handlers as handlers  # registers them
from .importer import Importer, Known, Scope, Unknown
from .inputs import input_types
from .limits import Unsupported
from .reading import check_model, read_model
from .tensors import read_tensor


def from_onnx(
    model: ModelProto | str | Path | bytes,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, Array] | None = None,
) -> tuple[Graph, dict[str, Array]]:
    """The graph of an ONNX model, and its weights by name.

    Values have the names that the model's tensors have, and each node's `origin` is the model's node. What depends on
    nothing but shapes and constants is computed now.

    Parameters
    ----------
    model:
        A path, the content of a file, or a model in memory. External data are read from the folder of the path alone.
    shapes:
        Of inputs whose dimensions the model leaves open; a symbolic dimension then has that size in all inputs.
        Alone a first dimension without a name, or named as batches are ("N", "batch", ...), may stay open where the
        input has no other: it is 1.
    constants:
        Inputs that are known: they are inputs no longer.

    Raises
    ------
    FrontendError:
        The file is malformed, asks for too much, or leaves dimensions open.
    UnsupportedModel:
        Nodes are not supported; all are named, with what would be. Its `constants` are inputs that shapes depend on.
    """
    source = read_model(model)
    graph, label = source.proto.graph, source.label
    given = dict(constants or {})
    types = input_types(graph, label, {**{name: np.shape(array) for name, array in given.items()}, **(shapes or {})})
    importer = Importer(source)
    importer.reserve(name for node in graph.node for name in node.output)
    importer.reserve(value.name for value in (*graph.input, *graph.output))
    importer.reserve(tensor.name for tensor in graph.initializer)
    values: dict[str, Known] = {}
    for name, kind in types.items():
        if isinstance(kind, Unsupported):
            values[name] = Unknown(str(kind))
        elif name in given:
            values[name] = _constant(importer, name, kind, given[name])
        else:
            values[name] = importer.input(name, kind)
    _read_weights(importer, graph, values)
    scope = Scope(values, source.opsets)
    if all(importer.supported(node, scope) for node in graph.node):
        check_model(source)
    importer.run(graph.node, scope)
    result = verify(importer.finish(graph.name or "model", {value.name: values[value.name] for value in graph.output}))
    return result, {value.name: importer.parameters[value.name] for value in result.parameters}


def _constant(importer: Importer, name: str, kind: TensorType, array: Array) -> Known:
    found = TensorType.of(np.asarray(array))
    if found != kind:
        raise FrontendError(f"{importer.source.label}: input {name!r} is {kind}; constants gives {found}")
    return importer.known(name, np.asarray(array))


def _read_weights(importer: Importer, graph: GraphProto, values: dict[str, Known]) -> None:
    for tensor in graph.initializer:
        what = f"initializer {tensor.name!r}"
        try:
            values[tensor.name] = importer.weight(tensor.name, read_tensor(tensor, what, importer.folder))
        except Unsupported as error:
            values[tensor.name] = Unknown(str(error))
        except FrontendError as error:
            raise FrontendError(f"{importer.source.label}: {error}") from None
    for sparse in graph.sparse_initializer:
        values[sparse.values.name] = Unknown(f"initializer {sparse.values.name!r} is sparse; dense ones are supported")
