"""The estimate of `compiler.ops.estimate` for many settings at once."""

from __future__ import annotations

from functools import cached_property
from itertools import product

import numpy as np

from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.knobs import At, Order, Truth, Whole, chunks, footprint, is_at, largest, pick, smallest
from dovetail.compiler.ops.shapes import blocks
from dovetail.compiler.ops.timing import ANSWER, ISSUE, START
from dovetail.compiler.ops.transfers import Memory, Transfer, Transfers
from dovetail.isa.config import Config

from .features.along import Axis, kinds_along
from .settings import Settings
from .space import Costs

Kind = tuple[Whole, Whole, Whole]
"""Of a tile along one axis: outputs, inputs that it loads, and those of them that are no padding."""


class TileEstimate:
    """Cycles of a convolution's schedules on a machine."""

    def __init__(self, shape: Blocked, config: Config, memory: Memory) -> None:
        self._costs = Transfers(shape, config, memory)
        self._rows, self._cols = kinds_along(Axis.rows_of(shape)), kinds_along(Axis.cols_of(shape))

    def of(self, settings: Settings) -> Costs:
        """Cycles of each of n settings, in columns of n."""
        rows = self._rows.of(settings.rows, settings.first_rows)
        cols = self._cols.of(settings.cols, settings.cols)
        return np.asarray(_Estimate(self._costs, settings, _Tiles(rows), _Tiles(cols)).cycles, np.float64)


class _Tiles:
    """Tiles along one axis: the second, the last, and one of each kind with how many there are."""

    def __init__(self, columns: list[Whole]) -> None:
        self.second: Kind = (columns[0], columns[1], columns[2])
        self.last: Kind = (columns[3], columns[4], columns[5])
        self.kinds = [((size, loaded, inside), count) for size, loaded, inside, count in _fours(columns[6:])]
        self.first = self.kinds[0][0]
        self.count: Whole = sum(count for _, count in self.kinds)


def _fours(columns: list[Whole]) -> list[tuple[Whole, Whole, Whole, Whole]]:
    return [(columns[at], columns[at + 1], columns[at + 2], columns[at + 3]) for at in range(0, len(columns), 4)]


def _picked(condition: Truth, then: Kind, otherwise: Kind) -> Kind:
    first, second, third = (pick(condition, one, other) for one, other in zip(then, otherwise, strict=True))
    return first, second, third


class _Estimate:
    """As `estimate` works on a `Work`, with an array in place of each number."""

    def __init__(self, costs: Transfers, settings: Settings, rows: _Tiles, cols: _Tiles) -> None:
        self.costs, self.settings, self.rows, self.cols = costs, settings, rows, cols
        self.shape, self.memory = costs.shape, costs.memory
        self.need = footprint(self.shape, settings)
        self.tiles: Whole = rows.count * cols.count
        self.images = self.shape.samples * self.shape.groups

    @property
    def cycles(self) -> Whole:
        memory, total = self.memory, 0.0
        overlapping = self._overlapping
        for at, ((rows, row_count), (cols, col_count)) in enumerate(product(self.rows.kinds, self.cols.kinds)):
            count = row_count * col_count
            if count.any():
                phases = self._phases(rows, cols, self._beside(rows, cols, first=at == 0))
                together = phases[0] + phases[1] + phases[2] + phases[3]
                total = total + count * pick(overlapping, largest(*phases), together)
        last = self.costs.drain(self.rows.last[0], self.cols.last[0])
        parts = self._parts[0][0]
        inputs = self._inputs(self.rows.first, self.cols.first, parts)
        begin = START + memory.latency + inputs.unit + self._weights(parts).unit
        return begin + total * self.images + last.unit + last.tail + memory.latency + ANSWER

    def _phases(self, rows: Kind, cols: Kind, loads: Transfer) -> tuple[Whole, Whole, Whole, Whole]:
        shape = self.shape
        products = shape.ic_blocks * shape.kh * shape.kw
        parts = chunks(shape, self.settings)
        store = self.costs.drain(rows[0], cols[0])
        array = (rows[0] * cols[0] * products + ISSUE * (parts[0] * parts[1] * parts[2])) * shape.oc_blocks
        storing = shape.oc_blocks * (store.unit + self._param_waits(store.tail))
        return array, loads.unit, loads.bus + store.bus * shape.oc_blocks, storing

    @cached_property
    def _overlapping(self) -> Truth:
        settings, many = self.settings, np.iinfo(np.int64).max
        inp = pick(self._inputs_at(At.IMAGE), many, settings.inp_copies)
        wgt = pick(is_at(settings.weights, At.ROOT), many, settings.wgt_copies)
        return smallest(settings.acc_copies, inp, wgt) * settings.threads > 1

    def _param_waits(self, tail: Whole) -> Whole:
        other = is_at(self.settings.order, Order.TILE) & ((self.shape.oc_blocks > 1) | (self.tiles == 1))
        return pick(other, tail + self.costs.param.bus + 2 * (self.memory.latency + ANSWER), 0.0)

    def _inputs_at(self, at: At) -> Truth:
        return is_at(self.settings.inputs, at)

    @cached_property
    def _parts(self) -> list[tuple[tuple[Whole, Whole, Whole], Whole]]:
        """A chunk of each size, and how many of the size there are; the first chunk first."""
        shape, settings = self.shape, self.settings
        along = []
        for total, size in (
            (shape.ic_blocks, settings.channels),
            (shape.kh, settings.kernel_rows),
            (shape.kw, settings.kernel_cols),
        ):
            rest = total % size
            along.append([(size, total // size), (rest, (rest > 0).astype(np.int64))])
        parts = [((k, y, x), ks * ys * xs) for (k, ks), (y, ys), (x, xs) in product(*along)]
        return [(part, count) for part, count in parts if count.any()]

    def _beside(self, rows: Kind, cols: Kind, *, first: bool) -> Transfer:
        """What is loaded while a tile of a kind is computed; beside the first one, which is small, a large one."""
        loads = self._loads(rows, cols)
        if not first:
            return loads
        part = self._parts[0][0]
        side = self.cols.count > 1
        own = self._inputs(rows, cols, part)
        other = self._inputs(_picked(side, rows, self.rows.second), _picked(side, self.cols.second, cols), part)
        moved = self._inputs_at(At.TILE) & (self.tiles > 1)
        bus, unit = pick(moved, other.bus - own.bus, 0.0), pick(moved, other.unit - own.unit, 0.0)
        return Transfer(loads.bus + bus, loads.unit + unit)

    def _loads(self, rows: Kind, cols: Kind) -> Transfer:
        """All that is loaded for a tile of all blocks; what serves several tiles in equal shares."""
        settings, oc_blocks = self.settings, self.shape.oc_blocks
        chunk_inputs, chunk_weights = self._inputs_at(At.CHUNK), is_at(settings.weights, At.CHUNK)
        inputs_often = pick(self._inputs_at(At.IMAGE), 1 / self.tiles, pick(chunk_inputs, oc_blocks, 1.0))
        by_block = oc_blocks / pick(is_at(settings.order, Order.TILE), 1, self.tiles)
        root = is_at(settings.weights, At.ROOT)
        weights_often = pick(root, 1 / (self.tiles * self.images), pick(chunk_weights, oc_blocks, by_block))
        bus: Whole = 0.0
        unit: Whole = 0.0
        for place, (part, count) in enumerate(self._parts):
            once = int(place == 0)
            for load, often, by_chunk in (
                (self._inputs(rows, cols, part), inputs_often, chunk_inputs),
                (self._weights(part), weights_often, chunk_weights),
            ):
                times = often * pick(by_chunk, count, once)
                bus, unit = bus + load.bus * times, unit + load.unit * times
        return Transfer(bus, unit)

    def _inputs(self, rows: Kind, cols: Kind, part: tuple[Whole, Whole, Whole]) -> Transfer:
        """The load of a tile's inputs, or of a chunk of them, or of all of an image."""
        shape = self.shape
        image, chunk = self._inputs_at(At.IMAGE), self._inputs_at(At.CHUNK)
        channels = pick(chunk, part[0], shape.ic_blocks)
        height = shape.rows(rows[0], pick(chunk, part[1], shape.kh))
        width = shape.cols(cols[0], pick(chunk, part[2], shape.kw))
        all_rows = min(shape.loaded_h, blocks(shape.h, shape.row_step))
        return self.costs.load(
            channels,
            pick(image, shape.loaded_h * shape.loaded_w, height * width),
            pick(image, all_rows, smallest(rows[2], height)),
            pick(image, min(shape.loaded_w, shape.w), smallest(cols[2], width)),
            self.costs.config.inp_bytes,
        )

    def _weights(self, part: tuple[Whole, Whole, Whole]) -> Transfer:
        """The load of weights in one go."""
        tiles = pick(is_at(self.settings.weights, At.CHUNK), part[0] * part[1] * part[2], self.need.wgt)
        return self.costs.load(1, tiles, 1, tiles, self.costs.config.wgt_bytes)
