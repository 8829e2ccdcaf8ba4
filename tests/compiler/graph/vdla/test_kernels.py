"""Nodes on the accelerator compute what they mean, whatever lies around their operands in DRAM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.graph.graph import Node, Value
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.graph.vdla.support import why_not
from dovetail.isa.config import Config, load_config
from tests.compiler.graph.vdla.kernels import kernel_of, run
from tests.compiler.graph.vdla.samples import KINDS, Sample

CONFIGS = ("tiny", "small", "default", "batch8")


def check(sample: Sample, config: Config, device: str = "fsim", *, checks: bool = False) -> None:
    kernel = kernel_of(sample.op, sample.arrays, sample.running, config)
    result, _ = run(kernel, sample.arrays, device, checks=checks)
    np.testing.assert_array_equal(result, sample.op.evaluate(*sample.arrays))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=12, deadline=None)
def test_random_nodes_are_exact(kind: str, data: st.DataObject) -> None:
    sample = data.draw(KINDS[kind]())
    config = load_config(data.draw(st.sampled_from(CONFIGS)))
    inputs = tuple(Value(f"x{number}", TensorType.of(array)) for number, array in enumerate(sample.arrays))
    node = Node(sample.op, inputs, Value("y", sample.op.infer(*(value.type for value in inputs))))
    constants = {inputs[place]: array for place, array in enumerate(sample.arrays) if place not in sample.running}
    if why_not(node, constants, config) is None:
        check(sample, config)
