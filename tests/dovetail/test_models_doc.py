"""What docs/models.md shows is what its examples print; see `pages`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

import dovetail as t
from dovetail import runtime
from dovetail.compiler.frontend import from_onnx
from dovetail.compiler.graph import Graph, Value, deploy
from dovetail.compiler.graph.passes.group_elementwise import group_elementwise
from dovetail.compiler.graph.pipeline import OPTIMISATIONS, stages
from dovetail.isa.disassembler import disassemble
from dovetail.isa.module import Call, Launch, Library, Plan, Transfer

from .pages import ROOT, Page, execute

PAGE = Page("models.md")
MODEL = re.compile(r"<!-- model -->\n```\n(.*?)```", re.DOTALL)
DEPLOYMENT = ("lay_out", "group_elementwise")

Arrays = dict[str, NDArray[Any]]


def weights(shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """Constants without chance in them: int8 weights with a scale a channel, and biases, by the weights' names."""
    arrays: Arrays = {}
    for name, shape in shapes.items():
        channels = np.arange(shape[0])
        arrays[f"w{name}"] = (np.arange(np.prod(shape)) * 37 % 255 - 127).astype(np.int8).reshape(shape)
        arrays[f"w{name}_scale"] = (2.0**-9 * (1 + channels / 16)).astype(np.float32)
        arrays[f"w{name}_zero"] = np.zeros(shape[0], np.int8)
        arrays[f"b{name}"] = (channels / 16 - 0.5).astype(np.float32)
    return arrays


BLOCK = weights({"1": (16, 16, 3, 3), "2": (16, 16, 3, 3), "3": (10, 16)}) | {"sides": np.array([0, 0, 1, 1] * 2)}
CHANNELS = np.arange(16, dtype=np.float32)
HEAD = {
    "w": np.ones((16, 3, 3, 3), np.float32),
    "gamma": CHANNELS + 1,
    "beta": CHANNELS,
    "mean": CHANNELS / 4,
    "variance": np.ones(16, np.float32),
    "shape": np.array([1, 1024]),
}


def model(text: str, arrays: Arrays) -> onnx.ModelProto:
    """The page's text of a model, with these constants."""
    made = onnx.parser.parse_model(text)
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    onnx.checker.check_model(made, full_check=True)
    return made


def imported(made: onnx.ModelProto) -> Graph:
    graph, params = from_onnx(made)
    return graph.bind(params)


def difference(before: Graph, after: Graph) -> str:
    """Lines that a pass takes away and puts in."""
    texts = [[line.strip() for line in str(graph).splitlines()] for graph in (before, after)]
    lines = list(difflib.unified_diff(*texts, n=0, lineterm=""))[2:]
    return "\n".join(f"{line[0]} {line[1:]}" for line in lines if not line.startswith("@@"))


def changes(graph: Graph, **options: bool) -> Iterator[tuple[str, str]]:
    """Passes that change the graph, and how."""
    for name, after in stages(graph, **options):
        if str(after) != str(graph):
            yield f"{graph.name}-{name}", difference(graph, after)
        graph = after


class Watched:
    """A graph's deployment for the default machine.

    Attributes
    ----------
    graphs:
        By the pass that made them.
    """

    def __init__(self, graph: Graph) -> None:
        self.graphs: dict[str, Graph] = {}
        with pytest.MonkeyPatch.context() as patch:
            for name in DEPLOYMENT:
                self._watch(patch, name)
            patch.setattr(deploy, "plan_arenas", self._plan)
            self.plan, self.library, self.params = deploy.deploy(graph, t.target.vdla())

    def _watch(self, patch: pytest.MonkeyPatch, name: str) -> None:
        apply = getattr(deploy, name)

        def watched(*args: Any) -> Graph:
            self.graphs[name] = apply(*args)
            return self.graphs[name]

        patch.setattr(deploy, name, watched)

    def _plan(self, graph: Graph, original: Any = deploy.plan_arenas) -> Any:
        self.arenas = original(graph)
        return self.arenas

    def places(self) -> str:
        """Where tensors lie, by address."""
        host, dram = self.arenas.host, self.arenas.dram
        return "\n".join([f"host  {_addresses(host)}", f"DRAM  {_addresses(dram)}"])


def _addresses(places: Mapping[Value, int]) -> str:
    shared: dict[int, list[str]] = {}
    for value, at in places.items():
        shared.setdefault(at, []).append(value.name)
    return ", ".join(f"{at:#x} {' and '.join(names)}" for at, names in sorted(shared.items()))


def steps(plan: Plan) -> str:
    """What a run does, a line a step."""
    lines = []
    for number, step in enumerate(plan.steps):
        match step:
            case Call():
                lines.append(f"call {', '.join(layer.name for layer in plan.layers if layer.step == number)}")
            case Transfer(to_device=to_device, host=host, dram=dram, nbytes=nbytes):
                ends = (f"host {host:#x}", f"DRAM {dram:#x}")
                lines.append(f"copy {nbytes} bytes from {' to '.join(ends if to_device else ends[::-1])}")
            case Launch(program=program):
                names = ", ".join(layer.name for layer in plan.layers if layer.step == number)
                lines.append(f"launch program {program}: {names}")
    return "\n".join(lines)


def placements(plan: Plan) -> str:
    """Where layers run, and why."""
    return "\n".join(
        f"{layer.name}: {layer.op}, {'accelerator' if layer.on_accelerator else 'CPU'}"
        + (f": {layer.reason}" if layer.reason else "")
        for layer in plan.layers
    )


def barrier(plan: Plan, library: Library) -> str:
    """The instructions between the first two layers."""
    (_, end), (begin, _) = [layer.instructions or (0, 0) for layer in plan.layers if layer.on_accelerator][:2]
    lines = [line for line in disassemble(library.programs[0]).splitlines() if not line.startswith(".")]
    return "\n".join(line.partition("  ;")[0] for line in lines[end:begin])


@pytest.fixture(scope="module")
def models() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    block, head = MODEL.findall(PAGE.text)
    return model(block, BLOCK), model(head, HEAD)


def test_printed_texts_are_those_of_the_examples(models: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    block, head = map(imported, models)
    *_, (_, optimised) = stages(block)
    watched = Watched(optimised)
    *_, (_, float_head) = stages(head)
    texts = {"imported": str(block), "passes": ", ".join(name for name, _ in OPTIMISATIONS)}
    texts |= dict(changes(block)) | dict(changes(head))
    texts["unfuse"] = dict(changes(block, fused=False))["block-unfuse"]
    texts["group_elementwise"] = difference(float_head, group_elementwise(float_head))
    texts["lay_out"] = difference(optimised, watched.graphs["lay_out"])
    texts |= {"places": watched.places(), "steps": steps(watched.plan), "layers": placements(watched.plan)}
    texts["barrier"] = barrier(watched.plan, watched.library)
    PAGE.check(texts)


def test_the_block_is_onnx_runtimes_within_a_step_and_the_same_on_both_targets(
    models: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    data = np.random.default_rng(0).standard_normal((1, 16, 8, 8)).astype(np.float32)
    found = []
    for target, device in ((t.target.vdla(), t.fsim(0)), (t.target.llvm(), t.cpu(0))):
        plan, library, params = deploy.build(imported(models[0]), target)
        with runtime.create(plan, library, device) as module:
            module.set_input(**params)
            module.run(data=data)
            found.append(module.get_output(0))
    np.testing.assert_array_equal(*found)
    session = onnxruntime.InferenceSession(models[0].SerializeToString(), providers=["CPUExecutionProvider"])
    step = numpy_helper.to_array(next(one for one in models[0].graph.initializer if one.name == "s"))
    assert np.abs(found[0] - session.run(None, {"data": data})[0]).max() <= step


def test_the_public_calls_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, example in enumerate(PAGE.examples):
        execute(tmp_path / f"{number}.py", example, names)
    assert names["right"] > 90


def test_files_that_are_named_exist() -> None:
    assert PAGE.missing_files() == []
