"""Models by name or file: read, quantised where that is asked for, and made ready to be compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dovetail.arrays import read_samples
from dovetail.compiler.errors import CompileError
from dovetail.compiler.graph import Graph
from dovetail.compiler.graph.ops.quantised import Dequantize, Quantize
from dovetail.files import InputError
from dovetail.isa.config import load_config
from dovetail.isa.module import Tensor
from dovetail.isa.progress import Progress, silent
from dovetail.networks import NETWORKS, calibration, quantised
from dovetail.networks.errors import require
from dovetail.runtime.samples import random_inputs

if TYPE_CHECKING:
    import onnx

ONNX, KERAS = ".onnx", ".keras"
MODELS = (ONNX, KERAS)
"""Suffixes of files that hold a model."""
IMPORTED = "imported"
"""What `show_pass` calls the graph before all passes."""
UNFUSE = "unfuse"
"""The pass that is there instead of fusing."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Network:
    """A model that was imported.

    Attributes
    ----------
    model:
        In ONNX.
    folder:
        Where its external data are; None where it has none.
    graph:
        With its weights bound.
    """

    name: str
    model: onnx.ModelProto
    folder: Path | None
    graph: Graph

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Names, shapes and types of its inputs."""
        return tuple(Tensor(value.name, value.type.shape, value.type.dtype, 0) for value in self.graph.inputs)

    @property
    def is_quantised(self) -> bool:
        """Whether some of it computes on quantised numbers."""
        return any(isinstance(node.op, Quantize | Dequantize) for node in self.graph.nodes)

    def complete_model(self) -> onnx.ModelProto:
        """The model with its external data inside."""
        if self.folder is not None:
            import onnx

            onnx.load_external_data_for_model(self.model, str(self.folder))
        return self.model

    def inputs(self, seed: int) -> Arrays:
        """Seeded data for its inputs: of the known networks like what they were calibrated with, else random."""
        if self.name in NETWORKS:
            return dict(next(iter(calibration(self.name, seed, 1))))
        return random_inputs(self.tensors, seed)


def is_network(workload: str) -> bool:
    """Whether a workload is a network that can be compiled, by its name or by that of a file."""
    return workload in NETWORKS or Path(workload).suffix in MODELS


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
    require("onnx")
    from dovetail.compiler.frontend import from_onnx

    folder = None
    given: onnx.ModelProto | str
    if source in NETWORKS:
        if calibration_data is not None:
            raise InputError(f"{source} is quantised already: --calibration is for files")
        model = given = quantised(source, progress=progress)
    else:
        samples = None if calibration_data is None else read_samples(calibration_data)
        progress(f"reading {source}", 0, 0)
        model, folder = _read(source, shapes)
        given = source if folder is not None else model
        if samples is not None:
            from dovetail.compiler.frontend import quantise

            progress(f"quantising {source}", 0, 0)
            model = given = quantise(given, samples)
            folder = None
    progress(f"importing {source}", 0, 0)
    graph, params = from_onnx(given, shapes=shapes)
    return Network(source, model, folder, graph.bind(params))


def _read(source: str, shapes: Mapping[str, Sequence[int]] | None) -> tuple[onnx.ModelProto, Path | None]:
    """A model in a file, and the folder of its external data."""
    if Path(source).suffix == KERAS:
        from dovetail.compiler.frontend.keras import keras_to_onnx

        return keras_to_onnx(source, shapes=shapes), None
    from dovetail.compiler.frontend.onnx.reading import read_model

    read = read_model(source)
    return read.proto, read.folder


def show_pass(
    source: str,
    name: str,
    *,
    config: str = "default",
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration_data: Path | None = None,
    progress: Progress = silent,
) -> str:
    """The graph of a network as text, after the pass of that name; ``imported`` is before all of them.

    ``unfuse`` is instead of the last, and ``lay_out`` and ``group_elementwise`` are behind it, for a machine.

    Raises
    ------
    CompileError, ConfigError:
        There is no such pass or configuration, or the network cannot be read.
    """
    from dovetail.compiler.graph.deploy import laid_out
    from dovetail.compiler.graph.pipeline import OPTIMISATIONS, optimise, stages
    from dovetail.compiler.target import VdlaTarget

    behind = ("lay_out", "group_elementwise")
    known = [IMPORTED, *dict.fromkeys(one for one, _ in OPTIMISATIONS), UNFUSE, *behind]
    if name not in known:
        raise CompileError(f"no pass {name!r}; the passes are {', '.join(known)}")
    target = VdlaTarget(load_config(config))
    network = read_network(source, shapes=shapes, calibration_data=calibration_data, progress=progress)
    if name == IMPORTED:
        return str(network.graph)
    if name in behind:
        graph, _, _ = laid_out(optimise(network.graph), target, fused=name == behind[-1], progress=progress)
        return str(graph)
    return str(dict(stages(network.graph, fused=name != UNFUSE))[name])
