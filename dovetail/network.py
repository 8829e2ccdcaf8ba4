"""Models by name or file: read, quantised where that is asked for, and made ready to be compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.errors import CompileError
from dovetail.compiler.graph import Graph
from dovetail.compiler.graph.types import TensorType
from dovetail.files import InputError
from dovetail.networks import NETWORKS, calibration, quantised
from dovetail.sim.progress import Progress, silent

if TYPE_CHECKING:
    import onnx

ONNX, KERAS, MODULE = ".onnx", ".keras", ".dovetail"
IMPORTED = "imported"
"""What `show_pass` calls the graph before all passes."""
SUFFIXES = (ONNX, KERAS, MODULE)
"""Of files that hold a network: two kinds of models, and compiled modules."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """A model that was imported.

    Attributes
    ----------
    model:
        In ONNX.
    graph:
        With its weights bound.
    """

    name: str
    model: onnx.ModelProto
    graph: Graph

    def inputs(self, seed: int) -> Arrays:
        """Seeded data for its inputs: of the known networks like what they were calibrated with, else random."""
        if self.name in NETWORKS:
            return dict(next(iter(calibration(self.name, seed, 1))))
        random = np.random.default_rng(seed)
        return {value.name: _random(random, value.type) for value in self.graph.inputs}


def is_network(workload: str) -> bool:
    """Whether a workload is a network, by its name or by that of a file."""
    return workload in NETWORKS or Path(workload).suffix in SUFFIXES


def read_network(
    source: str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration_data: Path | None = None,
    progress: Progress = silent,
) -> Network:
    """The network of that name, quantised, or the model in a file.

    Parameters
    ----------
    shapes:
        Of inputs whose dimensions the file leaves open.
    calibration_data:
        A ``.npz`` file with inputs by name, samples along the first axis: the model is quantised with them.

    Raises
    ------
    FrontendError:
        The model cannot be imported.
    InputError:
        A file cannot be read, or a package that is needed is not installed.
    """
    from dovetail.compiler.frontend.onnx import from_onnx

    if source in NETWORKS:
        model = quantised(source, progress=progress)
    else:
        progress(f"reading {source}", 0, 0)
        model = _read(source)
        if calibration_data is not None:
            from dovetail.compiler.frontend.quantisation import quantise

            progress(f"quantising {source}", 0, 0)
            model = quantise(model, _samples(calibration_data))
    progress(f"importing {source}", 0, 0)
    graph, params = from_onnx(model, shapes=shapes)
    return Network(source, model, graph.bind(params))


def _read(source: str) -> onnx.ModelProto:
    if Path(source).suffix == KERAS:
        from dovetail.compiler.frontend.keras import keras_to_onnx

        return keras_to_onnx(source)
    from dovetail.compiler.frontend.onnx import read_model

    return read_model(source)


def _samples(path: Path) -> list[Arrays]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a .npz file of arrays: {error}") from None
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1 or not next(iter(counts)):
        raise InputError(f"{path}: its arrays must have equally many samples along the first axis, one at least")
    return [
        {name: array[number : number + 1] for name, array in arrays.items()} for number in range(next(iter(counts)))
    ]


def _random(random: np.random.Generator, kind: TensorType) -> NDArray[Any]:
    if kind.numpy.kind == "f":
        return np.asarray(random.standard_normal(kind.shape)).astype(kind.numpy)
    if kind.numpy.kind == "b":
        return np.asarray(random.integers(0, 2, kind.shape)).astype(bool)
    low, high = max(np.iinfo(kind.numpy).min, -128), min(np.iinfo(kind.numpy).max, 127)
    return np.asarray(random.integers(low, high, kind.shape, endpoint=True)).astype(kind.numpy)


def show_pass(
    source: str,
    name: str,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration_data: Path | None = None,
    progress: Progress = silent,
) -> str:
    """The graph of a network as text, after the pass of that name; ``imported`` is before all of them.

    Raises
    ------
    CompileError:
        There is no such pass, or the network cannot be read.
    """
    from dovetail.compiler.graph.pipeline import OPTIMISATIONS, stages

    known = [IMPORTED, *dict.fromkeys(one for one, _ in OPTIMISATIONS)]
    if name not in known:
        raise CompileError(f"no pass {name!r}; the passes are {', '.join(known)}")
    network = read_network(source, shapes=shapes, calibration_data=calibration_data, progress=progress)
    shown = network.graph
    for done, graph in stages(network.graph) if name != IMPORTED else ():
        if done == name:
            shown = graph
    return str(shown)
