"""From float models to int8 ones, by ONNX Runtime's static quantiser."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

from .errors import FrontendError, shortened
from .exact_residuals import exact_residuals
from .onnx.reading import Source, check_model, read_model
from .round_once import round_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
"""How ranges follow from calibration data, and what ONNX Runtime calls it."""
OPERATORS = (
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "MatMul",
    "MaxPool",
    "Pad",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
"""Operators of ONNX that are worth it: those with a quantised form, and those that move what these give."""
PER_CHANNEL_OPSET = 13
"""From which on DequantizeLinear takes a scale for each channel."""
WARNINGS, ERRORS = 2, 3
"""ONNX Runtime's levels of what it says; the first is its default."""

Sample = Mapping[str, "NDArray[Any]"]
Progress = Callable[[int, int], None]


def quantise(
    model: ModelProto | str | Path,
    calibration: Iterable[Sample],
    *,
    per_channel: bool = True,
    symmetric: bool = True,
    method: str = "minmax",
    operators: Sequence[str] = OPERATORS,
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
) -> ModelProto:
    """The model with int8 weights and activations, between pairs of QuantizeLinear and DequantizeLinear.

    ONNX Runtime's static quantiser finds ranges and quantises. A convolution or product, its bias, an addition and an
    activation behind it then lose the pairs between them, so that each layer is rounded once, there and here, and
    scales of sums are moved by less than 2**-15 of themselves so that the accelerator adds exactly.

    Parameters
    ----------
    model:
        Of float32, as it is or as a file.
    calibration:
        Samples like those that the model will see: an array for each input, by name. All are held in memory.
    per_channel:
        Whether weights have a scale for each output channel.
    symmetric:
        Whether activations have zero point 0.
    method:
        How ranges follow from the samples, one of `METHODS`: all values, or those that lose least information, or all
        but a few.
    operators:
        What to quantise.
    exclude:
        Names of nodes to leave in float.
    progress:
        Is called with the number of samples run, and of all.

    Raises
    ------
    FrontendError:
        The model cannot be read or is quantised already, a sample does not fit its inputs, or there is none.
    """
    if method not in METHODS:
        raise FrontendError(f"no calibration method {method!r}; use one of {', '.join(METHODS)}")
    source = read_model(model)
    check_model(source)
    nodes = [node.name for node in source.proto.graph.node]
    for name in exclude:
        if name not in nodes:
            raise FrontendError(f"{source.label}: no node {name!r} to exclude")
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in source.proto.graph.node):
        raise FrontendError(f"{source.label}: it is quantised already; give it to from_onnx as it is")
    samples = _checked(source, calibration)
    try:
        with _quiet(), tempfile.TemporaryDirectory() as folder:
            return _quantised(
                source, samples, Path(folder), per_channel, symmetric, METHODS[method], operators, exclude, progress
            )
    except FrontendError:
        raise
    except ImportError as error:
        raise FrontendError(f"quantising needs onnxruntime: install the extra 'models' ({error})") from None
    except Exception as error:
        # ONNX Runtime raises a type of its own for each status, RuntimeError, ValueError, AssertionError and more.
        raise FrontendError(f"{source.label}: ONNX Runtime cannot quantise it: {shortened(str(error))}") from error


def _quantised(
    source: Source,
    samples: list[dict[str, NDArray[Any]]],
    folder: Path,
    per_channel: bool,
    symmetric: bool,
    method: str,
    operators: Sequence[str],
    exclude: Sequence[str],
    progress: Progress | None,
) -> ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quant_pre_process, quantize_static

    proto = source.proto
    opset = source.opsets.get("", PER_CHANNEL_OPSET)
    if source.folder is not None:
        onnx.load_external_data_for_model(proto, str(source.folder))
    if opset < PER_CHANNEL_OPSET:
        proto = onnx.version_converter.convert_version(proto, PER_CHANNEL_OPSET)
    given, prepared, result = folder / "given.onnx", folder / "prepared.onnx", folder / "quantised.onnx"
    # As files: what is handed over as an object, the quantiser changes.
    onnx.save(proto, given)
    quant_pre_process(given, prepared, skip_symbolic_shape=True)
    ready = onnx.load(prepared)
    _name_nodes(ready)
    onnx.save(ready, prepared)
    quantize_static(
        prepared,
        result,
        _Reader(samples, progress),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(operators),
        per_channel=per_channel,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[*exclude, *_unsuited(ready)],
        calibrate_method=getattr(CalibrationMethod, method),
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True, "CalibStridedMinMax": 1},
    )
    quantised = onnx.load(result)
    round_once(quantised, ready)
    exact_residuals(quantised)
    return quantised


class _Reader:
    """Samples as ONNX Runtime asks for them: a range, then one by one until there is none."""

    def __init__(self, samples: list[dict[str, NDArray[Any]]], progress: Progress | None) -> None:
        self._samples = samples
        self._next, self._end = 0, 0
        self._progress = progress

    def __len__(self) -> int:
        return len(self._samples)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        if self._next == self._end:
            if self._progress is not None:
                self._progress(self._end, len(self._samples))
            return None
        self._next += 1
        return self._samples[self._next - 1]


def _checked(source: Source, calibration: Iterable[Sample]) -> list[dict[str, NDArray[Any]]]:
    """The samples, each with an array that fits for each input."""
    weights = {tensor.name for tensor in source.proto.graph.initializer}
    inputs = {value.name: value.type.tensor_type for value in source.proto.graph.input if value.name not in weights}
    samples: list[dict[str, NDArray[Any]]] = []
    for number, sample in enumerate(calibration):
        where = f"calibration sample {number}"
        if not isinstance(sample, Mapping):
            raise FrontendError(
                f"{where} is a {type(sample).__name__}, but must be a mapping from inputs to arrays: "
                f"{', '.join(inputs)}"
            )
        for name in (*inputs, *sample):
            if name not in sample:
                raise FrontendError(f"{where} has no {name!r}; the model's inputs are {', '.join(inputs)}")
            if name not in inputs:
                raise FrontendError(f"{where} has {name!r}; the model's inputs are {', '.join(inputs)}")
        for name, wanted in inputs.items():
            array = np.asarray(sample[name])
            dtype = helper.tensor_dtype_to_np_dtype(wanted.elem_type)
            if array.dtype != dtype:
                raise FrontendError(f"{where}: {name} is {array.dtype}, but the model takes {dtype}; use astype")
            extents = [dim.dim_value if dim.HasField("dim_value") else None for dim in wanted.shape.dim]
            fits = len(extents) == array.ndim and all(
                extent in (None, size) for extent, size in zip(extents, array.shape, strict=True)
            )
            if wanted.HasField("shape") and not fits:
                shape = ", ".join("any" if extent is None else str(extent) for extent in extents)
                raise FrontendError(f"{where}: {name} has the shape {list(array.shape)}, but the model takes [{shape}]")
            if dtype == np.float32 and not np.all(np.isfinite(array)):
                raise FrontendError(f"{where}: {name} has infinities or values that are not a number")
        samples.append({name: np.asarray(sample[name]) for name in inputs})
    if not samples:
        raise FrontendError("no calibration data: ranges are found by running samples; give at least one")
    return samples


def _name_nodes(model: ModelProto) -> None:
    """A name of its own for each node: those to exclude are known by it."""
    taken = {node.name for node in model.graph.node}
    seen: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            name = f"{node.op_type}_{number}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
        seen.add(node.name)


def _unsuited(model: ModelProto) -> list[str]:
    """Nodes of types to quantise for which int8 has no use: constants added to floats, and means over other axes."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    names = []
    for node in model.graph.node:
        if node.op_type == "Add":
            others = [producers.get(name) for name in node.input if name not in constants]
            linear = [other for other in others if other is not None and other.op_type in ("Conv", "Gemm", "MatMul")]
            if len(others) < 2 and not linear:
                names.append(node.name)
        if node.op_type == "ReduceMean":
            given = [list(attribute.ints) for attribute in node.attribute if attribute.name == "axes"]
            given += [numpy_helper.to_array(constants[name]).tolist() for name in node.input[1:] if name in constants]
            if not given or sorted(given[0]) not in ([2, 3], [-2, -1]):
                names.append(node.name)
    return names


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of ONNX Runtime, which are about its own use."""
    import onnxruntime

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(ERRORS)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)
        logging.disable(before)
