"""The listings: what is written runs as written, prints as listed and equals NumPy, Keras and ONNX Runtime.

Names of loops that the compiler makes up are its own; `canonical` makes two texts comparable that differ in those only.
"""

# The names are the listings', and are what prints.
# ruff: noqa: N806, RUF059

from __future__ import annotations

import re
from itertools import chain
from textwrap import dedent
from typing import Any

import numpy as np
import onnx.parser
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

import dovetail as t
import dovetail.runtime as runtime
from dovetail.building import AcceleratorFunction
from dovetail.compiler.codegen.llvm.errors import CodegenError
from dovetail.compiler.frontend.keras.reading import load_keras
from dovetail.compiler.graph import Graph
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.pipeline import accelerator_stages, run_stages
from dovetail.compiler.target import Target
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.printer import UNIT_PREFIX
from dovetail.compiler.tir.stmt import Program
from dovetail.isa.instructions import QUEUE_BETWEEN, Alu, Buffer, Instruction, Unit
from dovetail.runtime.context import Context

Array = NDArray[Any]
Scheduled = tuple[Schedule, list[Tensor]]
RTL = pytest.param("rtl", marks=pytest.mark.rtl)


def listed(text: str) -> str:
    return dedent(text).strip()


def canonical(text: str) -> list[str]:
    """The lines with the variables of loops numbered by how deep they are nested, and no spaces around operators."""
    scopes: list[tuple[int, list[str]]] = []
    lines = []
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        scopes = [scope for scope in scopes if scope[0] < depth]
        loop = re.match(r"\s*for (?:thread_group |thread_item |vthread )?\(?([\w, ]+)\)? in ", line)
        if loop:
            scopes.append((depth, loop[1].split(", ")))
        names = {name: f"v{place}" for place, name in enumerate(name for _, found in scopes for name in found)}
        words = [names.get(word, word) for word in re.split(r"\b", line)]
        lines.append(re.sub(r"(?<=\S) *([*+-]) *(?=\S)", r"\1", "".join(words)))
    return lines


def small_floats(rng: np.random.Generator, *shape: int) -> Array:
    """Floats whose sums of products are exact in any order."""
    return rng.integers(-8, 8, shape).astype(np.float32)


def int8(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-128, 128, shape).astype(np.int8)


class TestTensorExpressions:
    """Section 1."""

    def test_transposed_product_at_full_size(self, rng: np.random.Generator) -> None:
        A = t.placeholder((1024, 1024))
        B = t.placeholder((1024, 1024))
        k = t.reduce_axis((0, 1024))
        C = t.compute((1024, 1024), lambda y, x: t.sum(A[k, y] * B[k, x], axis=k))
        s = t.create_schedule(C.op)
        left, right = small_floats(rng, 1024, 1024), small_floats(rng, 1024, 1024)
        result = np.full((1024, 1024), np.nan, np.float32)
        t.build(s, [A, B, C])(left, right, result)
        np.testing.assert_array_equal(result, left.T @ right)

    @pytest.mark.parametrize("sizes", [(1024, 1024, 1024), (5, 7, 3)])
    def test_symbolic_sizes(self, rng: np.random.Generator, sizes: tuple[int, int, int]) -> None:
        m, n, h = t.var("m"), t.var("n"), t.var("h")
        A = t.placeholder((m, h), name="A")
        B = t.placeholder((n, h), name="B")
        k = t.reduce_axis((0, h), name="k")
        C = t.compute((m, n), lambda y, x: t.sum(A[y, k] * B[x, k], axis=k))
        product = t.build(t.create_schedule(C.op), [A, B, C])
        rows, columns, depth = sizes
        left, right = small_floats(rng, rows, depth), small_floats(rng, columns, depth)
        result = np.full((rows, columns), np.nan, np.float32)
        product(left, right, result)
        np.testing.assert_array_equal(result, left @ right.T)


def product(size: int) -> Scheduled:
    """Section 1's first program at any size, with its default schedule."""
    A = t.placeholder((size, size))
    B = t.placeholder((size, size))
    k = t.reduce_axis((0, size))
    C = t.compute((size, size), lambda y, x: t.sum(A[k, y] * B[k, x], axis=k))
    return t.create_schedule(C.op), [A, B, C]


def tiled(size: int) -> Scheduled:
    s, args = product(size)
    C = args[2]
    (y, x), (k,) = s[C].op.axis, s[C].op.reduce_axis
    s[C].tile(y, x, k, 8, 8, 8)
    return s, args


def tensorized(size: int) -> Scheduled:
    """The tiled product of int8 on the machine whose array is 8 by 8 by 8.

    The listing's lines, then what it leaves to the schedule writer: C in the tiles of its cache, and the copies in the
    loops that need them.
    """
    vdla = t.vdla.using("batch8")
    A = t.placeholder((size, size), "int8")
    B = t.placeholder((size, size), "int8")
    k = t.reduce_axis((0, size))
    C = t.compute((size, size), lambda y, x: t.sum(A[k, y].astype("int32") * B[k, x].astype("int32"), axis=k))
    s = t.create_schedule(C.op)
    y, x = s[C].op.axis
    yo, xo, ko, yi, xi, ki = s[C].tile(y, x, k, 8, 8, 8)
    CL = s.cache_write(C, vdla.acc_buffer)
    AL = s.cache_read(A, vdla.inp_buffer)
    BL = s.cache_read(B, vdla.inp_buffer)
    yo, xo, yi_, xi_ = s[C].tile(*s[C].op.axis, 8, 8)
    s[CL].compute_at(s[C], xo)
    s[AL].compute_at(s[CL], ko)
    s[BL].compute_at(s[CL], ko)
    s[CL].tensorize(yi, vdla.gemm8x8)
    return s, [A, B, C]


class TestSchedules:
    """Section 2."""

    def test_default_schedule(self) -> None:
        assert str(t.lower(*product(1024))) == listed("""
            for y in range(1024):
                for x in range(1024):
                    C[y][x] = 0
                    for k in range(1024):
                        C[y][x] += A[k][y] * B[k][x]
        """)

    def test_tiled(self) -> None:
        assert str(t.lower(*tiled(1024))) == listed("""
            for yo in range(128):
                for xo in range(128):
                    C[yo*8:yo*8+8][xo*8:xo*8+8] = 0
                    for ko in range(128):
                        for yi in range(8):
                            for xi in range(8):
                                for ki in range(8):
                                    C[yo*8+yi][xo*8+xi] += A[ko*8+ki][yo*8+yi] * B[ko*8+ki][xo*8+xi]
        """)

    def test_tiled_at_full_size(self, rng: np.random.Generator) -> None:
        left, right = small_floats(rng, 1024, 1024), small_floats(rng, 1024, 1024)
        result = np.full((1024, 1024), np.nan, np.float32)
        t.build(*tiled(1024))(left, right, result)
        np.testing.assert_array_equal(result, left.T @ right)

    @pytest.mark.parametrize("schedule", [product, tiled, tensorized])
    def test_forms_mean_the_product(self, schedule: Any, rng: np.random.Generator) -> None:
        s, args = schedule(16)
        left, right = (small_floats(rng, 16, 16).astype(arg.dtype) for arg in args[:2])
        result = np.empty((16, 16), args[2].dtype)
        run(t.lower(s, args), left, right, result)
        np.testing.assert_array_equal(result, left.astype(result.dtype).T @ right.astype(result.dtype))

    def test_cached_and_tensorized(self) -> None:
        assert str(t.lower(*tensorized(1024))) == listed("""
            inp_buffer AL[8][8], BL[8][8]
            acc_buffer CL[8][8]
            for yo in range(128):
                for xo in range(128):
                    vdla.fill_zero(CL)
                    for ko in range(128):
                        vdla.dma_copy2d(AL, A[ko*8:ko*8+8][yo*8:yo*8+8])
                        vdla.dma_copy2d(BL, B[ko*8:ko*8+8][xo*8:xo*8+8])
                        vdla.fused_gemm8x8_add(CL, AL, BL)
                    vdla.dma_copy2d(C[yo*8:yo*8+8,xo*8:xo*8+8], CL)
        """)

    @pytest.mark.parametrize("device", ["fsim", RTL])
    def test_cached_and_tensorized_on_the_machine(self, device: str, rng: np.random.Generator) -> None:
        """At 64 by 64 by 64: the schedule loads two tiles for each GEMM, which at 1024 are 6 million instructions."""
        left, right = int8(rng, 64, 64), int8(rng, 64, 64)
        result = np.full((64, 64), -1, np.int32)
        t.build(*tensorized(64), t.target.vdla("batch8", device, checks=True))(left, right, result)
        np.testing.assert_array_equal(result, left.astype(np.int32).T @ right.astype(np.int32))


def cooperative(size: int) -> Scheduled:
    """The product by groups of 2 by 2 threads, which fetch 16 elements of each operand together.

    Each thread has a row of AS and of BS, so they are tensors of rows of 8.
    """
    A = t.placeholder((size, size))
    B = t.placeholder((size, size))
    AS = t.compute((size, size // 8, 8), lambda k, row, i: A[k, row * 8 + i])
    BS = t.compute((size, size // 8, 8), lambda k, row, i: B[k, row * 8 + i])
    k = t.reduce_axis((0, size))
    C = t.compute((size, size), lambda y, x: t.sum(AS[k, y // 8, y % 8] * BS[k, x // 8, x % 8], axis=k))
    s = t.create_schedule(C.op)
    block_y, block_x = t.thread_axis("blockIdx.y"), t.thread_axis("blockIdx.x")
    thread_y, thread_x = t.thread_axis("threadIdx.y"), t.thread_axis("threadIdx.x")
    CL = s.cache_write(C, "local")
    by, bx, y, x = s[C].tile(*s[C].op.axis, 16, 16)
    ty, tx, yi, xi = s[C].tile(y, x, 8, 8)
    s[C].bind(by, block_y)
    s[C].bind(bx, block_x)
    s[C].bind(ty, thread_y)
    s[C].bind(tx, thread_x)
    s[CL].compute_at(s[C], tx)
    s[CL].reorder(k, *s[CL].op.axis)
    for shared in (AS, BS):
        s[shared].set_scope("shared")
        s[shared].compute_at(s[CL], k)
        _, row, i = s[shared].op.axis
        _, lane = s[shared].split(i, 2)
        s[shared].bind(row, thread_y)
        s[shared].bind(lane, thread_x)
    return s, [A, B, C]


class TestThreads:
    """Section 3."""

    def test_cooperative_product(self) -> None:
        """The listing, but for what would keep it from being a program.

        - A tile of a group is 16 elements wide, 2 threads by 8: the listing's ``by*64`` is ``by*16``.
        - Threads take turns in a row of 8, 2 at a time: its ``i*4+tx`` is ``i*2+tx``.
        - A thread reads its own rows: its ``AS[yi] * BS[xi]`` is ``AS[ty][yi] * BS[tx][xi]``.
        - It writes its own tile: its ``C[yo*8+yi][xo*8+xi]`` has the group's and the thread's place.
        - Another barrier keeps threads from fetching the next row while others still read this one.
        """
        expected = listed("""
            for thread_group (by, bx) in cross(64, 64):
                for thread_item (ty, tx) in cross(2, 2):
                    local CL[8][8] = 0
                    shared AS[2][8], BS[2][8]
                    for k in range(1024):
                        for i in range(4):
                            AS[ty][i*2+tx] = A[k][by*16+ty*8+i*2+tx]
                        for i in range(4):
                            BS[ty][i*2+tx] = B[k][bx*16+ty*8+i*2+tx]
                        memory_barrier_among_threads()
                        for yi in range(8):
                            for xi in range(8):
                                CL[yi][xi] += AS[ty][yi] * BS[tx][xi]
                        memory_barrier_among_threads()
                    for yi in range(8):
                        for xi in range(8):
                            C[by*16+ty*8+yi][bx*16+tx*8+xi] = CL[yi][xi]
        """)
        assert canonical(str(t.lower(*cooperative(1024)))) == canonical(expected)

    def test_threads_compute_the_product_together(self, rng: np.random.Generator) -> None:
        left, right = small_floats(rng, 32, 32), small_floats(rng, 32, 32)
        result = np.empty((32, 32), np.float32)
        run(t.lower(*cooperative(32)), left, right, result)
        np.testing.assert_array_equal(result, left.T @ right)

    def test_a_cpu_does_not_run_threads_that_meet(self) -> None:
        with pytest.raises(
            CodegenError, match="threads of a group meet at a barrier, but a CPU executes them one after"
        ):
            t.build(*cooperative(32))


def latency_hiding() -> Scheduled:
    """Sums over 128 rows by two virtual threads, on a machine with vectors of 8 sums."""
    vdla = t.vdla.using("small")
    A = t.placeholder((128, 16), "int8")
    k = t.reduce_axis((0, 128))
    C = t.compute((16,), lambda x: t.sum(A[k, x].astype("int32"), axis=k))
    s = t.create_schedule(C.op)
    CL = s.cache_write(C, vdla.acc_buffer)
    AL = s.cache_read(A, vdla.inp_buffer)
    tx, xi = s[C].split(s[C].op.axis[0], 8)
    s[C].bind(tx, t.thread_axis("vthread"))
    s[CL].compute_at(s[C], tx)
    (x,) = s[CL].op.axis
    s[CL].reorder(k, x)
    s[AL].compute_at(s[CL], k)
    s[CL].tensorize(x, vdla.accumulate)
    return s, [A, C]


def without_ends(program: Program) -> str:
    """The text without what makes the listing a whole program: the sums are set to 0 before and stored afterwards."""
    lines = str(program).splitlines()
    return "\n".join(line for line in lines if not re.search(r"fill_zero|\bst\.|\(st\)", line))


def tokens(instruction: Instruction) -> list[str]:
    """The tokens of an instruction that pass between the load and the compute unit, as the listings write them, and
    what it does besides."""
    unit, peer = (Unit.LOAD, Unit.COMPUTE) if instruction.unit is Unit.LOAD else (Unit.COMPUTE, Unit.LOAD)
    own, other = UNIT_PREFIX[unit], UNIT_PREFIX[peer]
    pop = [f"{own}.pop_dep_from({other})"] if QUEUE_BETWEEN[peer, unit] in instruction.pops() else []
    push = [f"{own}.push_dep_to({other})"] if QUEUE_BETWEEN[unit, peer] in instruction.pushes() else []
    works = isinstance(instruction, Alu) or getattr(instruction, "buffer", None) is Buffer.INP
    return [*pop, *[f"{own} works"] * works, *push]


class TestVirtualThreads:
    """Section 4."""

    STAGES = {
        "units": """
            for vthread tx in range(2):
                acc_buffer CL[8]
                inp_buffer AL[8]
                for k in range(128):
                    ld.dma_copy2d(AL, A[k][tx*8:tx*8+8])
                    ex.accumulate(AL, CL)
        """,
        "tokens": """
            for vthread tx in range(2):
                acc_buffer CL[8]
                inp_buffer AL[8]
                ex.push_dep_to(ld)
                for k in range(128):
                    ld.pop_dep_from(ex)
                    ld.dma_copy2d(AL, A[k][tx*8:tx*8+8])
                    ld.push_dep_to(ex)
                    ex.pop_dep_from(ld)
                    ex.accumulate(AL, CL)
                    ex.push_dep_to(ld)
                ld.pop_dep_from(ex)
        """,
        "threads": """
            acc_buffer CL[2][8]
            inp_buffer AL[2][8]
            ex.push_dep_to(ld)
            ex.push_dep_to(ld)
            for k in range(128):
                ld.pop_dep_from(ex)
                ld.dma_copy2d(AL[0], A[k][0:8])
                ld.push_dep_to(ex)
                ld.pop_dep_from(ex)
                ld.dma_copy2d(AL[1], A[k][8:16])
                ld.push_dep_to(ex)
                ex.pop_dep_from(ld)
                ex.accumulate(AL[0], CL[0])
                ex.push_dep_to(ld)
                ex.pop_dep_from(ld)
                ex.accumulate(AL[1], CL[1])
                ex.push_dep_to(ld)
            ld.pop_dep_from(ex)
            ld.pop_dep_from(ex)
        """,
    }

    @pytest.mark.parametrize("stage", STAGES)
    def test_stages(self, stage: str) -> None:
        programs = dict(run_stages(lower(*latency_hiding()), accelerator_stages()))
        assert canonical(without_ends(programs[stage])) == canonical(listed(self.STAGES[stage]))

    @pytest.mark.parametrize("device", ["fsim", RTL])
    def test_the_whole_program_adds_up(self, device: str, rng: np.random.Generator) -> None:
        rows = int8(rng, 128, 16)
        result = np.full(16, -1, np.int32)
        t.build(*latency_hiding(), t.target.vdla("small", device, checks=True))(rows, result)
        np.testing.assert_array_equal(result, rows.astype(np.int32).sum(axis=0))

    def test_instructions_have_the_tokens_of_the_listing(self) -> None:
        function = t.build(*latency_hiding(), "vdla:small")
        assert isinstance(function, AcceleratorFunction)
        instructions = function.module.program.instructions
        load = ["ld.pop_dep_from(ex)", "ld works", "ld.push_dep_to(ex)"]
        compute = ["ex.pop_dep_from(ld)", "ex works", "ex.push_dep_to(ld)"]
        given, taken = ["ex.push_dep_to(ld)"] * 2, ["ld.pop_dep_from(ex)"] * 2
        listed = [*given, *(load * 2 + compute * 2) * 128, *taken]
        assert list(chain(*map(tokens, instructions))) == listed


class TestGraphs:
    """Section 5, with the targets of this package."""

    def test_a_keras_model(self, rng: np.random.Generator) -> None:
        keras = load_keras()
        layers = keras.layers
        keras_model = keras.Sequential(
            [
                keras.Input((8, 8, 3), name="data"),
                layers.Conv2D(4, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(5),
            ]
        )
        data_array = rng.standard_normal((1, 8, 8, 3)).astype(np.float32)
        for target, context in ((t.target.llvm(), t.cpu(0)), (t.target.vdla(), t.fsim(0))):
            graph, params = t.frontend.from_keras(keras_model)
            output = deployed(graph, params, target, context, data_array)
            np.testing.assert_allclose(output, np.asarray(keras_model(data_array)), rtol=1e-4, atol=1e-5)

    def test_a_quantised_onnx_model(self, rng: np.random.Generator) -> None:
        """The same on both targets to the bit, and beside ONNX Runtime by one step of the last quantisation at most."""
        model = quantised_model(rng)
        data_array = rng.standard_normal((1, 3, 8, 8)).astype(np.float32)
        results = []
        for target, context in ((t.target.llvm(), t.cpu(0)), (t.target.vdla(), t.fsim(0))):
            graph, params = t.frontend.from_onnx(model)
            results.append(deployed(graph, params, target, context, data_array))
        np.testing.assert_array_equal(*results)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (wanted,) = session.run(None, {"data": data_array})
        steps = [numpy_helper.to_array(one) for one in model.graph.initializer if one.name == "y_scale"]
        np.testing.assert_allclose(results[0], wanted, rtol=0, atol=1.01 * float(steps[0]))


def deployed(graph: Graph, params: dict[str, Array], target: Target, context: Context, data_array: Array) -> Array:
    """The listing's calls."""
    graph, lib, params = t.compiler.build(graph, target, params)
    module = runtime.create(graph, lib, context)
    module.set_input(**params)
    module.run(data=data_array)
    output = t.nd.empty((1, 5), ctx=context)
    module.get_output(0, output)
    module.close()
    return output


def quantised_model(rng: np.random.Generator) -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        """
        <ir_version: 9, opset_import: ["": 17]>
        net (float[1, 3, 8, 8] data) => (float[1, 5] y) {
            c = Conv <pads = [1, 1, 1, 1]> (data, weight, bias)
            r = Relu (c)
            p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
            f = Flatten (p)
            y = Gemm <transB = 1> (f, matrix, offset)
        }
        """
    )
    shapes = {"weight": (4, 3, 3, 3), "bias": (4,), "matrix": (5, 64), "offset": (5,)}
    for name, shape in shapes.items():
        array = rng.standard_normal(shape).astype(np.float32) * 0.3
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    samples = [{"data": rng.standard_normal((1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]
    return t.frontend.quantise(model, samples)
