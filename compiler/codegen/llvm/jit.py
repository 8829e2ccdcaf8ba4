"""Objects loaded into this process."""

from __future__ import annotations

import hashlib

import llvmlite
import llvmlite.binding as llvm

from dovetail.isa.cache import read_object, write_object

from . import pipeline
from .target import CpuTarget

CACHE_KIND = "llvm"


def object_for(text: str, target: CpuTarget) -> bytes:
    """The object of a module, from the cache if it is there."""
    key = _key(text, target)
    code = read_object(CACHE_KIND, key)
    if code is None:
        code = pipeline.assemble(text, target)
        write_object(CACHE_KIND, key, code)
    return code


def load_object(code: bytes, target: CpuTarget) -> llvm.ExecutionEngine:
    """The engine that owns the loaded code: addresses of functions are valid as long as it lives."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _key(text: str, target: CpuTarget) -> str:
    """What the object of a module depends on, as a file name."""
    parts = [llvmlite.__version__, str(pipeline.OPTIONS), target.triple, target.cpu, ",".join(target.features), text]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
