"""Workloads by name: the layers of ResNet-18, and convolutions of any shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.handmade.layer import Conv2d, LayerError

CONV2D_FIELDS = ("N", "H", "W", "IC", "OC", "K", "S", "P")
MULTIPLIER_SHIFT = 31
"""Multipliers are fractions of 2**31, at least a half, so that they are as precise as they can be."""
MAX_DIGITS = 9
"""Of a workload's numbers: no size is near it."""
TYPICAL_OUTPUT = 40.0
"""Standard deviation of outputs, so that they use the range of int8 and a few saturate."""


class WorkloadError(ValueError):
    """A workload's name is unknown or its numbers make no sense."""


@dataclass(frozen=True)
class Workload:
    """A layer with a name."""

    name: str
    layer: Conv2d


@dataclass(frozen=True)
class ConvData:
    """Inputs of a layer.

    Attributes
    ----------
    inp: int8 [n, ic, h, w]
    wgt: int8 [oc, ic, k, k]
    bias, multiplier: int32 [oc]
    shift: uint8 [oc]
    """

    inp: NDArray[np.int8]
    wgt: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.uint8]


def _resnet(size: int, ic: int, oc: int, k: int, stride: int) -> Conv2d:
    return Conv2d(h=size, w=size, ic=ic, oc=oc, k=k, stride=stride, pad=k // 2)


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


def parse_workload(text: str) -> Workload:
    """``C1`` to ``C12``, or ``conv2d:N,H,W,IC,OC,K,S,P``.

    Raises
    ------
    WorkloadError:
        Neither of these, or sizes that are no convolution.
    """
    if text in RESNET18:
        return Workload(text, RESNET18[text])
    kind, _, numbers = text.partition(":")
    if kind != "conv2d":
        raise WorkloadError(f"no workload {text!r}; use C1 to C{len(RESNET18)}, or conv2d:{','.join(CONV2D_FIELDS)}")
    parts = numbers.split(",")
    if len(parts) != len(CONV2D_FIELDS) or not all(part.strip().isdecimal() for part in parts):
        raise WorkloadError(
            f"{text!r}: conv2d takes {len(CONV2D_FIELDS)} whole numbers, conv2d:{','.join(CONV2D_FIELDS)}"
        )
    for name, part in zip(CONV2D_FIELDS, parts, strict=True):
        if len(part.strip()) > MAX_DIGITS:
            raise WorkloadError(f"conv2d: {name} has {len(part.strip())} digits; the limit is {MAX_DIGITS}")
    n, h, w, ic, oc, k, stride, pad = (int(part) for part in parts)
    try:
        return Workload(text, Conv2d(n=n, h=h, w=w, ic=ic, oc=oc, k=k, stride=stride, pad=pad))
    except LayerError as error:
        raise WorkloadError(f"{text!r}: {error}") from None


def random_data(layer: Conv2d, seed: int = 0) -> ConvData:
    """Seeded inputs and weights over all of int8, with requantisation that fits the sums they give."""
    rng = np.random.default_rng(seed)
    inp = rng.integers(-128, 128, (layer.n, layer.ic, layer.h, layer.w), np.int8)
    wgt = rng.integers(-127, 128, (layer.oc, layer.ic, layer.k, layer.k), np.int8)
    spread = float(np.std(np.arange(-128, 128))) ** 2 * (layer.ic * layer.k**2) ** 0.5
    scale = TYPICAL_OUTPUT / spread * rng.uniform(0.5, 1.5, layer.oc)
    fraction, exponent = np.frexp(scale)
    return ConvData(
        inp=inp,
        wgt=wgt,
        bias=rng.integers(-int(spread), int(spread), layer.oc, np.int32, endpoint=True),
        multiplier=np.minimum(np.round(fraction * 2.0**MULTIPLIER_SHIFT), 2**31 - 1).astype(np.int32),
        shift=(MULTIPLIER_SHIFT - exponent).astype(np.uint8),
    )
