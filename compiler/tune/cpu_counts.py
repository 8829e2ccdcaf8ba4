"""What a convolution's loops on the CPU do, counted: for features, and for a cost by an analytical model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs, Order, Unpack, is_product
from dovetail.compiler.ops.shapes import Conv2dShape, blocks

CpuCounts = dict[str, NDArray[np.float64]]

LEVEL_1, LEVEL_2 = 32 << 10, 1 << 20
"""Bytes of the imagined core's caches."""
LEVEL_2_BYTES, MEMORY_BYTES = 32.0, 12.0
"""Bytes that arrive from the second cache and from beyond in a cycle."""
LOADS = 2.0
"""A cycle, beside one multiplication of vectors."""
LOOP = 0.5
"""Cycles that the innermost loop costs beside its work."""
LATENCY = 4.0
"""Cycles until a sum can be added to again."""
TRANSPOSE = 5.0
"""Cycles for each vector of a tile that is transposed in registers, and ...."""
SCATTER = 6.0
"""... for one whose lanes are stored far apart by loops at the end."""
COPY = 0.25
"""Cycles for each element of a copied input."""
STRIDED_COPY = 0.6
"""The same where elements are skipped."""


def counts_of(shape: Conv2dShape, settings: Sequence[Conv2dKnobs], dtype: str) -> CpuCounts:
    """The counts of `features.table`, and some that `cycles_of` takes, for each of several settings.

    Tiles of sums are the runs of plain statements, multiplications of vectors their points. What tiles read of input
    and weights, and the blocks in which they lie, are those of ``inp`` and ``wgt``; the sums are ``acc``. Copying the
    input is ``load_inp``, streaming weights from beyond the first cache ``load_wgt``, writing the output ``store``.
    """
    rows = [_counts(shape, knobs, 1 if dtype == "int8" else 4) for knobs in settings]
    return {name: np.array([row[name] for row in rows], np.float64) for name in (rows[0] if rows else ())}


def cycles_of(counts: CpuCounts) -> NDArray[np.float64]:
    """Cycles of an imagined core that multiplies a vector in a cycle, for all iterations, loads and stores.

    It loads meanwhile; weights that do not stay in the first cache stream from the second or from beyond.
    """
    tile = counts["unrolled"]
    loads = counts["reads.tap"] / LOADS
    weights = counts["wgt.bytes"] / np.maximum(counts["kernel"], 1)
    source = np.where(counts["wgt.bytes"] > LEVEL_2 / 2, MEMORY_BYTES, LEVEL_2_BYTES)
    stream = np.where(counts["wgt.between"] > LEVEL_1 / 2, weights / source, 0.0)
    # Loads and multiplications overlap, but not to the last cycle.
    busy = np.maximum.reduce([tile, np.full_like(tile, LATENCY), loads, stream]) + LOOP + 0.02 * (loads + stream)
    sums = counts["plain.runs"] * (busy * counts["kernel"] + counts["finish"])
    found: NDArray[np.float64] = sums + counts["copy"] + counts["touched"] / MEMORY_BYTES * 0.1
    return found


def _counts(shape: Conv2dShape, knobs: Conv2dKnobs, element: int) -> dict[str, float]:
    channels, per_group = shape.ic // shape.groups, shape.oc // shape.groups
    taps = blocks(channels, 4 // element) * shape.kh * shape.kw
    tile = knobs.vectors * knobs.length
    lanes, images = knobs.lanes, shape.n * shape.groups
    flat = is_product(shape, knobs)
    out_h, out_w = (1, shape.h * shape.w) if flat else (shape.out_h, shape.out_w)
    if knobs.over_channels:
        deep, wide = blocks(per_group, lanes * knobs.vectors), blocks(out_w, knobs.cols)
        wgt_tap, inp_tap, inp_loads = 4 * lanes * knobs.vectors, 4 * knobs.length, knobs.length
        finish = tile * (2.0 + (TRANSPOSE if knobs.unpack is Unpack.ROW else SCATTER))
    else:
        deep, wide = blocks(per_group, knobs.channels), blocks(out_w, lanes * knobs.vectors)
        wgt_tap, inp_tap, inp_loads = element * knobs.channels, 4 * lanes * knobs.vectors, knobs.vectors
        whole = out_w % (lanes * knobs.vectors) == 0
        finish = tile * (2.0 if whole else 5.0)
    high = blocks(out_h, knobs.rows)
    tiles = images * deep * high * wide
    wgt_block, inp_tile = float(wgt_tap * taps), float(inp_tap * taps)
    inner_wide = 1 if flat else wide
    between = wgt_block if knobs.order is Order.BLOCK else wgt_block * deep
    streams = images * (deep if knobs.order is Order.BLOCK else deep * high * (wide if flat else 1))
    one_pixel = shape.kh == shape.kw == 1
    strided = one_pixel and shape.strides != (1, 1)
    direct = not any(shape.pads) and not (strided and knobs.compact) and element == 4
    pixels = (
        out_h * out_w
        if strided and knobs.compact
        else (shape.h + shape.pads[0] + shape.pads[2]) * (shape.w + shape.pads[1] + shape.pads[3])
    )
    copied = 0 if direct else images * channels * pixels
    out = shape.n * shape.oc * shape.out_h * shape.out_w
    read = shape.n * shape.ic * shape.h * shape.w * element
    weights = shape.oc * channels * shape.kh * shape.kw * element
    reads = (knobs.vectors + inp_loads) if knobs.over_channels else (knobs.channels + knobs.vectors)
    row = knobs.cols if knobs.over_channels else lanes * knobs.vectors
    return {
        "parallel": images * deep * high * (wide if flat else 1),
        "lanes": lanes,
        "unrolled": tile,
        "kernel": taps,
        "inner": inner_wide,
        "reads": float(tiles * taps * reads),
        "reads.tap": float(reads) * (1.0 if knobs.over_channels else _crossing(knobs)),
        "touched": float(read + weights + 4 * out + 2 * element * copied),
        "arithmetic": float(tiles * taps * tile),
        "plain.runs": float(tiles),
        "plain.points": float(tiles * taps * tile),
        "plain.first": float(taps * tile),
        "plain.last": float(taps * tile),
        "plain.most": float(taps * tile),
        "inp.bytes": inp_tile,
        "inp.read": float(tiles * inp_tile),
        "wgt.bytes": wgt_block,
        "wgt.between": between,
        "wgt.read": float(tiles * wgt_block),
        "acc.bytes": float(4 * tile * lanes * (inner_wide if knobs.unpack is Unpack.ROW else 1)),
        "load_inp.runs": float(images * channels if copied else 0),
        "load_inp.points": float(copied * element),
        "load_inp.padding": float(max(copied - read / element, 0) * element),
        "load_wgt.runs": float(streams),
        "load_wgt.points": float(streams * wgt_block),
        "store.runs": float(tiles),
        "store.points": float(out * element),
        "store.rows": float(out / row),
        "finish": finish,
        "copy": copied * (STRIDED_COPY if strided and knobs.compact else COPY),
    }


def _crossing(knobs: Conv2dKnobs) -> float:
    """How much more loads cost whose vectors do not begin where cache lines do."""
    return 1.0 + knobs.vectors / (knobs.vectors + knobs.channels)
