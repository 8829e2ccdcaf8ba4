"""Workloads by name: the layers of ResNet-18, convolutions and matrix products of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail import reference
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape

Shape = Conv2dShape | MatmulShape

FIELDS = {"conv2d": ("N", "H", "W", "IC", "OC", "K", "S", "P"), "matmul": ("M", "N", "K")}
MULTIPLIER_SHIFT = 31
"""Multipliers are fractions of 2**31, at least a half, so that they are as precise as they can be."""
MAX_TENSOR_BYTES = 1 << 27
"""Of a workload's tensors: the reference computes in float64 and takes many times as much."""
MAX_DIGITS = 9
"""Of a workload's numbers: no size is near it."""
TYPICAL_OUTPUT = 40.0
"""Standard deviation of outputs, so that they use the range of int8 and a few saturate."""


class WorkloadError(ValueError):
    """A workload's name is unknown or its numbers make no sense."""


@dataclass(frozen=True)
class Workload:
    """A layer with a name.

    Raises
    ------
    WorkloadError:
        It is too large for the reference.
    """

    name: str
    shape: Shape

    def __post_init__(self) -> None:
        size = tensor_bytes(self.shape)
        if size > MAX_TENSOR_BYTES:
            raise WorkloadError(
                f"{self.name}: {size} bytes of tensors; the limit is {MAX_TENSOR_BYTES}, for the reference's sake: use "
                f"smaller sizes"
            )


@dataclass(frozen=True)
class LayerData:
    """Inputs of a layer.

    Attributes
    ----------
    inp: int8 [n, ic, h, w], or [m, k]
    wgt: int8 [oc, ic / groups, kh, kw], or [n, k]
    bias, multiplier, shift: int32, of each output channel
    """

    inp: NDArray[np.int8]
    wgt: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int32]

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """All of them, in the order in which operators take them."""
        return self.inp, self.wgt, self.bias, self.multiplier, self.shift


def _resnet(size: int, ic: int, oc: int, k: int, stride: int) -> Conv2dShape:
    return Conv2dShape(h=size, w=size, ic=ic, oc=oc, kh=k, kw=k, strides=(stride, stride), pads=(k // 2,) * 4)


RESNET18 = {
    "C1": _resnet(224, 3, 64, 7, 2),
    "C2": _resnet(56, 64, 64, 3, 1),
    "C3": _resnet(56, 64, 64, 1, 1),
    "C4": _resnet(56, 64, 128, 3, 2),
    "C5": _resnet(56, 64, 128, 1, 2),
    "C6": _resnet(28, 128, 128, 3, 1),
    "C7": _resnet(28, 128, 256, 3, 2),
    "C8": _resnet(28, 128, 256, 1, 2),
    "C9": _resnet(14, 256, 256, 3, 1),
    "C10": _resnet(14, 256, 512, 3, 2),
    "C11": _resnet(14, 256, 512, 1, 2),
    "C12": _resnet(7, 512, 512, 3, 1),
}


def is_layer(text: str) -> bool:
    """Whether a text begins as `parse_workload` wants."""
    return text in RESNET18 or text.partition(":")[0] in FIELDS


def parse_workload(text: str) -> Workload:
    """``C1`` to ``C12``, ``conv2d:N,H,W,IC,OC,K,S,P`` or ``matmul:M,N,K``.

    Raises
    ------
    WorkloadError:
        None of these, or sizes that make no layer.
    """
    if text in RESNET18:
        return Workload(text, RESNET18[text])
    kind, _, numbers = text.partition(":")
    if not is_layer(text):
        forms = " or ".join(f"{name}:{','.join(fields)}" for name, fields in FIELDS.items())
        raise WorkloadError(f"no workload {text!r}; use C1 to C{len(RESNET18)}, or {forms}")
    fields, parts = FIELDS[kind], numbers.split(",")
    if len(parts) != len(fields) or not all(part.strip().isdecimal() for part in parts):
        raise WorkloadError(f"{text!r}: {kind} takes {len(fields)} whole numbers, {kind}:{','.join(fields)}")
    for name, part in zip(fields, parts, strict=True):
        if len(part.strip()) > MAX_DIGITS:
            raise WorkloadError(f"{kind}: {name} has {len(part.strip())} digits; the limit is {MAX_DIGITS}")
    try:
        return Workload(text, _shape(kind, *(int(part) for part in parts)))
    except OperatorError as error:
        raise WorkloadError(f"{text!r}: {error}") from None


def _shape(kind: str, *sizes: int) -> Shape:
    if kind == "matmul":
        m, n, k = sizes
        return MatmulShape(m=m, n=n, k=k)
    n, h, w, ic, oc, k, stride, pad = sizes
    return Conv2dShape(n=n, h=h, w=w, ic=ic, oc=oc, kh=k, kw=k, strides=(stride, stride), pads=(pad,) * 4)


def random_data(shape: Shape, seed: int = 0) -> LayerData:
    """Seeded inputs and weights over all of int8, with requantisation that fits the sums they give."""
    rng = np.random.default_rng(seed)
    if isinstance(shape, MatmulShape):
        channels, terms = shape.n, shape.k
        inp = rng.integers(-128, 128, (shape.m, shape.k), np.int8)
        wgt = rng.integers(-127, 128, (shape.n, shape.k), np.int8)
    else:
        channels, terms = shape.oc, shape.ic // shape.groups * shape.kh * shape.kw
        inp = rng.integers(-128, 128, (shape.n, shape.ic, shape.h, shape.w), np.int8)
        wgt = rng.integers(-127, 128, (shape.oc, shape.ic // shape.groups, shape.kh, shape.kw), np.int8)
    spread = float(np.std(np.arange(-128, 128))) ** 2 * terms**0.5
    scale = TYPICAL_OUTPUT / spread * rng.uniform(0.5, 1.5, channels)
    fraction, exponent = np.frexp(scale)
    return LayerData(
        inp=inp,
        wgt=wgt,
        bias=rng.integers(-int(spread), int(spread), channels, np.int32, endpoint=True),
        multiplier=np.minimum(np.round(fraction * 2.0**MULTIPLIER_SHIFT), 2**31 - 1).astype(np.int32),
        shift=(MULTIPLIER_SHIFT - exponent).astype(np.int32),
    )


def expected_output(shape: Shape, data: LayerData) -> NDArray[np.int8]:
    """What the layer gives, int8, by the NumPy reference."""
    if isinstance(shape, MatmulShape):
        sums = reference.matmul(data.inp, data.wgt)
    else:
        sums = reference.conv2d(data.inp, data.wgt, shape.strides, shape.pads, shape.dilation, shape.groups)
    return reference.requantise(sums, data.bias, data.multiplier, data.shift)


def tensor_bytes(shape: Shape) -> int:
    """Bytes of a layer's input, weights and output, each once."""
    if isinstance(shape, MatmulShape):
        return shape.m * shape.k + shape.n * shape.k + shape.m * shape.n
    activations = shape.n * (shape.ic * shape.h * shape.w + shape.oc * shape.out_h * shape.out_w)
    return activations + shape.oc * shape.ic // shape.groups * shape.kh * shape.kw


def output_channels(shape: Shape) -> int:
    """How many channels are requantised, each with its own record."""
    return shape.n if isinstance(shape, MatmulShape) else shape.oc
