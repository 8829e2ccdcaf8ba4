"""Operators for the CPU: tensor expressions with schedules that keep a tile of results in vector registers.

Lanes of vectors are output channels wherever a group has enough of them, else output columns. Weights are constants,
which `CpuOperator.pack` puts into the order in which the loops read them.
"""

from __future__ import annotations

from .conv2d import conv2d_float32, conv2d_int8
from .function import CpuFunction, build
from .knobs import Conv2dKnobs, MatmulKnobs, Unpack
from .matmul import matmul_float32, matmul_int8
from .operator import CpuOperator
from .pool2d import avg_pool2d, max_pool2d
from .requantise import Requantised, Sums

__all__ = [
    "Conv2dKnobs",
    "CpuFunction",
    "CpuOperator",
    "MatmulKnobs",
    "Requantised",
    "Sums",
    "Unpack",
    "avg_pool2d",
    "build",
    "conv2d_float32",
    "conv2d_int8",
    "matmul_float32",
    "matmul_int8",
    "max_pool2d",
]
