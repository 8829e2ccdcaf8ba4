"""Programs scheduled by hand: convolutions, and a GEMM whose data is all on chip."""

from .conv2d import conv2d_program
from .layer import Conv2d, Conv2dMemory, LayerError
from .resident import ResidentGemm, resident_gemm_program

__all__ = ["Conv2d", "Conv2dMemory", "LayerError", "ResidentGemm", "conv2d_program", "resident_gemm_program"]
