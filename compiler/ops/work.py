"""What a schedule of a convolution makes the units do, piece by piece: cycles of the array, entries and bytes moved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config

from .blocked import Blocked
from .knobs import At, Conv2dKnobs, Order, footprint
from .shapes import blocks
from .timing import BURST


@dataclass(frozen=True)
class Memory:
    """The DRAM for which a schedule is chosen: cycles until the first data; bytes a cycle, of reads and writes."""

    latency: int = 64
    bytes_per_cycle: int = 16


@dataclass(frozen=True)
class Transfer:
    """Data that moves in one go.

    Attributes
    ----------
    bus:
        Cycles that it has the memory to itself.
    unit:
        Cycles that its unit needs at least, for padding and for short bursts too.
    tail:
        Cycles from then on until the last burst of a store has left: it is sent when it is complete.
    """

    bus: float
    unit: float
    tail: float = 0.0


@dataclass(frozen=True)
class Span:
    """Outputs of a tile along one axis; of the inputs that they need, all and those inside of the tensor."""

    size: int
    loaded: int
    inside: int


def cut(total: int, size: int, first: int) -> list[tuple[int, int]]:
    """Begin and size of parts: one of `first`, then of `size`, and what is left."""
    edges = [0, *range(first, total, size), total]
    return [(begin, end - begin) for begin, end in pairwise(edges)]


class Work:
    """The pieces of a schedule.

    Attributes
    ----------
    parts:
        Blocks of channels, rows and columns of the kernel of each chunk of the reduction, in order.
    tiles:
        Rows and columns of each tile, in order.
    """

    def __init__(self, shape: Blocked, knobs: Conv2dKnobs, config: Config, memory: Memory) -> None:
        self.shape, self.knobs, self.config, self.memory = shape, knobs, config, memory
        self.need = footprint(shape, knobs)
        self.bandwidth = min(memory.bytes_per_cycle, config.bus_bytes)
        sizes = ((shape.ic_blocks, knobs.channels), (shape.kh, knobs.kernel_rows), (shape.kw, knobs.kernel_cols))
        self.parts = list(product(*([extent for _, extent in cut(total, size, size)] for total, size in sizes)))
        top, left, _, _ = shape.pads
        rows = [
            _span(begin, size, shape.stride_h, shape.rows(size, shape.kh), shape.row_step, top, shape.h)
            for begin, size in cut(shape.out_h, knobs.rows, knobs.first_rows)
        ]
        cols = [
            _span(begin, size, shape.stride_w, shape.cols(size, shape.kw), 1, left, shape.w)
            for begin, size in cut(shape.out_w, knobs.cols, knobs.cols)
        ]
        self.tiles = list(product(rows, cols))
        self._inputs: dict[object, Transfer] = {}
        self._weights: dict[object, Transfer] = {}
        self._stores: dict[object, Transfer] = {}

    @property
    def chunks(self) -> int:
        return len(self.parts)

    @property
    def images(self) -> int:
        """Times that all tiles of all blocks are done: samples and groups."""
        return self.shape.samples * self.shape.groups

    @property
    def pieces(self) -> int:
        """GEMMs of all."""
        return self.images * len(self.tiles) * self.shape.oc_blocks * self.chunks

    @cached_property
    def classes(self) -> list[tuple[int, int]]:
        """One tile of each kind, and how many of the kind there are."""
        kinds: dict[tuple[Span, Span], list[int]] = {}
        for tile, spans in enumerate(self.tiles):
            kinds.setdefault(spans, [tile, 0])[1] += 1
        return [(tile, count) for tile, count in kinds.values()]

    @cached_property
    def param(self) -> Transfer:
        """The requantisation of a block of output channels."""
        bus = self.config.param_bytes / self.bandwidth
        return Transfer(bus, bus)

    @cached_property
    def kernel(self) -> Transfer:
        """The load of a kernel's micro-ops: one a cycle."""
        size = self.need.kernel * self.config.uop_bytes
        bus = size / self.bandwidth
        return Transfer(bus, max(self.need.kernel, bus, self._paced(self._bursts(size))))

    def outputs(self, tile: int) -> int:
        rows, cols = self.tiles[tile]
        return rows.size * cols.size

    def array(self, tile: int, chunk: int) -> int:
        """Cycles of the array for a chunk of a tile."""
        return self.outputs(tile) * prod(self.parts[chunk])

    def inputs(self, tile: int, chunk: int = 0) -> Transfer:
        """The load of a tile's inputs, or of a chunk of them."""
        key = self.tiles[tile], self.parts[chunk]
        if key not in self._inputs:
            self._inputs[key] = self._load_inputs(*key)
        return self._inputs[key]

    def weights(self, chunk: int = 0) -> Transfer:
        """The load of weights in one go."""
        part = self.parts[chunk]
        if part not in self._weights:
            tiles = prod(part) if self.knobs.weights is At.CHUNK else self.need.wgt
            self._weights[part] = self._load(1, tiles, 1, tiles, self.config.wgt_bytes)
        return self._weights[part]

    def store(self, tile: int) -> Transfer:
        """The store of a tile of one block of output channels."""
        key = self.tiles[tile]
        if key not in self._stores:
            self._stores[key] = self._store(*key)
        return self._stores[key]

    def loads(self, tile: int) -> Transfer:
        """All that is loaded for a tile of all blocks; what serves several tiles in equal shares."""
        knobs, oc_blocks, tiles = self.knobs, self.shape.oc_blocks, len(self.tiles)
        often = {At.ROOT: 1 / (tiles * self.images), At.IMAGE: 1 / tiles, At.TILE: 1.0, At.CHUNK: float(oc_blocks)}
        often[At.BLOCK] = oc_blocks / (1 if knobs.order is Order.TILE else tiles)
        bus = unit = 0.0
        for at, one in (
            (knobs.inputs, lambda chunk: self.inputs(tile, chunk)),
            (knobs.weights, self.weights),
        ):
            for chunk in range(self.chunks if at is At.CHUNK else 1):
                transfer = one(chunk)
                bus, unit = bus + transfer.bus * often[at], unit + transfer.unit * often[at]
        return Transfer(bus, unit)

    @cached_property
    def read(self) -> float:
        """Cycles that the memory takes for all that is loaded."""
        return self.images * sum(self.loads(tile).bus * count for tile, count in self.classes)

    @cached_property
    def written(self) -> float:
        """Cycles that the memory takes for all that is stored."""
        stored = sum(self.store(tile).bus * count for tile, count in self.classes)
        return self.images * self.shape.oc_blocks * stored

    @cached_property
    def micro_ops(self) -> int:
        """Micro-ops of all kernels that there are: one for each combination of buffers' copies and places in them.

        More than the buffer holds are not counted to the end.
        """
        knobs, oc_blocks, tiles = self.knobs, self.shape.oc_blocks, len(self.tiles)
        tile_outside = knobs.order is Order.TILE
        by_chunk = knobs.inputs is At.CHUNK and knobs.weights is At.CHUNK
        kernels: set[tuple[object, ...]] = set()
        for step in range(self.images * tiles * oc_blocks):
            if len(kernels) * self.need.kernel > self.config.uop_depth:
                break
            block = step % oc_blocks if tile_outside else step // tiles % oc_blocks
            tile = step // oc_blocks if tile_outside else step
            for chunk, part in enumerate(self.parts):
                serial = step * self.chunks + chunk
                filled = {
                    At.ROOT: 0,
                    At.IMAGE: 0,
                    At.TILE: tile,
                    At.BLOCK: step if tile_outside else step // tiles,
                    At.CHUNK: serial,
                }
                kernels.add(
                    (
                        part if by_chunk else chunk,
                        step % knobs.acc_copies,
                        filled[knobs.inputs] % knobs.inp_copies,
                        self.tiles[tile % tiles] if knobs.inputs is At.IMAGE else 0,
                        filled[knobs.weights] % knobs.wgt_copies,
                        block if knobs.weights is At.ROOT else 0,
                    )
                )
        return len(kernels) * self.need.kernel

    def _load_inputs(self, tile: tuple[Span, Span], part: tuple[int, int, int]) -> Transfer:
        shape, at, entry = self.shape, self.knobs.inputs, self.config.inp_bytes
        rows, cols = tile
        if at is At.IMAGE:
            height, width = shape.loaded_h, shape.loaded_w
            inside = (min(height, blocks(shape.h, shape.row_step)), min(width, shape.w))
            return self._load(shape.ic_blocks, height * width, *inside, entry)
        if at is At.TILE:
            return self._load(shape.ic_blocks, rows.loaded * cols.loaded, rows.inside, cols.inside, entry)
        channels, kernel_rows, kernel_cols = part
        height, width = shape.rows(rows.size, kernel_rows), shape.cols(cols.size, kernel_cols)
        return self._load(channels, height * width, min(rows.inside, height), min(cols.inside, width), entry)

    def _load(self, pieces: int, entries: int, rows: int, cols: int, entry_bytes: int) -> Transfer:
        """`pieces` blocks that fill `entries` each, of which `rows` x `cols` come from memory."""
        row_bytes = cols * entry_bytes
        bus = pieces * rows * row_bytes / self.bandwidth
        padding = pieces * (entries - rows * cols)
        flat = cols == self.shape.loaded_w == self.shape.w and self.shape.row_step == 1
        bursts = pieces * (self._bursts(rows * row_bytes) if flat else rows * self._bursts(row_bytes))
        return Transfer(bus, max(bus + padding, self._paced(bursts)))

    def _store(self, rows: Span, cols: Span) -> Transfer:
        config = self.config
        vectors = rows.size * cols.size
        bus = vectors * config.out_bytes / self.bandwidth
        flat = cols.size == self.shape.out_w
        run = (vectors if flat else cols.size) * config.out_bytes
        bursts = self._bursts(run) * (1 if flat else rows.size)
        last = run - (self._bursts(run) - 1) * self._burst_bytes
        drain = vectors * config.batch * config.block_out / config.out_lanes
        return Transfer(bus, max(drain, bus, self._paced(bursts)), last / self.bandwidth)

    def _paced(self, bursts: int) -> float:
        """Cycles that bursts take because only so many are in flight."""
        return bursts * (self.memory.latency + BURST) / self.config.max_bursts

    @property
    def _burst_bytes(self) -> int:
        return min(self.config.burst_beats * self.config.bus_bytes, AXI_BOUNDARY_BYTES)

    def _bursts(self, size: int) -> int:
        return blocks(size, self._burst_bytes)


def _span(begin: int, size: int, stride: int, loaded: int, step: int, before: int, inputs: int) -> Span:
    first = begin * stride * step - before
    skipped = max(0, blocks(-first, step))
    inside = min(loaded, blocks(inputs - first, step)) - skipped
    return Span(size, loaded, max(0, inside))
