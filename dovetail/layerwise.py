"""A quantised network next to ONNX Runtime, tensor by tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dovetail.files import InputError
from dovetail.onnx_conv import require_packages

if TYPE_CHECKING:
    import onnx

    from dovetail.compiler.graph import Graph

Array = NDArray[np.generic]

UINT8_CENTRE = 128
"""What separates a uint8 from the int8 with the same meaning."""


class LayerwiseError(InputError):
    """Two tensors of one name cannot be compared."""


class RuntimeRefuses(InputError):
    """ONNX Runtime cannot run a model. The message is ONNX Runtime's."""


class Difference(NamedTuple):
    """How a tensor differs from ONNX Runtime's.

    Attributes
    ----------
    name:
        Of the tensor in the model.
    steps:
        The largest difference of an element, in steps of the quantisation.
    fraction:
        The share of elements that differ at all.
    """

    name: str
    steps: int
    fraction: float


def compare(theirs: Mapping[str, Array], values: Mapping[str, Array]) -> list[Difference]:
    """How `values` differ from what ONNX Runtime computes, in the model's order.

    Parameters
    ----------
    theirs:
        What `quantised_values` gives.
    values:
        int8 or uint8 arrays by the tensors' names; names that are on one side alone are left out. An int8 array for a
        uint8 tensor counts from -128.

    Raises
    ------
    LayerwiseError:
        An array has another shape than the model's tensor.
    """
    found = []
    for name, expected in theirs.items():
        if name not in values:
            continue
        given = values[name]
        if given.shape != expected.shape:
            raise LayerwiseError(f"{name} has shape {expected.shape} in the model, not {given.shape}")
        found.append(_difference(name, given, expected))
    return found


def compare_layers(theirs: Mapping[str, Array], graph: Graph, inputs: Mapping[str, Array]) -> list[Difference]:
    """How each layer of `graph` differs from ONNX Runtime's for the operands that ONNX Runtime has there.

    In `compare` a difference goes on into all layers behind it, where a step in one element becomes many; here every
    layer begins with the same numbers.

    Parameters
    ----------
    theirs:
        What `quantised_values` gives.
    graph:
        Made of the same model, with all parameters bound. NumPy's form of its operators is executed.
    inputs:
        What the model is given.
    """
    known: dict[str, Array] = dict(inputs) | {value.name: array for value, array in graph.constants.items()}
    found = []
    for node in graph.nodes:
        own = node.op.evaluate(*(known[value.name] for value in node.inputs))
        given = theirs.get(node.name)
        if given is None or own.dtype != np.int8 or given.shape != own.shape:
            known[node.name] = own
            continue
        known[node.name] = _centred(given).astype(np.int8)
        found.append(_difference(node.name, own, given))
    return found


def _difference(name: str, one: Array, other: Array) -> Difference:
    distance = np.abs(_centred(one) - _centred(other))
    return Difference(name, int(distance.max(initial=0)), float(np.count_nonzero(distance)) / max(distance.size, 1))


def quantised_values(
    model: onnx.ModelProto, inputs: Mapping[str, Array], names: Collection[str] | None = None
) -> dict[str, Array]:
    """The outputs of QuantizeLinear nodes that ONNX Runtime computes; of all of them, or of those in `names`.

    Raises
    ------
    RuntimeRefuses:
        ONNX Runtime cannot run the model.
    PackageMissing:
        onnx or onnxruntime is not installed.
    """
    require_packages()
    import onnx
    import onnxruntime

    found = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    found = [name for name in found if names is None or name in names]
    if not found:
        return {}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in found)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip(found, session.run(found, dict(inputs)), strict=True))
    except Exception as error:  # it has a type of its own for each status, with nothing in common
        raise RuntimeRefuses(" ".join(str(error).split())) from None


def _centred(array: Array) -> NDArray[np.int32]:
    wide = array.astype(np.int32)
    return wide - UINT8_CENTRE if array.dtype == np.uint8 else wide
