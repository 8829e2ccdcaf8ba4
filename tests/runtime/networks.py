"""Small networks as a compiler would deploy them, put together by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import dovetail as t
from dovetail.compiler.codegen.llvm.module import LlvmModule
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Finish, Format, Gemm, Instruction, Load, MicroOp, Store, Sync, Unit
from dovetail.isa.module import Call, Constant, Launch, Layer, Library, Plan, Space, Tensor, Transfer
from dovetail.isa.native.processor import host
from dovetail.isa.program import Program, Segment

TINY = load_config("tiny")
K, N = 8, TINY.block_out
SIZE = K * TINY.block_in
"""Inputs of a product, and its outputs."""
UOPS = (0x1000, 0x1800)
X, WEIGHTS, SUMS = 0x2000, (0x3000, 0x4000), (0x5000, 0x6000)
DRAM_BYTES = 0x7000
FLOATS, BYTES, RAW, BIAS, OUT = 0, 256, 320, 384, 448
HOST_BYTES = 512

Array = NDArray[Any]
Module = tuple[Plan, Library, dict[str, Array]]


def function(name: str, output: Any, inputs: list[Any], threads: int = 1) -> LlvmModule:
    """A function for the CPU, whose first loop is parallel where there are threads."""
    schedule = t.create_schedule(output)
    if threads > 1:
        schedule[output].parallel(schedule[output].op.axis[0])
    module = t.build(schedule, [*inputs, output], t.target.llvm(threads), name=name)
    assert isinstance(module, LlvmModule)
    return module


def quantise(threads: int) -> LlvmModule:
    x = t.placeholder((SIZE,), "float32", name="x")
    return function("quantise", t.compute((SIZE,), lambda i: t.cast("int8", x[i] * 2.0), name="q"), [x], threads)


def scale() -> LlvmModule:
    raw, bias = t.placeholder((2, N), "int32", name="raw"), t.placeholder((N,), "float32", name="bias")
    return function(
        "scale", t.compute((2, N), lambda r, i: raw[r, i].astype("float32") * 0.5 + bias[i], name="y"), [raw, bias]
    )


def product(number: int) -> list[Instruction]:
    """The raw sums of the input and the weights of this number."""
    return [
        Load(buffer=Buffer.UOP, sram=0, dram=UOPS[number], cols=K),
        Load(buffer=Buffer.INP, sram=0, dram=X, cols=K),
        Load(buffer=Buffer.WGT, sram=0, dram=WEIGHTS[number], cols=K, push_next=True),
        Gemm(uop_begin=0, uop_count=K, overwrite=True, pop_prev=True, push_next=True),
        Store(format=Format.RAW, sram=0, dram=SUMS[number], cols=1, pop_prev=True),
    ]


BARRIER = [
    Sync(target=Unit.STORE, push_prev=True),
    Sync(target=Unit.COMPUTE, pop_next=True, push_prev=True),
    Sync(target=Unit.LOAD, pop_next=True),
]


def micro_ops(number: int) -> Segment:
    words = (MicroOp(dst=0, src=k, wgt=k).encode(TINY).to_bytes(TINY.uop_bytes, "little") for k in range(K))
    return Segment(f"micro-ops {number}", UOPS[number], b"".join(words))


def programs(linked: bool) -> tuple[Program, ...]:
    """The two products, each a program, or both in one."""
    segments = (micro_ops(0), micro_ops(1))
    if linked:
        return (Program(TINY, (*product(0), *BARRIER, *product(1), Finish()), segments),)
    return tuple(Program(TINY, (*product(number), Finish()), (segments[number],)) for number in range(2))


def product_layers(linked: bool) -> tuple[Layer, ...]:
    ends = len(product(0)), len(product(0)) + len(BARRIER) + len(product(1))
    return tuple(
        Layer(
            name=f"sums {number}",
            op="matmul",
            origin=(f"MatMul_{number}",),
            on_accelerator=True,
            reason="",
            macs=SIZE * N,
            step=2 + (0 if linked else number),
            instructions=(ends[0] if linked and number else 0, ends[number if linked else 0]),
        )
        for number in range(2)
    )


def network(linked: bool = False, threads: int = 1) -> Module:
    """``y[n] = sum over i of int8(2 * x)[i] * weights[n][i] * 0.5 + bias`` for two sets of weights."""
    quantised, scaled = quantise(threads), scale()
    code = programs(linked)
    rng = np.random.default_rng(7)
    params: dict[str, Array] = {
        f"weights {number}": rng.integers(-128, 128, (K, N, TINY.block_in), np.int8) for number in range(2)
    }
    params["bias"] = rng.normal(size=N).astype(np.float32)
    in_dram = [
        Constant(f"weights {number}", (K, N, TINY.block_in), "int8", Space.DRAM, WEIGHTS[number]) for number in range(2)
    ]
    launches = tuple(Launch(number) for number in range(len(code)))
    reads = [Transfer(False, RAW + number * TINY.acc_bytes, SUMS[number], TINY.acc_bytes) for number in range(2)]
    cpu = {"on_accelerator": False, "macs": 0}
    last = 1 + 1 + len(launches) + len(reads)
    plan = Plan(
        name="two products",
        config=TINY,
        processor=host(),
        threads=threads,
        inputs=(Tensor("x", (SIZE,), "float32", FLOATS),),
        outputs=(Tensor("y", (2, N), "float32", OUT),),
        constants=(*in_dram, Constant("bias", (N,), "float32", Space.HOST, BIAS)),
        steps=(
            Call("quantise", (FLOATS, BYTES)),
            Transfer(True, BYTES, X, SIZE),
            *launches,
            *reads,
            Call("scale", (RAW, BIAS, OUT)),
        ),
        layers=(
            Layer(name="q", op="quantize", origin=("Quantize_0",), reason="at the edge", step=0, **cpu),
            *product_layers(linked),
            Layer(name="y", op="scale", origin=(), reason="float32", step=last, **cpu),
        ),
        host_bytes=HOST_BYTES,
        dram_bytes=DRAM_BYTES,
        workspace_bytes=max(quantised.workspace_bytes, scaled.workspace_bytes),
    )
    objects = {module.name: module.object_code() for module in (quantised, scaled)}
    return plan, Library(code, objects), params


def expected(x: Array, params: dict[str, Array]) -> Array:
    q = (x * 2).astype(np.int8).reshape(K, TINY.block_in).astype(np.int32)
    sums = [np.einsum("ki,koi->o", q, params[f"weights {number}"].astype(np.int32)) for number in range(2)]
    return np.stack(sums).astype(np.float32) * np.float32(0.5) + params["bias"]


def data(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-60, 60, SIZE).astype(np.float32)


def cpu_network() -> Module:
    """``y = int8(2 * x)``, without the accelerator."""
    quantised = quantise(threads=1)
    plan = Plan(
        name="quantise",
        config=None,
        processor=host(),
        threads=1,
        inputs=(Tensor("x", (SIZE,), "float32", FLOATS),),
        outputs=(Tensor("q", (SIZE,), "int8", BYTES),),
        constants=(),
        steps=(Call("quantise", (FLOATS, BYTES)),),
        layers=(),
        host_bytes=HOST_BYTES,
        dram_bytes=0,
        workspace_bytes=quantised.workspace_bytes,
    )
    return plan, Library((), {"quantise": quantised.object_code()}), {}
