"""A graph becomes a module: what runs where, code for it, and a plan that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dovetail.compiler.codegen.llvm.target import CpuTarget
from dovetail.compiler.codegen.llvm.target import resolve as processor_of
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.target import LlvmTarget, Target, VdlaTarget
from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.isa.module import Call, Constant, Launch, Layer, Library, Plan, Processor, Space, Step, Tensor, Transfer
from dovetail.isa.program import Program

from .cpu.kernel import CpuKernel, compile_node
from .errors import GraphError
from .graph import Graph, Node, Value
from .lifetimes import HOST_ALIGNMENT, Arenas, Segment, plan_arenas, segments, storage
from .memory import aligned
from .ops.layout import OnAccelerator, Pack, Unpack
from .ops.movement import Reshape
from .passes.cluster import cluster
from .passes.group_elementwise import group_elementwise
from .passes.lay_out import Forms, lay_out
from .pipeline import optimise
from .placement import reasons_for_cpu
from .types import Array
from .vdla.kernel import VdlaKernel, prepare
from .vdla.link import Piece, link

Progress = Callable[[str, int, int], object]
"""Told what is being done, how much of it is done, and of how much."""

LAYOUT = "between the accelerator's layout and rows"


def _silent(what: str, done: int, total: int) -> None:
    """No progress is shown."""


Module = tuple[Plan, Library, dict[str, Array]]


def build(
    graph: Graph,
    target: Target,
    params: Mapping[str, Array] | None = None,
    *,
    fused: bool = True,
    progress: Progress = _silent,
) -> Module:
    """Compile a graph.

    Parameters
    ----------
    params:
        Its weights by name, where they are not bound yet.
    fused:
        Operators are fused; otherwise each works from memory to memory.

    Returns
    -------
    The plan, the code, and the weights as the code reads them: what `runtime.create` and `Module.set_input` take, and
    `isa.module_file.save`.

    Raises
    ------
    GraphError:
        The graph breaks a rule, its weights are not those given, or it does not fit the machine.
    """
    if not isinstance(graph, Graph):
        raise GraphError(f"a graph is needed, as front ends make it, not {type(graph).__name__}")
    if not isinstance(target, Target):
        raise GraphError(f"a target is needed, as dovetail.target makes it, not {target!r}")
    progress(f"optimising {graph.name}", 0, 0)
    bound = graph.bind(params or {}) if graph.parameters or params else graph
    return deploy(optimise(bound, fused=fused), target, fused=fused, progress=progress)


def deploy(graph: Graph, target: Target, *, fused: bool = True, progress: Progress = _silent) -> Module:
    """The rest of `build`, of a graph that is optimised: its operators are placed, laid out and compiled.

    Raises
    ------
    GraphError:
        It does not fit the machine.
    """
    graph, kernels, reasons = laid_out(graph, target, fused=fused, progress=progress)
    config = target.config if isinstance(target, VdlaTarget) else None
    threads = target.threads if isinstance(target, LlvmTarget) else 1
    return _Deployment(graph, config, kernels, reasons, threads, progress).run()


def laid_out(
    graph: Graph, target: Target, *, fused: bool = True, progress: Progress = _silent
) -> tuple[Graph, Mapping[str, VdlaKernel], Mapping[str, str]]:
    """The graph as it is executed, kernels of what is on the accelerator, and reasons for what is not, by name.

    Raises
    ------
    CompileError:
        It does not fit the machine.
    """
    reasons: Mapping[str, str] = {}
    kernels: dict[str, VdlaKernel] = {}
    if isinstance(target, VdlaTarget):
        reasons = reasons_for_cpu(graph, target.config)
        memory = Memory(target.latency, target.bytes_per_cycle)
        chosen = [node for node in graph.nodes if node.name not in reasons]
        packed: set[Value] = set()
        for number, node in enumerate(chosen):
            progress(f"scheduling {node.name}", number, len(chosen))
            # Columns are laid out by the CPU: what the accelerator has just given would have to come back for it.
            columns = node.inputs[0] not in packed
            kernels[node.name] = prepare(node, graph.constants, target.config, memory, columns=columns)
            packed.add(node.output)
        graph = cluster(lay_out(graph, {name: _forms(kernel) for name, kernel in kernels.items()}))
    return group_elementwise(graph) if fused else graph, kernels, reasons


def _forms(kernel: VdlaKernel) -> Forms:
    operands = {operand.place: operand for operand in kernel.operands}
    places = range(len(kernel.node.inputs))
    return Forms(
        inputs=tuple(operands[place].form if place in operands else None for place in places),
        zeros=tuple(place in operands and operands[place].zeros for place in places),
        output=kernel.output,
    )


class _Deployment:
    def __init__(
        self,
        graph: Graph,
        config: Config | None,
        kernels: Mapping[str, VdlaKernel],
        reasons: Mapping[str, str],
        threads: int,
        progress: Progress,
    ) -> None:
        self.graph, self.config, self.threads, self.progress = graph, config, threads, progress
        self.kernels, self.reasons = kernels, reasons
        self.processor: CpuTarget = processor_of("host")
        self.roots = storage(graph)
        self.arenas: Arenas = plan_arenas(graph)
        self.host_end, self.dram_end, self.workspace = self.arenas.host_bytes, self.arenas.dram_bytes, 0
        self.fixed: dict[Value, int] = {}
        self.names = {value.name for value in graph.inputs}
        self.steps: list[Step] = []
        self.layers: list[Layer] = []
        self.constants: list[Constant] = []
        self.params: dict[str, Array] = {}
        self.objects: dict[str, bytes] = {}
        self.programs: list[Program] = []
        self.done = 0

    def run(self) -> Module:
        runs = segments(self.graph)
        compiled = {run.first: self._compile(run) for run in runs if run.on_accelerator}
        for run in runs:
            if run.on_accelerator:
                self._launch(run, compiled[run.first])
            else:
                for node in run.nodes:
                    self._call(node)
        outputs = set[str]()
        plan = Plan(
            name=self.graph.name,
            config=self.config,
            processor=self._processor() if self.objects else None,
            threads=self.threads,
            inputs=tuple(self._tensor(value.name, value) for value in self.graph.inputs),
            outputs=tuple(self._tensor(_unique(value.name, outputs), value) for value in self.graph.outputs),
            constants=tuple(self.constants),
            steps=tuple(self.steps),
            layers=tuple(self.layers),
            host_bytes=self.host_end,
            dram_bytes=self.dram_end if self.programs else 0,
            workspace_bytes=self.workspace,
        )
        return plan, Library(tuple(self.programs), self.objects), self.params

    def _compile(self, run: Segment) -> list[tuple[str, Program]]:
        """Programs of a segment, with their weights in DRAM."""
        programs = []
        for node in run.nodes:
            self._report(node)
            assert isinstance(node.op, OnAccelerator)
            kernel = self.kernels[node.op.result]
            addresses = {
                operand.argument: self.arenas.dram[self.roots[node.inputs[operand.place]]]
                for operand in kernel.operands
            }
            addresses[kernel.result] = self.arenas.dram[node.output]
            module = kernel.compile(addresses, self.dram_end)
            for segment in kernel.segments(module):
                data = np.frombuffer(segment.data, np.int8)
                self._constant(f"{kernel.node.name}: {segment.name}", data, Space.DRAM, segment.address)
            self.dram_end = aligned(module.program.dram_bytes, AXI_BOUNDARY_BYTES)
            programs.append((kernel.node.name, module.program))
        return programs

    def _launch(self, run: Segment, programs: list[tuple[str, Program]]) -> None:
        assert self.config is not None
        for value in self.arenas.uploads[run.first]:
            self._transfer(value, to_device=True)
        program, pieces = link(programs, self.config, self.dram_end)
        self.layers += [self._on_accelerator(node, piece) for node, piece in zip(run.nodes, pieces, strict=True)]
        self.steps.append(Launch(len(self.programs)))
        self.programs.append(program)
        for value in self.arenas.downloads[run.first]:
            self._transfer(value, to_device=False)

    def _transfer(self, value: Value, *, to_device: bool) -> None:
        if value.type.nbytes:
            dram = self.arenas.dram[value]
            self.steps.append(Transfer(to_device, self.arenas.host[value], dram, value.type.nbytes))

    def _call(self, node: Node) -> None:
        self._report(node)
        if isinstance(node.op, Reshape) or not node.output.type.size:
            return
        kernel: CpuKernel = compile_node(node, self.graph.constants, self.processor, self.threads)
        if kernel.name not in self.objects:
            self.objects[kernel.name] = kernel.module.object_code()
        self.workspace = max(self.workspace, kernel.module.workspace_bytes)
        arguments = [self._host(value) for value in kernel.inputs]
        arguments += [self._constant(f"{node.name}: {label}", data) for label, data in kernel.constants]
        self.layers.append(self._on_cpu(node))
        self.steps.append(Call(kernel.name, (*arguments, self._host(node.output))))

    def _host(self, value: Value) -> int:
        """The offset of a value in the host's arena; constants go there when they are first asked for."""
        root = self.roots[value]
        if root in self.arenas.host:
            return self.arenas.host[root]
        if root not in self.fixed:
            self.fixed[root] = self._constant(root.name, self.graph.constants[root])
        return self.fixed[root]

    def _constant(self, name: str, data: Array, space: Space = Space.HOST, offset: int | None = None) -> int:
        if offset is None:
            offset = aligned(self.host_end, HOST_ALIGNMENT)
            self.host_end = offset + data.nbytes
        unique = _unique(name, self.names)
        self.constants.append(Constant(unique, data.shape, data.dtype.name, space, offset))
        self.params[unique] = data
        return offset

    def _tensor(self, name: str, value: Value) -> Tensor:
        return Tensor(name, value.type.shape, value.type.dtype, self._host(value))

    def _on_accelerator(self, node: Node, piece: Piece) -> Layer:
        assert isinstance(node.op, OnAccelerator)
        return Layer(
            name=piece.name,
            op=node.op.op.name,
            origin=node.origin,
            on_accelerator=True,
            reason="",
            macs=node.macs,
            step=len(self.steps),
            instructions=(piece.begin, piece.end),
            dram_read_bytes=piece.dram_read_bytes,
            dram_write_bytes=piece.dram_write_bytes,
        )

    def _on_cpu(self, node: Node) -> Layer:
        return Layer(
            name=node.name,
            op=node.op.name,
            origin=node.origin,
            on_accelerator=False,
            reason=LAYOUT if isinstance(node.op, Pack | Unpack) else self.reasons.get(node.name, ""),
            macs=node.macs,
            step=len(self.steps),
        )

    def _processor(self) -> Processor:
        return Processor(self.processor.triple, self.processor.cpu, tuple(self.processor.features))

    def _report(self, node: Node) -> None:
        self.progress(f"compiling {node.name}", self.done, len(self.graph.nodes))
        self.done += 1


def _unique(name: str, taken: set[str]) -> str:
    """`name`, with a number behind it where it is taken; now it is."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} {number}"
    taken.add(found)
    return found
