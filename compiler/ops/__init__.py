"""Operators as tensor expressions with schedules: for the accelerator here, for the CPU in `cpu`."""

from __future__ import annotations

from .conv2d import conv2d, matmul
from .elementwise import add, clip, relu, rescale
from .errors import OperatorError
from .knobs import Conv2dKnobs
from .operator import Operator
from .pool2d import avg_pool2d, max_pool2d
from .scales import Output, Scale
from .shapes import Conv2dShape, MatmulShape, Pool2dShape
from .sums import requantise_sums
from .tiled import TileKnobs
from .transfers import Memory

__all__ = [
    "Conv2dKnobs",
    "Conv2dShape",
    "MatmulShape",
    "Memory",
    "Operator",
    "OperatorError",
    "Output",
    "Pool2dShape",
    "Scale",
    "TileKnobs",
    "add",
    "avg_pool2d",
    "clip",
    "conv2d",
    "matmul",
    "max_pool2d",
    "relu",
    "requantise_sums",
    "rescale",
]
