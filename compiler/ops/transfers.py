"""What pieces of a convolution cost the memory, the load unit and the store unit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config

from .blocked import Blocked
from .knobs import Whole, largest, pick, smallest
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
    ahead:
        Cycles of a load that are asked for at once, behind which others wait.
    """

    bus: float
    unit: float
    tail: float = 0.0
    ahead: float = 0.0


@dataclass(frozen=True)
class Span:
    """Outputs of a tile along one axis; of the inputs that they need, all and those inside of the tensor."""

    size: int
    loaded: int
    inside: int


@dataclass(frozen=True)
class Tiles:
    """The tiles of an output.

    Attributes
    ----------
    spans:
        Rows and columns of each, in order.
    kinds:
        The number of each tile's kind: tiles of one kind cost the same.
    classes:
        One tile of each kind, and how many of the kind there are.
    """

    spans: list[tuple[Span, Span]]
    kinds: list[int]
    classes: list[tuple[int, int]]


class Transfers:
    """Costs of pieces of one convolution on one machine, each worked out once.

    Attributes
    ----------
    bandwidth:
        Bytes a cycle that the memory and the bus move.
    """

    def __init__(self, shape: Blocked, config: Config, memory: Memory) -> None:
        self.shape, self.config, self.memory = shape, config, memory
        self.bandwidth = min(memory.bytes_per_cycle, config.bus_bytes)
        self._tiles: dict[tuple[int, int, int], Tiles] = {}
        self._inputs: dict[tuple[object, ...], Transfer] = {}
        self._weights: dict[int, Transfer] = {}
        self._stores: dict[tuple[int, int], Transfer] = {}

    def tiles(self, rows: int, cols: int, first_rows: int) -> Tiles:
        """The output in tiles."""
        key = rows, cols, first_rows
        if key not in self._tiles:
            self._tiles[key] = self._cut(*key)
        return self._tiles[key]

    def inputs(self, spans: tuple[Span, Span], part: tuple[int, int, int]) -> Transfer:
        """The load of the inputs of a tile that `part` needs: blocks of channels, rows and columns of the kernel."""
        rows, cols = spans
        key = rows, cols, part
        if key not in self._inputs:
            channels, kernel_rows, kernel_cols = part
            height, width = self.shape.rows(rows.size, kernel_rows), self.shape.cols(cols.size, kernel_cols)
            inside = min(rows.inside, height), min(cols.inside, width)
            self._inputs[key] = self.load(channels, height * width, *inside, self.config.inp_bytes)
        return self._inputs[key]

    @cached_property
    def image(self) -> Transfer:
        """The load of all inputs of a sample and group."""
        shape = self.shape
        inside = min(shape.loaded_h, blocks(shape.h, shape.row_step)), min(shape.loaded_w, shape.w)
        return self.load(shape.ic_blocks, shape.loaded_h * shape.loaded_w, *inside, self.config.inp_bytes)

    def weights(self, tiles: int) -> Transfer:
        """The load of so many weight tiles."""
        if tiles not in self._weights:
            self._weights[tiles] = self.load(1, tiles, 1, tiles, self.config.wgt_bytes)
        return self._weights[tiles]

    def kernel(self, micro_ops: int) -> Transfer:
        """The load of a kernel: a micro-op a cycle."""
        size = micro_ops * self.config.uop_bytes
        bus = size / self.bandwidth
        return Transfer(bus, max(micro_ops, bus, self._paced(self._bursts(size))))

    @cached_property
    def param(self) -> Transfer:
        """The requantisation of a block of output channels."""
        bus = self.config.param_bytes / self.bandwidth
        return Transfer(bus, bus)

    def store(self, rows: int, cols: int) -> Transfer:
        """The store of so many outputs of one block of channels."""
        key = rows, cols
        if key not in self._stores:
            self._stores[key] = self.drain(rows, cols)
        return self._stores[key]

    def _cut(self, rows: int, cols: int, first_rows: int) -> Tiles:
        shape = self.shape
        top, left, _, _ = shape.pads
        row_spans = [
            _span(begin, size, shape.stride_h, shape.rows(size, shape.kh), shape.row_step, top, shape.h)
            for begin, size in cut(shape.out_h, rows, first_rows)
        ]
        col_spans = [
            _span(begin, size, shape.stride_w, shape.cols(size, shape.kw), 1, left, shape.w)
            for begin, size in cut(shape.out_w, cols, cols)
        ]
        spans = list(product(row_spans, col_spans))
        numbers: dict[tuple[Span, Span], int] = {}
        kinds = [numbers.setdefault(pair, len(numbers)) for pair in spans]
        classes = [(kinds.index(kind), kinds.count(kind)) for kind in range(len(numbers))]
        return Tiles(spans, kinds, classes)

    def load(self, pieces: Whole, entries: Whole, rows: Whole, cols: Whole, entry_bytes: int) -> Transfer:
        """`pieces` blocks that fill `entries` each, of which `rows` x `cols` come from memory; or arrays of them."""
        row_bytes = cols * entry_bytes
        bus = pieces * rows * row_bytes / self.bandwidth
        padding = pieces * (entries - rows * cols)
        flat = (cols == self.shape.loaded_w) & (self.shape.loaded_w == self.shape.w) & (self.shape.row_step == 1)
        run = pick(flat, rows * row_bytes, row_bytes)
        bursts = pieces * self._bursts(run) * pick(flat, 1, rows)
        ahead = smallest(bus, self.config.max_bursts * smallest(run, self._burst_bytes) / self.bandwidth)
        return Transfer(bus, largest(bus + padding, self._paced(bursts)), ahead=ahead)

    def drain(self, rows: Whole, cols: Whole) -> Transfer:
        """The store of so many outputs of one block of channels; or of arrays of them."""
        config = self.config
        vectors = rows * cols
        bus = vectors * config.out_bytes / self.bandwidth
        flat = cols == self.shape.out_w
        run = pick(flat, vectors, cols) * config.out_bytes
        bursts = self._bursts(run) * pick(flat, 1, rows)
        last = run - (self._bursts(run) - 1) * self._burst_bytes
        drain = vectors * config.batch * config.block_out / config.out_lanes
        return Transfer(bus, largest(drain, bus, self._paced(bursts)), last / self.bandwidth)

    def _paced(self, bursts: Whole) -> Whole:
        """Cycles that bursts take because only so many are in flight."""
        return bursts * (self.memory.latency + BURST) / self.config.max_bursts

    @cached_property
    def _burst_bytes(self) -> int:
        return min(self.config.burst_beats * self.config.bus_bytes, AXI_BOUNDARY_BYTES)

    def _bursts(self, size: Whole) -> Whole:
        return blocks(size, self._burst_bytes)


def cut(total: int, size: int, first: int) -> list[tuple[int, int]]:
    """Begin and size of parts: one of `first`, then of `size`, and what is left."""
    edges = [0, *range(first, total, size), total]
    return [(begin, end - begin) for begin, end in pairwise(edges)]


def _span(begin: int, size: int, stride: int, loaded: int, step: int, before: int, inputs: int) -> Span:
    first = begin * stride * step - before
    skipped = max(0, blocks(-first, step))
    inside = min(loaded, blocks(inputs - first, step)) - skipped
    return Span(size, loaded, max(0, inside))
