"""A convolution as a loop program in the accelerator's dialect: tiles of rows, ring buffers of two copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dovetail import reference
from dovetail.compiler.codegen.vdla import VdlaModule
from dovetail.compiler.tir.expr import Var, minimum
from dovetail.compiler.tir.stmt import Invoke, Stmt
from dovetail.compiler.vdla import primitives
from dovetail.isa.config import Config

from .programs import (
    EX,
    LD,
    ST,
    allocate,
    buffer,
    compiled,
    fill,
    gemm,
    handed,
    int8,
    load,
    loop,
    operand,
    pop,
    push,
    region,
    run,
)


@dataclass(frozen=True)
class Layer:
    """A convolution and how many rows of outputs a tile has."""

    h: int
    w: int
    ic: int
    oc: int
    k: int
    stride: int = 1
    pad: int = 0
    rows: int = 2
    residual: bool = False

    @property
    def out_h(self) -> int:
        return (self.h + 2 * self.pad - self.k) // self.stride + 1

    @property
    def out_w(self) -> int:
        return (self.w + 2 * self.pad - self.k) // self.stride + 1


POST = {"zero_point": 3, "minimum": -100, "maximum": 110}
RESIDUAL = {"fraction": 4, "res_zero": -7, "res_multiplier": 29, "res_shift": 2}


def conv2d(layer: Layer, config: Config) -> VdlaModule:
    """For each tile of rows and block of output channels: load, reduce over all input channels at once, requantise."""
    batch, bi, bo = config.batch, config.block_in, config.block_out
    k, s = layer.k, layer.stride
    icb, ocb = -(-layer.ic // bi), -(-layer.oc // bo)
    tile_h, in_h, in_w = layer.rows, (layer.rows - 1) * s + k, (layer.out_w - 1) * s + k
    a, b = buffer("A", 1, layer.ic, layer.h, layer.w), buffer("W", layer.oc, layer.ic, k, k)
    c = buffer("C", 1, layer.oc, layer.out_h, layer.out_w)
    r = buffer("R", 1, layer.oc, layer.out_h, layer.out_w)
    params = [buffer(name, layer.oc, dtype="int32") for name in ("bias", "multiplier", "shift")]
    al = buffer("AL", 2, batch, icb * bi, in_h, in_w, scope="inp_buffer")
    wl = buffer("WL", 2, bo, icb * bi, k, k, scope="wgt_buffer")
    cl = buffer("CL", 2, batch, bo, tile_h, layer.out_w, dtype="int32", scope="acc_buffer")
    t, o, oy, ox, i, ky, kx = (Var(name) for name in ("t", "o", "oy", "ox", "i", "ky", "kx"))
    height = minimum(tile_h, layer.out_h - t * tile_h)
    ring, acc_ring = t % 2, (t * ocb + o) % 2
    acc = operand(region(cl, acc_ring, (0, batch), (0, bo), oy, ox), 1, 2)
    products: Stmt = gemm(
        acc,
        operand(region(al, ring, (0, batch), (i * bi, bi), oy * s + ky, ox * s + kx), 1, 2),
        operand(region(wl, acc_ring, (0, bo), (i * bi, bi), ky, kx), 1, 2),
    )
    for variable, extent in ((kx, k), (ky, k), (i, icb), (ox, layer.out_w), (oy, height)):
        products = loop(variable, extent, products)
    zeros = loop(oy, height, loop(ox, layer.out_w, fill(acc)))
    inputs = ("acc", "bias", "multiplier", "shift") + (("residual",) if layer.residual else ())
    fields = POST | (RESIDUAL if layer.residual else {})
    channels = minimum(bo, layer.oc - o * bo)
    out = 0, (o * bo, channels), (t * tile_h, height), (0, layer.out_w)
    given = [operand(region(param, (o * bo, channels)), 0) for param in params]
    given += [operand(region(r, *out), 0, 1)] if layer.residual else []
    sums = operand(region(cl, acc_ring, 0, (0, channels), (0, height), (0, layer.out_w)), 1, 2)
    finish = Invoke(primitives.requantise(inputs, **fields), (operand(region(c, *out), 0, 1),), (sums, *given), ST)
    top, left = t * tile_h * s - layer.pad, -layer.pad
    body = loop(
        t,
        -(-layer.out_h // tile_h),
        pop(LD, EX, "AL"),
        load(
            region(al, ring, (0, batch), (0, icb * bi), (0, (height - 1) * s + k), (0, in_w)),
            region(a, (0, batch), (0, icb * bi), (top, (height - 1) * s + k), (left, in_w)),
        ),
        handed(LD, EX, "AL"),
        loop(
            o,
            ocb,
            pop(LD, EX, "WL"),
            load(
                region(wl, acc_ring, (0, bo), (0, icb * bi), (0, k), (0, k)),
                region(b, (o * bo, bo), (0, icb * bi), (0, k), (0, k)),
            ),
            push(LD, EX, "WL"),
            pop(EX, ST, "CL"),
            zeros,
            pop(EX, LD, "WL"),
            products,
            push(EX, LD, "WL"),
            handed(EX, ST, "CL"),
            finish,
            push(ST, EX, "CL"),
        ),
        push(EX, LD, "AL"),
    )
    queues = (EX, LD, "AL"), (EX, LD, "WL"), (ST, EX, "CL")
    credits = [push(*queue) for queue in queues for _ in range(2)]
    ends = [pop(taker, giver, name) for giver, taker, name in queues for _ in range(2)]
    arguments = [a, b, *params, *([r] if layer.residual else []), c]
    return compiled(allocate([al, wl, cl], *credits, body, *ends), arguments, config, "conv2d")


def check(layer: Layer, config: Config, seed: int = 0) -> VdlaModule:
    """Compile, verify, run and compare with NumPy."""
    rng = np.random.default_rng(seed)
    a, b = int8(rng, 1, layer.ic, layer.h, layer.w), int8(rng, layer.oc, layer.ic, layer.k, layer.k)
    bias = rng.integers(-5000, 5000, layer.oc, np.int32)
    multiplier = rng.integers(1 << 14, 1 << 15, layer.oc, np.int32)
    shift = rng.integers(20, 24, layer.oc, np.int32) - (RESIDUAL["fraction"] if layer.residual else 0)
    arrays = {"A": a, "W": b, "bias": bias, "multiplier": multiplier, "shift": shift}
    r = int8(rng, 1, layer.oc, layer.out_h, layer.out_w)
    module = conv2d(layer, config)
    result = run(module, arrays | ({"R": r} if layer.residual else {}))["C"]
    pads = (layer.pad,) * 4
    sums = reference.conv2d(a, b, (layer.stride, layer.stride), pads)
    np.testing.assert_array_equal(result, _finished(layer, sums, bias, multiplier, shift, r))
    return module


def _finished(
    layer: Layer,
    sums: NDArray[np.float64],
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32],
    shift: NDArray[np.int32],
    residual: NDArray[np.int8],
) -> NDArray[np.int8]:
    if not layer.residual:
        return reference.requantise(sums, bias, multiplier, shift, **POST)
    per_channel = (1, -1, 1, 1)
    scaled = (sums + bias.reshape(per_channel)) * multiplier.reshape(per_channel) / 2.0 ** shift.reshape(per_channel)
    distance = residual.astype(np.float64) - RESIDUAL["res_zero"]
    added = distance * RESIDUAL["res_multiplier"] / 2 ** RESIDUAL["res_shift"]
    total = np.round((np.round(scaled) + np.round(added)) / 2 ** RESIDUAL["fraction"]) + POST["zero_point"]
    return np.clip(total, POST["minimum"], POST["maximum"]).astype(np.int8)
