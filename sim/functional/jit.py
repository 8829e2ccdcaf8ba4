"""Compiles the kernels for this machine's CPU, once a configuration; objects are kept in the cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from dovetail.isa.config import Config
from dovetail.sim.cache import cache_dir

from .kernels import module

DIGEST_BYTES = hashlib.sha256().digest_size


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
    code = _read(key)
    if code is None:
        code = _compile(source, machine)
        _write(key, code)
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


def _path(key: str) -> Path:
    return cache_dir() / "fsim" / f"{key}.o"


def _read(key: str) -> bytes | None:
    """The object in the cache, unless it is missing or damaged: linking half an object would end the process."""
    try:
        content = _path(key).read_bytes()
    except OSError:
        return None
    digest, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(key: str, code: bytes) -> None:
    """Put the object in place in one step, so that nobody reads half of it; without a writable folder, do without."""
    try:
        path = _path(key)
        path.parent.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError:
        return
