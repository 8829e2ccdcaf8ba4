"""Layouts: a graph means the same with its operators on packed tensors, and packs no more than it must."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from dovetail.compiler.graph.graph import Graph, Value
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.layout import OnAccelerator, Pack, Unpack
from dovetail.compiler.graph.ops.movement import Reshape
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.passes.lay_out import Forms
from dovetail.compiler.graph.verifier import verify
from tests.compiler.graph.networks import data_for, laid_out

Sample = tuple[Graph, dict[str, Forms], Graph]


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_the_meaning_stays(sample: Sample) -> None:
    graph, _, after = sample
    verify(after)
    assert (after.inputs, after.outputs) == (graph.inputs, graph.outputs)
    inputs = data_for(graph, 0)
    for one, other in zip(outputs(graph, inputs), outputs(after, inputs), strict=True):
        np.testing.assert_array_equal(one, other)


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_what_agrees_is_not_converted(sample: Sample) -> None:
    """An operand is packed from rows only if no operator on the accelerator gives it in these bytes."""
    graph, forms, after = sample
    accelerated = {node.op.result: node for node in after.nodes if isinstance(node.op, OnAccelerator)}
    assert accelerated.keys() == forms.keys()
    for name, node in accelerated.items():
        before = next(one for one in graph.nodes if one.name == name)
        for value, form, zeros, taken in zip(
            before.inputs, forms[name].inputs, forms[name].zeros, node.inputs, strict=True
        ):
            source = reshaped_from(graph, value)
            if form is None or source.name not in forms or zeros:
                continue
            there = forms[source.name].output
            same = Packing(type=form.type, arrangement=there.arrangement, layout=there.layout).same_bytes(form)
            assert (taken == accelerated[source.name].output) == same


@given(laid_out())
@settings(max_examples=30, deadline=None)
def test_nothing_is_converted_twice(sample: Sample) -> None:
    after = sample[2]
    unpacked = [node.inputs for node in after.nodes if isinstance(node.op, Unpack)]
    assert len(set(unpacked)) == len(unpacked)
    packs = [node for node in after.nodes if isinstance(node.op, Pack)]
    filled = {node.output for node in packs}
    for one in packs:
        again = [node for node in packs if node.inputs == one.inputs and node.op == one.op]
        assert again == [one]
    for node in after.nodes:
        if isinstance(node.op, OnAccelerator):
            wanted = sample[1][node.op.result].zeros
            assert all(value in filled for value, zeros in zip(node.inputs, wanted, strict=True) if zeros)


def reshaped_from(graph: Graph, value: Value) -> Value:
    node = graph.producers.get(value)
    return reshaped_from(graph, node.inputs[0]) if node is not None and isinstance(node.op, Reshape) else value
