"""Objects loaded into this process."""

from __future__ import annotations

import llvmlite.binding as llvm

from . import cache, pipeline
from .target import CpuTarget


def object_for(text: str, target: CpuTarget) -> bytes:
    """The object of a module, from the cache if it is there."""
    key = cache.object_key(text, target)
    code = cache.read_object(key)
    if code is None:
        code = pipeline.assemble(text, target)
        cache.write_object(key, code)
    return code


def load_object(code: bytes, target: CpuTarget) -> llvm.ExecutionEngine:
    """The engine that owns the loaded code: addresses of functions are valid as long as it lives."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine
