"""Deployed networks compute what their graphs mean, on every target and however often they run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import dovetail as t
from dovetail import runtime
from dovetail.compiler.graph.deploy import build, deploy
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.graph import Builder, Graph
from dovetail.compiler.graph.interpreter import outputs
from dovetail.compiler.graph.ops.movement import Reshape, Slice
from dovetail.compiler.target import Target, VdlaTarget
from dovetail.isa import module_file
from dovetail.isa.config import AXI_BOUNDARY_BYTES
from dovetail.isa.module import Launch, Library, Plan, Space
from dovetail.runtime import Module
from tests.compiler.graph.networks import ACCELERATED, ON_CPU, SHAPE, Network, data_for, networks

TARGETS = (t.target.vdla("tiny"), t.target.vdla("default"), t.target.llvm())


def poison(module: Module, params: dict[str, NDArray[Any]]) -> None:
    """Noise wherever a tensor of the network may lie; its constants are written anew."""
    plan, rng = module.plan, np.random.default_rng(0)
    module._host.data[...] = rng.integers(0, 256, module._host.data.size, np.uint8)
    if module.device is not None and plan.dram_bytes:
        module.device.write(AXI_BOUNDARY_BYTES, rng.bytes(kept_from(plan, module.library) - AXI_BOUNDARY_BYTES))
    module.set_input(**params)


def kept_from(plan: Plan, library: Library) -> int:
    """Where in DRAM weights and what programs bring with them begin."""
    weights = [constant.offset for constant in plan.constants if constant.space is Space.DRAM]
    return min(weights + [segment.address for program in library.programs for segment in program.segments])


def check(graph: Graph, target: Target, device: str, *, fused: bool = True, seeds: tuple[int, ...] = (1, 2, 1)) -> Plan:
    """Runs with several sets of inputs, each twice, after noise in all memory."""
    plan, library, params = deploy(graph, target, fused=fused)
    with runtime.create(plan, library, device, **({"checks": True} if device == "rtl" else {})) as module:
        for seed in seeds:
            poison(module, params)
            given = data_for(graph, seed)
            module.run(**given)
            module.run()
            for place, wanted in enumerate(outputs(graph, given)):
                np.testing.assert_array_equal(module.get_output(place), wanted)
    return plan


@given(graph=networks(), fused=st.booleans())
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_networks_are_exact_everywhere(graph: Graph, fused: bool) -> None:
    for target in TARGETS:
        check(graph, target, "fsim" if isinstance(target, VdlaTarget) else "cpu", fused=fused)


def everything() -> Graph:
    """Every step once, those on the CPU in between; one more input than is used, and every kind of output."""
    network = Network(0)
    x, y = (network.input(name, SHAPE, "int8") for name in "xy")
    network.input("unused", (3, 0), "float32")
    values = [x, y]
    for number, step in enumerate((*ACCELERATED, *ON_CPU, Network.conv)):
        values.append(step(network, values[-1], values[number % 3]))
    image = network.image()
    rows = network.node(Reshape(shape=(2, 80)), image, name="rows")
    nothing = network.node(Slice(starts=(0,) * 4, sizes=(0, 5, 4, 4), steps=(1,) * 4), values[-1], name="nothing")
    return network.graph(values[-1], values[4], x, image, rows, nothing, values[-1])


@pytest.mark.parametrize("target", TARGETS, ids=["tiny", "default", "llvm"])
def test_every_operator_runs_where_it_should(target: Target) -> None:
    graph = everything()
    plan = check(graph, target, "fsim" if isinstance(target, VdlaTarget) else "cpu")
    assert [tensor.name for tensor in plan.inputs] == ["x", "y", "unused"]
    names = [value.name for value in graph.outputs]
    assert [tensor.name for tensor in plan.outputs] == [*names[:-1], f"{names[0]} 2"]
    there = {layer.name for layer in plan.layers if layer.on_accelerator}
    products = {node.name for node in graph.nodes if node.macs}
    assert there >= products if isinstance(target, VdlaTarget) else not there
    for layer in plan.layers:
        assert layer.on_accelerator == (layer.instructions is not None) == isinstance(plan.steps[layer.step], Launch)


@pytest.mark.rtl
def test_every_operator_is_exact_on_the_rtl() -> None:
    check(everything(), TARGETS[0], "rtl", seeds=(1,))


def test_operators_taken_apart_give_the_same() -> None:
    graph = everything()
    plans = [check(graph, TARGETS[0], "fsim", fused=fused) for fused in (True, False)]
    assert len(plans[0].layers) < len(plans[1].layers)


def test_tensors_share_memory() -> None:
    """A long chain takes no more than a short one, but for its weights."""
    sizes = []
    for length in (2, 12):
        network = Network(0)
        value = network.input("x", SHAPE, "int8")
        for _ in range(length):
            value = network.greatest(network.conv(value, value), value)
        plan, library, _ = deploy(network.graph(value), TARGETS[1])
        sizes.append((plan.host_bytes, kept_from(plan, library)))
        assert len(library.programs) == 1
    assert sizes[0] == sizes[1]


def test_a_graph_without_nodes_gives_its_inputs() -> None:
    b = Builder("nothing")
    x = b.input("x", (2,), "int8")
    for target in TARGETS:
        check(b.graph(x, x), target, "fsim" if isinstance(target, VdlaTarget) else "cpu")


@pytest.mark.parametrize(
    ("graph", "target", "params", "message"),
    [
        ("net", TARGETS[0], {}, "a graph is needed, as front ends make it, not str"),
        (everything(), "llvm", {}, "a target is needed, as dovetail.target makes it, not 'llvm'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(
    graph: Any, target: Any, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(GraphError) as error:
        build(graph, target, params)
    assert str(error.value) == message


def test_building_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    network = Network(0)
    graph = network.graph(network.conv(network.input("x", SHAPE, "int8"), network.image()))
    build(graph, TARGETS[0], progress=lambda *now: told.append(now))
    assert told[0] == ("optimising network", 0, 0)
    assert all(0 <= done < total for _, done, total in told[1:])
    assert {what.split()[0] for what, _, _ in told} == {"optimising", "scheduling", "compiling"}


CLIENT = """
import sys
import numpy as np
from dovetail import runtime

plan, library, params = runtime.load(sys.argv[1])
with runtime.create(plan, library, "fsim" if plan.config else "cpu") as module:
    module.set_input(**params)
    module.run(**np.load(sys.argv[2]))
    np.savez(sys.argv[3], *(module.get_output(place) for place in range(len(plan.outputs))))
print(sorted(name for name in sys.modules if name.startswith("dovetail.compiler")))
"""


@pytest.mark.parametrize("target", TARGETS[1:], ids=["default", "llvm"])
def test_a_saved_network_runs_without_the_compiler(tmp_path: Path, target: Target) -> None:
    graph = everything()
    given = data_for(graph, 5)
    module_file.save(tmp_path / "net.mod", *deploy(graph, target))
    np.savez(tmp_path / "in.npz", **given)
    paths = [str(tmp_path / name) for name in ("net.mod", "in.npz", "out.npz")]
    done = subprocess.run([sys.executable, "-c", CLIENT, *paths], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    with np.load(paths[-1]) as results:
        for place, wanted in enumerate(outputs(graph, given)):
            np.testing.assert_array_equal(results[f"arr_{place}"], wanted)
