"""Compiles the kernels for this machine's CPU, once a configuration; objects are kept in the cache folder."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import llvmlite
import llvmlite.binding as llvm

from dovetail.isa.cache import read_object, write_object
from dovetail.isa.config import Config

from .kernels import module

CACHE_KIND = "fsim"


@dataclass(frozen=True)
class Kernels:
    """The compiled functions of `kernels.module`; they take addresses as integers."""

    gemm: Callable[..., int]
    alu: Callable[..., int]
    out: Callable[..., None]
    engine: object
    """Owns the code; it lives as long as the functions may be called."""


@lru_cache(maxsize=16)
def kernels(config: Config) -> Kernels:
    """The functions for `config`, from the cache folder when they are there."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    source = module(config)
    key = hashlib.sha256("\n".join([llvmlite.__version__, cpu, features, source]).encode()).hexdigest()[:24]
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3, jit=True)
    code = read_object(CACHE_KIND, key)
    if code is None:
        code = _compile(source, machine)
        write_object(CACHE_KIND, key, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address, size = ctypes.c_void_p, ctypes.c_int32
    return Kernels(
        gemm=ctypes.CFUNCTYPE(size, *[address] * 5)(engine.get_function_address("gemm")),
        alu=ctypes.CFUNCTYPE(size, *[address] * 4)(engine.get_function_address("alu")),
        out=ctypes.CFUNCTYPE(None, *[address] * 5)(engine.get_function_address("out")),
        engine=engine,
    )


def _compile(source: str, machine: llvm.TargetMachine) -> bytes:
    parsed = llvm.parse_assembly(source)
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return bytes(machine.emit_object(parsed))
