"""Objects of compiled programs, which are kept in the cache."""

from __future__ import annotations

from dovetail.isa.native.objects import cached

from . import pipeline
from .target import CpuTarget

CACHE_KIND = "llvm"


def object_for(text: str, target: CpuTarget) -> bytes:
    """The object of a module, from the cache if it is there."""
    parts = [str(pipeline.OPTIONS), target.triple, target.cpu, ",".join(target.features), text]
    return cached(CACHE_KIND, parts, lambda: pipeline.assemble(text, target))
