"""Features of a convolution's schedules on the accelerator, without their programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.knobs import At, Order, chunks, footprint, is_at, pick, row_tiles
from dovetail.compiler.ops.shapes import blocks
from dovetail.isa.config import Config

from ..settings import Settings
from ..space import Features
from .along import Axis, loads_along
from .table import Counts, as_features

Whole = NDArray[np.int64]


class AcceleratorFeatures:
    """The same numbers as `extract.ast_features` of the programs, for many settings at once."""

    def __init__(self, shape: Blocked, config: Config) -> None:
        self.shape, self.config = shape, config
        self._rows, self._cols = loads_along(Axis.rows_of(shape)), loads_along(Axis.cols_of(shape))

    def of(self, settings: Settings) -> Features:
        """[n, F] for columns of n settings."""
        return as_features(self.counts(settings), len(settings.rows))

    def counts(self, settings: Settings) -> Counts:
        """The counts of which features are made."""
        shape, config, nest = self.shape, self.config, _Nest(self.shape, settings)
        need = footprint(shape, settings)
        inp = config.batch * config.block_in
        products = shape.ic_blocks * shape.kh * shape.kw
        outputs = shape.oc_blocks * shape.out_h * shape.out_w * nest.images
        counts: dict[str, Any] = {
            "vthreads": pick(settings.threads > 1, settings.threads, 0),
            "tensor.points": products * outputs,
            "tensor.runs": pick(nest.by_chunk, nest.runs * nest.chunks, nest.runs),
            "tensor.first": nest.first_tile * pick(nest.by_chunk, need.kernel, products),
            "tensor.last": nest.last_tile * pick(nest.by_chunk, nest.last_chunk, products),
            "tensor.most": nest.largest_tile * pick(nest.by_chunk, need.kernel, products),
            "kernel": pick((nest.largest_tile == 1) & ~nest.by_chunk, need.kernel * nest.chunks, need.kernel),
            "inner": pick(settings.cols > 1, settings.cols, nest.most_rows),
            "vector.points": outputs,
            "inp.bytes": need.inp * config.inp_bytes,
            "inp.copies": settings.inp_copies,
            "inp.read": products * outputs * config.inp_bytes,
            "wgt.bytes": need.wgt * config.wgt_bytes,
            "wgt.copies": settings.wgt_copies,
            "wgt.read": products * outputs * config.wgt_bytes,
            "acc.bytes": need.acc * config.acc_bytes,
            "acc.copies": settings.acc_copies,
            "store.points": outputs * config.out_bytes,
            "store.rows": nest.runs // nest.row_tiles * shape.out_h * config.batch * config.block_out,
            **{f"load_inp.{name}": count for name, count in self._inputs(settings, nest, inp).items()},
            **{f"load_wgt.{name}": count for name, count in self._weights(settings, nest).items()},
        }
        for kind, size in (("vector", 1), ("store", config.out_bytes)):
            counts[f"{kind}.runs"] = nest.runs
            counts[f"{kind}.first"] = nest.first_tile * size
            counts[f"{kind}.last"] = nest.last_tile * size
            counts[f"{kind}.most"] = nest.largest_tile * size
        return counts

    def _inputs(self, settings: Settings, nest: _Nest, lanes: int) -> dict[str, Any]:
        shape = self.shape
        image, chunk = is_at(settings.inputs, At.IMAGE), is_at(settings.inputs, At.CHUNK)
        height, height_inside, first_h, last_h, most_h, _ = self._rows.of(
            pick(image, nest.thread_rows, settings.rows),
            pick(image, nest.first_thread_rows, settings.first_rows),
            pick(chunk, settings.kernel_rows, shape.kh),
        )
        cols = pick(image, shape.out_w, settings.cols)
        width, width_inside, first_w, last_w, most_w, col_chunks = self._cols.of(
            cols, cols, pick(chunk, settings.kernel_cols, shape.kw)
        )
        often = nest.images * pick(chunk, shape.oc_blocks, 1)
        inside = often * shape.ic_blocks * height_inside * width_inside * lanes
        return {
            "runs": often * pick(image, settings.threads, nest.tiles * pick(chunk, nest.chunks, 1)),
            "points": inside,
            "first": pick(chunk, settings.channels, shape.ic_blocks) * first_h * first_w * lanes,
            "last": pick(chunk, nest.last_channels, shape.ic_blocks) * last_h * last_w * lanes,
            "most": pick(chunk, settings.channels, shape.ic_blocks) * most_h * most_w * lanes,
            "rows": often * shape.ic_blocks * height_inside * blocks(shape.out_w, cols) * col_chunks * lanes,
            "padding": often * shape.ic_blocks * height * width * lanes - inside,
        }

    def _weights(self, settings: Settings, nest: _Nest) -> dict[str, Any]:
        shape, config = self.shape, self.config
        root, chunk = is_at(settings.weights, At.ROOT), is_at(settings.weights, At.CHUNK)
        block_outside = is_at(settings.order, Order.BLOCK)
        whole = shape.ic_blocks * shape.kh * shape.kw
        all_blocks = whole * shape.oc_blocks * shape.groups
        own = nest.images * shape.oc_blocks * pick(block_outside, settings.threads, nest.tiles)
        often = pick(root, 1, pick(chunk, nest.runs, own))
        each = pick(root, all_blocks, whole)
        rows = config.block_out * config.block_in * pick(chunk, blocks(shape.kw, settings.kernel_cols), 1)
        largest = pick(chunk, settings.channels * settings.kernel_rows * settings.kernel_cols, each)
        return {
            "runs": often * pick(chunk, nest.chunks, 1),
            "points": often * each * config.wgt_bytes,
            "first": largest * config.wgt_bytes,
            "last": pick(chunk, nest.last_chunk, each) * config.wgt_bytes,
            "most": largest * config.wgt_bytes,
            "rows": often * (each // shape.kw) * rows,
        }


class _Nest:
    """The outer loops of settings, and the tiles in them."""

    def __init__(self, shape: Blocked, settings: Settings) -> None:
        rows, cols, first = settings.rows, settings.cols, settings.first_rows
        self.images = shape.samples * shape.groups
        self.row_tiles: Whole = row_tiles(shape, settings)
        col_tiles = blocks(shape.out_w, cols)
        self.tiles: Whole = self.row_tiles * col_tiles
        self.runs: Whole = self.images * self.tiles * shape.oc_blocks
        self.thread_rows: Whole = blocks(self.row_tiles, settings.threads) * rows
        self.first_thread_rows: Whole = np.minimum(self.thread_rows - rows + first, shape.out_h)
        parts = chunks(shape, settings)
        self.chunks: Whole = parts[0] * parts[1] * parts[2]
        self.by_chunk = is_at(settings.inputs, At.CHUNK) | is_at(settings.weights, At.CHUNK)
        last_row = pick(self.row_tiles > 1, shape.out_h - first - (self.row_tiles - 2) * rows, first)
        self.most_rows: Whole = pick(self.row_tiles > 2, rows, np.maximum(first, last_row))
        self.first_tile: Whole = first * cols
        self.last_tile: Whole = last_row * (shape.out_w - (col_tiles - 1) * cols)
        self.largest_tile: Whole = self.most_rows * cols
        totals, sizes = (
            (shape.ic_blocks, shape.kh, shape.kw),
            (
                settings.channels,
                settings.kernel_rows,
                settings.kernel_cols,
            ),
        )
        lasts = [total - (part - 1) * size for total, part, size in zip(totals, parts, sizes, strict=True)]
        self.last_channels: Whole = lasts[0]
        self.last_chunk: Whole = lasts[0] * lasts[1] * lasts[2]
