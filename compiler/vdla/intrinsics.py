"""The accelerator's tensor intrinsics, and all that a schedule needs to know of one machine."""

from __future__ import annotations

from functools import cache

from dovetail.compiler import te as t
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.expr import Expr
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import AluOp, AluSource

from . import primitives
from .scopes import ACC_BUFFER, INP_BUFFER, WGT_BUFFER

DMA_COPY = "dma_copy"


def gemm_name(config: Config) -> str:
    """``gemm8x8`` for blocks of 8 by 8."""
    return f"gemm{config.block_in}x{config.block_out}"


@cache
def gemm(config: Config) -> t.TensorIntrinsic:
    """The array: acc[b, o] = sum over k of inp[b, k] * wgt[o, k], int8 into int32, of the extents of `config`."""
    inp = t.placeholder((config.batch, config.block_in), "int8", name="inp")
    wgt = t.placeholder((config.block_out, config.block_in), "int8", name="wgt")
    k = t.reduce_axis((0, config.block_in), name="k")

    def products(b: Expr, o: Expr) -> Expr:
        return t.sum(inp[b, k].astype("int32") * wgt[o, k].astype("int32"), axis=k)

    acc = t.compute((config.batch, config.block_out), products, name="acc")
    # Which memory an operand lies in follows from its place here, so weights may be declared as any input is.
    scopes = {inp: (INP_BUFFER,), wgt: (WGT_BUFFER, INP_BUFFER), acc: (ACC_BUFFER,)}
    name = gemm_name(config)
    update = primitives.gemm(f"fused_{name}_add")
    return t.TensorIntrinsic(name, acc, (inp, wgt), scopes, reset=primitives.fill(), update=update)


@cache
def accumulate(config: Config) -> t.TensorIntrinsic:
    """The ALU: acc[b, o] += inp[b, o], int8 into int32: one step of a sum."""
    shape = (config.batch, config.block_out)
    inp = t.placeholder(shape, "int8", name="inp")
    step = t.reduce_axis((0, 1), name="step")
    acc = t.compute(shape, lambda b, o: t.sum(inp[b, o].astype("int32"), axis=step), name="acc")
    update = primitives.alu(AluOp.ADD, AluSource.INP, name="accumulate", inputs_first=True)
    return t.TensorIntrinsic(
        "accumulate", acc, (inp,), _elementwise_scopes(inp, acc), reset=primitives.fill(), update=update
    )


def _elementwise_scopes(inp: Tensor, acc: Tensor) -> dict[Tensor, tuple[str, ...]]:
    return {inp: (INP_BUFFER,), acc: (ACC_BUFFER,)}


class Vdla:
    """The scopes and intrinsics of one machine.

    Besides the attributes there is `gemm` by the name of its extents: ``gemm8x8`` on a machine with blocks of 8 by 8.

    Attributes
    ----------
    config:
        Of the machine.
    inp_buffer, wgt_buffer, acc_buffer:
        Scopes of its memories.
    dma_copy:
        Key of the pragma that marks a copy; copies between DRAM and its memories are found without it as well.
    """

    inp_buffer = INP_BUFFER
    wgt_buffer = WGT_BUFFER
    acc_buffer = ACC_BUFFER
    dma_copy = DMA_COPY

    def __init__(self, config: Config) -> None:
        self.config = config

    @property
    def gemm(self) -> t.TensorIntrinsic:
        return gemm(self.config)

    @property
    def accumulate(self) -> t.TensorIntrinsic:
        return accumulate(self.config)

    def using(self, config: str | Config) -> Vdla:
        """The same of another configuration, or of a preset's or file's name. Raises `ConfigError` if there is none."""
        return Vdla(config if isinstance(config, Config) else load_config(config))

    def __getattr__(self, name: str) -> t.TensorIntrinsic:
        if not name.startswith("gemm"):
            raise AttributeError(f"the accelerator has no {name!r}")
        if name != gemm_name(self.config):
            raise AttributeError(f"this machine has no {name}; its array is {gemm_name(self.config)}")
        return self.gemm

    def __repr__(self) -> str:
        return f"Vdla({self.config!r})"
