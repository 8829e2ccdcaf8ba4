"""The order of the passes that make an imported graph fast, whatever it is built for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .graph import Graph
from .passes.fold_batch_norm import fold_batch_norm
from .passes.fold_constants import fold_constants, fold_integers
from .passes.fold_padding import fold_padding
from .passes.fuse import fuse
from .passes.fuse_residual import fuse_residual
from .passes.recognise import recognise
from .passes.remove_dead import remove_dead
from .passes.signed import signed
from .passes.sink_dequantise import sink_dequantise
from .passes.unfuse import unfuse
from .verifier import verify

Pass = Callable[[Graph], Graph]

OPTIMISATIONS: tuple[tuple[str, Pass], ...] = (
    ("fold_integers", fold_integers),
    ("remove_dead", remove_dead),
    ("signed", signed),
    ("fold_padding", fold_padding),
    ("fold_batch_norm", fold_batch_norm),
    ("sink_dequantise", sink_dequantise),
    ("fold_integers", fold_integers),
    ("recognise", recognise),
    ("fold_padding", fold_padding),
    ("fold_constants", fold_constants),
    ("remove_dead", remove_dead),
    ("fuse", fuse),
)
"""Names and passes, in order; the last is that for which `optimise` has options."""


def optimise(graph: Graph, *, fused: bool = True, exact: bool = True) -> Graph:
    """The graph after all passes, which compute what it computes.

    Parameters
    ----------
    graph:
        With its parameters bound: passes look at weights.
    fused:
        Whether operators are joined; without it they are taken apart, each with its result in memory.
    exact:
        Whether a layer's result is rounded and bounded before a sum wherever the model says so. Without it sums of
        such results are fused too, as `fuse_residual` says.
    """
    for _, result in stages(graph, fused=fused, exact=exact):
        graph = result
    return graph


def stages(graph: Graph, *, fused: bool = True, exact: bool = True) -> Iterator[tuple[str, Graph]]:
    """The name of each pass and the graph after it, for printing; `optimise` says more.

    Raises
    ------
    GraphError:
        A pass broke a rule of graphs.
    """
    passes = OPTIMISATIONS if fused else (*OPTIMISATIONS[:-1], ("unfuse", unfuse))
    if fused and not exact:
        passes = (*passes, ("fuse_residual", fuse_residual))
    verify(graph)
    for name, apply in passes:
        graph = verify(apply(graph))
        yield name, graph
