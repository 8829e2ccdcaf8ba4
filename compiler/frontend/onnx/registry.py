"""Which function reads which operator, from which opset on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dovetail.compiler.graph.graph import Value

if TYPE_CHECKING:
    from .context import NodeContext

Results = Value | Sequence[Value | None]
Handler = Callable[["NodeContext"], Results]

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

_HANDLERS: dict[tuple[str, str], list[tuple[int, Handler]]] = {}


def handler(*names: str, since: int = 1, domain: str = "") -> Callable[[Handler], Handler]:
    """Registers a function for operators, with the meaning that they have from opset `since` on.

    The function gets a `NodeContext` and gives the node's outputs in order; None, or fewer, where one is not computed.
    """

    def register(function: Handler) -> Handler:
        for name in names:
            versions = _HANDLERS.setdefault((domain, name), [])
            versions.append((since, function))
            versions.sort(key=lambda entry: entry[0])
        return function

    return register


def find_handler(domain: str, name: str, version: int) -> Handler | None:
    """The function that reads an operator of an opset, if there is one."""
    fitting = [function for since, function in _HANDLERS.get((domain, name), ()) if since <= version]
    return fitting[-1] if fitting else None


def first_opset(domain: str, name: str) -> int | None:
    """The least opset of which an operator is read; None for one that has no handler."""
    return min((since for since, _ in _HANDLERS.get((domain, name), ())), default=None)


def operators() -> list[tuple[str, str]]:
    """Domain and name of all operators that have a handler."""
    return sorted(_HANDLERS)
