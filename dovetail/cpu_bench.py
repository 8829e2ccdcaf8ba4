"""The layers of ResNet-18 on this machine's CPU: how fast they are compiled to be, beside ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dovetail.compiler.ops.cpu import CpuOperator, Requantised, build, conv2d_float32, conv2d_int8
from dovetail.compiler.ops.cpu.requantise import form_of
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.isa.progress import Progress, silent
from dovetail.onnx_conv import Array, Call, OnnxConv, require_packages
from dovetail.reference import conv2d
from dovetail.workload import RESNET18, LayerData, WorkloadError, expected_output, random_data

LAYERS = tuple(name for name in RESNET18 if name != "C1")
"""The document's figures, and those of all who compare with it, are of C2 to C12."""
ROUNDS = 25
BATCHES = 15
BATCH_ROUNDS = 9
WARM_UP = 3
CLOSE = 1e-5
"""What float32 may differ from float64, as a part of the largest output."""
UNSIGNED = 128
"""ONNX Runtime is measured on uint8 activations with this zero point, with which it is fastest."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One layer in one type. Times are medians, in milliseconds.

    Attributes
    ----------
    dtype:
        float32 or int8.
    right:
        Outputs are those of NumPy: int8 exactly, float32 to `CLOSE`; ONNX Runtime's to rounding.
    ratio:
        Our speed over ONNX Runtime's, one thread each.
    threads2_ratio:
        The speed of two threads over that of one, ours, measured in turn.
    """

    dtype: str
    right: bool
    max_error: float
    milliseconds: float
    onnxruntime_milliseconds: float
    ratio: float
    threads2_milliseconds: float
    threads2_ratio: float


@dataclass(frozen=True, kw_only=True)
class LayerSpeed:
    """A layer in both types."""

    workload: str
    macs: int
    float32: Speed
    int8: Speed


@dataclass(frozen=True, kw_only=True)
class CpuSpeed:
    """What `measure_cpu` found."""

    layers: tuple[LayerSpeed, ...]

    @property
    def right(self) -> bool:
        return all(speed.right for layer in self.layers for speed in (layer.float32, layer.int8))

    @property
    def total(self) -> dict[str, float]:
        """Geometric means."""
        both = [speed for layer in self.layers for speed in (layer.float32, layer.int8)]
        return {
            "float32_ratio": statistics.geometric_mean([layer.float32.ratio for layer in self.layers]),
            "int8_ratio": statistics.geometric_mean([layer.int8.ratio for layer in self.layers]),
            "threads2_ratio": statistics.geometric_mean([speed.threads2_ratio for speed in both]),
        }

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"layers": [asdict(layer) for layer in self.layers], "total": self.total}


@dataclass(frozen=True)
class Case:
    """What is computed: by ours, by the reference and by ONNX Runtime's operator."""

    dtype: str
    operator: CpuOperator
    data: Array
    constants: tuple[Array, ...]
    expected: Array
    tolerance: float
    onnx: OnnxConv
    onnx_offset: int
    onnx_tolerance: float


def measure_cpu(names: Sequence[str] = LAYERS, *, seed: int = 0, progress: Progress = silent) -> CpuSpeed:
    """Check and measure layers, one after the other, in float32 and int8.

    Raises
    ------
    WorkloadError:
        There is no such layer.
    PackageMissing:
        onnx or onnxruntime is not installed.
    """
    check_layers(names)
    require_packages()
    layers = []
    for name in names:
        shape = RESNET18[name]
        progress(f"{name}: float32", 0, 0)
        float32 = _measure(float32_case(shape, seed))
        progress(f"{name}: int8", 0, 0)
        int8 = _measure(int8_case(shape, random_data(shape, seed)))
        layers.append(LayerSpeed(workload=name, macs=shape.macs, float32=float32, int8=int8))
    return CpuSpeed(layers=tuple(layers))


def check_layers(names: Sequence[str]) -> None:
    """Refuses names of no layer.

    Raises
    ------
    WorkloadError:
        There is one.
    """
    for name in names:
        if name not in RESNET18:
            raise WorkloadError(f"no layer {name!r}; use C1 to C{len(RESNET18)}, with commas between")


def float32_case(shape: Conv2dShape, seed: int) -> Case:
    """Normally distributed data and weights."""
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((shape.n, shape.ic, shape.h, shape.w), np.float32)
    weights = rng.standard_normal((shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.float32)
    expected = conv2d(data, weights, shape.strides, shape.pads, shape.dilation, shape.groups)
    tolerance = CLOSE * float(np.abs(expected).max())
    operator = conv2d_float32(shape)
    onnx = OnnxConv("Conv", shape, data, {"w": weights})
    return Case("float32", operator, data, (weights,), expected, tolerance, onnx, 0, tolerance)


def int8_case(shape: Conv2dShape, data: LayerData) -> Case:
    """Ours requantises in integers, ONNX Runtime in float32, so that it may round to the neighbour."""
    constants = data.wgt, data.bias, data.multiplier, data.shift
    onnx_constants: dict[str, Array] = {
        "x_scale": np.array(1, np.float32),
        "x_zero": np.array(UNSIGNED, np.uint8),
        "w": data.wgt,
        "w_scale": (data.multiplier / 2.0**data.shift).astype(np.float32),
        "w_zero": np.zeros(shape.oc, np.int8),
        "y_scale": np.array(1, np.float32),
        "y_zero": np.array(UNSIGNED, np.uint8),
        "bias": data.bias,
    }
    operator = conv2d_int8(shape, Requantised(form=form_of(*constants)))
    unsigned = data.inp.view(np.uint8) ^ np.uint8(UNSIGNED)
    onnx = OnnxConv("QLinearConv", shape, unsigned, onnx_constants)
    return Case("int8", operator, data.inp, constants, expected_output(shape, data), 0, onnx, UNSIGNED, 1)


def _measure(case: Case) -> Speed:
    arrays = [case.data, *case.operator.pack(*case.constants)]
    errors, calls = [], []
    for threads in (1, 2):
        out = np.empty(case.expected.shape, case.data.dtype)
        calls.append(build(case.operator, threads).bind(*arrays, out))
        calls[-1]()
        errors.append(_error(out, case.expected, 0))
    theirs_out = np.empty(case.expected.shape, case.onnx.data.dtype)
    theirs = case.onnx.bound(theirs_out)
    theirs()
    off = _error(theirs_out, case.expected, case.onnx_offset)
    one, two = calls
    ours_seconds, onnx_seconds = in_turn((one, theirs))
    single, double = in_batches((one, two))
    return Speed(
        dtype=case.dtype,
        right=max(errors) <= case.tolerance and off <= case.onnx_tolerance,
        max_error=max(errors),
        milliseconds=1e3 * ours_seconds,
        onnxruntime_milliseconds=1e3 * onnx_seconds,
        ratio=onnx_seconds / ours_seconds,
        threads2_milliseconds=1e3 * double,
        threads2_ratio=single / double,
    )


def _error(found: Array, expected: Array, offset: int) -> float:
    return float(np.abs(found.astype(np.float64) - offset - expected.astype(np.float64)).max())


def in_turn(calls: Sequence[Call], rounds: int = ROUNDS) -> list[float]:
    """Median seconds of each call. They take turns, so that what else the machine does falls on all alike, and each is
    timed after an untimed call of its own."""
    times: list[list[float]] = [[] for _ in calls]
    for count in range(WARM_UP + rounds):
        for call, seconds in zip(calls, times, strict=True):
            call()
            begin = time.perf_counter()
            call()
            if count >= WARM_UP:
                seconds.append(time.perf_counter() - begin)
    return [statistics.median(seconds) for seconds in times]


def in_batches(calls: Sequence[Call], batches: int = BATCHES, rounds: int = BATCH_ROUNDS) -> list[float]:
    """Median seconds of each call, called again and again in batches that take turns; of the fastest batch.

    Threads that wait for work spin for a while, which a call of another kind in between would fall into.
    """
    best = [float("inf") for _ in calls]
    for _ in range(batches):
        for place, call in enumerate(calls):
            best[place] = min(best[place], in_turn((call,), rounds)[0])
    return best
