"""What depends on constants alone, computed now."""

from __future__ import annotations

import numpy as np

from dovetail.compiler.graph.graph import Graph
from dovetail.compiler.graph.ops.quantised import Dequantize

from .rewriting import Rewriter

LARGEST = 1 << 28
"""Bytes of a result that a constant is made of; larger ones, as of a hostile model, are left for the run."""


def fold_constants(graph: Graph) -> Graph:
    """Constants instead of nodes that read nothing else."""
    return _folded(graph, keep_quantised=False)


def fold_integers(graph: Graph) -> Graph:
    """As `fold_constants`, but what Dequantize makes of constants stays: quantised operators want the integers."""
    return _folded(graph, keep_quantised=True)


def _folded(graph: Graph, *, keep_quantised: bool) -> Graph:
    rewriter = Rewriter(graph)
    for node in graph.nodes:
        arrays = [rewriter.contents(value) for value in node.inputs]
        known = [array for array in arrays if array is not None]
        kept = keep_quantised and isinstance(node.op, Dequantize)
        if len(known) < len(arrays) or kept or node.output.type.nbytes > LARGEST or node.output in graph.outputs:
            rewriter.keep(node)
        else:
            rewriter.fold(node.output, np.ascontiguousarray(node.op.evaluate(*known)).reshape(node.output.type.shape))
    return rewriter.finish()
