"""The compiler: from descriptions of computations to programs. It knows the machine only through `dovetail.isa`.

`build` compiles a graph, as front ends make it, for a target.
"""

from __future__ import annotations

from typing import Any

__all__ = ["build"]


def __getattr__(name: str) -> Any:
    if name == "build":
        from .graph.deploy import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
