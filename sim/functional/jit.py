"""Compiles the kernels for this machine's CPU, once a configuration; objects are kept in the cache folder."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from dovetail.isa.config import Config
from dovetail.isa.native import objects

from .kernels import module

CACHE_KIND = "fsim"


@dataclass(frozen=True)
class Kernels:
    """The compiled functions of `kernels.module`; they take addresses as integers."""

    gemm: Callable[..., int]
    alu: Callable[..., int]
    out: Callable[..., None]
    code: object
    """Owns the code; it lives as long as the functions may be called."""


@lru_cache(maxsize=16)
def kernels(config: Config) -> Kernels:
    """The functions for `config`, from the cache folder when they are there."""
    code = objects.load([objects.assemble(CACHE_KIND, module(config))])
    address, size = ctypes.c_void_p, ctypes.c_int32
    return Kernels(
        gemm=ctypes.CFUNCTYPE(size, *[address] * 5)(code.address_of("gemm")),
        alu=ctypes.CFUNCTYPE(size, *[address] * 4)(code.address_of("alu")),
        out=ctypes.CFUNCTYPE(None, *[address] * 5)(code.address_of("out")),
        code=code,
    )
