"""The order of execution: legal, and with no more starts of the accelerator than dependences ask for."""

from __future__ import annotations

from hypothesis import given, settings

from dovetail.compiler.graph.graph import Graph
from dovetail.compiler.graph.lifetimes import segments
from dovetail.compiler.graph.ops.layout import OnAccelerator
from dovetail.compiler.graph.passes.cluster import cluster
from dovetail.compiler.graph.verifier import verify
from tests.compiler.graph.networks import laid_out


def starts_on_one_path(graph: Graph) -> int:
    """The most runs of nodes on the accelerator that depend on one another through nodes that are not."""
    starts: dict[str, int] = {}
    kinds = {node.name: isinstance(node.op, OnAccelerator) for node in graph.nodes}
    for node in graph.nodes:
        before = [value.name for value in node.inputs if value.name in kinds]
        mine = kinds[node.name]
        starts[node.name] = max([starts[name] + (mine and not kinds[name]) for name in before], default=int(mine))
    return max(starts.values(), default=0)


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_orders_are_legal_and_start_the_accelerator_seldom(sample: tuple[Graph, object, Graph]) -> None:
    graph = sample[2]
    ordered = verify(cluster(graph))
    assert set(ordered.nodes) == set(graph.nodes)
    runs = [run for run in segments(ordered) if run.on_accelerator]
    assert len(runs) == starts_on_one_path(graph)


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_without_the_accelerator_the_order_stays(sample: tuple[Graph, object, Graph]) -> None:
    assert cluster(sample[0]) == sample[0]
