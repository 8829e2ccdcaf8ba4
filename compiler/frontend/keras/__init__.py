"""Keras 3 models, by way of ONNX. The package `keras` is imported when one is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

    from dovetail.compiler.graph.graph import Graph
    from dovetail.compiler.graph.types import Array

    from .walk import Shapes

__all__ = ["from_keras", "keras_to_onnx"]


def from_keras(model: Any, *, name: str | None = None, shapes: Shapes | None = None) -> tuple[Graph, dict[str, Array]]:
    """The graph of a Keras model, and its weights by name.

    Parameters
    ----------
    model, name, shapes:
        As of `keras_to_onnx`.

    Raises
    ------
    FrontendError:
        What `keras_to_onnx` and `from_onnx` raise.
    """
    from dovetail.compiler.frontend.onnx import from_onnx

    return from_onnx(keras_to_onnx(model, name=name, shapes=shapes))


def keras_to_onnx(model: Any, *, name: str | None = None, shapes: Shapes | None = None) -> onnx.ModelProto:
    """A Keras model as an ONNX model of float32, with the same inputs and outputs under the same names.

    Values have the names of the layers that give them, with those of the models that they are nested in before them.

    Parameters
    ----------
    model:
        A Functional or Sequential model, or the path of a ``.keras`` file.
    name:
        Of the result; by default the model's.
    shapes:
        Whole shapes of inputs by name. By default there is one sample, and no other extent may be open.

    Raises
    ------
    FrontendError:
        Keras is not installed, the file is damaged or holds code, the model is of a class of its own, or an input's
        shape is not known.
    UnsupportedLayers:
        Layers are not supported: all of them, with their names.
    """
    from .reading import load_keras, read_model
    from .walk import model_proto

    keras = load_keras()
    if isinstance(model, str | Path):
        model = read_model(keras, Path(model))
    return model_proto(keras, model, name or str(getattr(model, "name", type(model).__name__)), shapes or {})
