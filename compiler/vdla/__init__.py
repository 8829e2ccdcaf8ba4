"""The accelerator as schedules see it: scopes of memory, and tensor intrinsics of a configuration."""

from dovetail.isa.config import Config

from .intrinsics import Vdla, accumulate, gemm
from .scopes import ACC_BUFFER, INP_BUFFER, LANES, ON_CHIP, WGT_BUFFER

DEFAULT = Vdla(Config())
"""The machine of the default configuration."""

__all__ = ["ACC_BUFFER", "DEFAULT", "INP_BUFFER", "LANES", "ON_CHIP", "WGT_BUFFER", "Vdla", "accumulate", "gemm"]
