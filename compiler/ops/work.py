"""What a schedule of a convolution makes the units do, piece by piece: cycles of the array, entries and bytes moved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config

from .blocked import Blocked
from .knobs import At, Conv2dKnobs, Order, chunks, footprint
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
    """The pieces of a schedule."""

    def __init__(self, shape: Blocked, knobs: Conv2dKnobs, config: Config, memory: Memory) -> None:
        self.shape, self.knobs, self.config, self.memory = shape, knobs, config, memory
        self.need = footprint(shape, knobs)
        along_channels, along_rows, along_cols = chunks(shape, knobs)
        self.chunks = along_channels * along_rows * along_cols
        self.bandwidth = min(memory.bytes_per_cycle, config.bus_bytes)

    @cached_property
    def tiles(self) -> list[tuple[Span, Span]]:
        """Rows and columns of each tile, in order."""
        shape, knobs = self.shape, self.knobs
        top, left, _, _ = shape.pads
        rows = [
            _span(begin, size, shape.stride_h, shape.rows(size, shape.kh), shape.row_step, top, shape.h)
            for begin, size in cut(shape.out_h, knobs.rows, knobs.first_rows)
        ]
        cols = [
            _span(begin, size, shape.stride_w, shape.cols(size, shape.kw), 1, left, shape.w)
            for begin, size in cut(shape.out_w, knobs.cols, knobs.cols)
        ]
        return [(row, col) for row in rows for col in cols]

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

    @property
    def images(self) -> int:
        """Times that all tiles of all blocks are done: samples and groups."""
        return self.shape.samples * self.shape.groups

    def outputs(self, tile: int) -> int:
        rows, cols = self.tiles[tile]
        return rows.size * cols.size

    def array(self, tile: int) -> float:
        """Cycles of the array for one chunk of a tile, on average."""
        whole = self.shape.ic_blocks * self.shape.kh * self.shape.kw
        return self.outputs(tile) * whole / self.chunks

    def inputs(self, tile: int) -> Transfer:
        """The load of a tile's inputs, of one chunk if they are loaded so."""
        shape, knobs = self.shape, self.knobs
        rows, cols = self.tiles[tile]
        if knobs.inputs is At.IMAGE:
            height, width = shape.loaded_h, shape.loaded_w
            inside = (min(height, blocks(shape.h, shape.row_step)), min(width, shape.w))
            return self._load(shape.ic_blocks, height * width, *inside, self.config.inp_bytes)
        if knobs.inputs is At.TILE:
            return self._load(
                shape.ic_blocks, rows.loaded * cols.loaded, rows.inside, cols.inside, self.config.inp_bytes
            )
        height = min(rows.inside, shape.rows(rows.size, knobs.kernel_rows))
        width = min(cols.inside, shape.cols(cols.size, knobs.kernel_cols))
        return self._load(knobs.channels, height * width, height, width, self.config.inp_bytes)

    @property
    def input_loads(self) -> float:
        """Loads of inputs for each tile."""
        at = self.knobs.inputs
        each = {At.IMAGE: 1 / len(self.tiles), At.TILE: 1.0, At.CHUNK: float(self.shape.oc_blocks * self.chunks)}
        return each[at]

    @property
    def weight_loads(self) -> float:
        """Loads of weights for each tile."""
        oc_blocks, tiles = self.shape.oc_blocks, len(self.tiles)
        each = {
            At.ROOT: 1 / (tiles * self.images),
            At.BLOCK: oc_blocks / (1 if self.knobs.order is Order.TILE else tiles),
            At.CHUNK: float(oc_blocks * self.chunks),
        }
        return each[self.knobs.weights]

    @cached_property
    def read(self) -> float:
        """Cycles that the memory takes for all that is loaded."""
        inputs = sum(self.inputs(tile).bus * count for tile, count in self.classes) * self.input_loads
        return self.images * (inputs + self.weights.bus * self.weight_loads * len(self.tiles))

    @cached_property
    def written(self) -> float:
        """Cycles that the memory takes for all that is stored."""
        stored = sum(self.store(tile).bus * count for tile, count in self.classes)
        return self.images * self.shape.oc_blocks * stored

    @cached_property
    def weights(self) -> Transfer:
        """The load of weights in one go."""
        return self._load(1, self.need.wgt, 1, self.need.wgt, self.config.wgt_bytes)

    @cached_property
    def kernel(self) -> Transfer:
        """The load of a kernel's micro-ops: one a cycle."""
        size = self.need.kernel * self.config.uop_bytes
        bus = size / self.bandwidth
        return Transfer(bus, max(self.need.kernel, bus, self._paced(self._bursts(size))))

    def store(self, tile: int) -> Transfer:
        """The store of a tile of one block of output channels."""
        config = self.config
        vectors = self.outputs(tile)
        bus = vectors * config.out_bytes / self.bandwidth
        rows, cols = self.tiles[tile]
        row_bytes = cols.size * config.out_bytes
        flat = cols.size == self.shape.out_w
        run = vectors * config.out_bytes if flat else row_bytes
        bursts = self._bursts(run) * (1 if flat else rows.size)
        last = run - (self._bursts(run) - 1) * self._burst_bytes
        drain = vectors * config.batch * config.block_out / config.out_lanes
        unit = max(drain, bus, self._paced(bursts))
        return Transfer(bus, unit, last / self.bandwidth)

    @cached_property
    def micro_ops(self) -> int:
        """Micro-ops of all kernels that there are: one for each combination of the buffers' copies and chunks."""
        combinations: set[tuple[int, ...]] = set()
        knobs, oc_blocks, tiles = self.knobs, self.shape.oc_blocks, len(self.tiles)
        resident = knobs.weights is At.ROOT
        limit = self.config.uop_depth // max(1, self.need.kernel)
        for step in range(self.images * tiles * oc_blocks):
            block = step % oc_blocks if knobs.order.value == "tile" else step // tiles % oc_blocks
            tile = step // oc_blocks if knobs.order.value == "tile" else step
            filled = block if resident else step if knobs.order.value == "tile" else step // tiles
            for chunk in range(self.chunks):
                serial = step * self.chunks + chunk
                wgt = serial if knobs.weights is At.CHUNK else filled
                inp = serial if knobs.inputs is At.CHUNK else 0 if knobs.inputs is At.IMAGE else tile
                combinations.add(
                    (
                        chunk,
                        step % knobs.acc_copies,
                        inp % knobs.inp_copies,
                        wgt if resident else wgt % knobs.wgt_copies,
                    )
                )
            if len(combinations) > limit:
                break
        return len(combinations) * self.need.kernel

    def _load(self, pieces: int, entries: int, rows: int, cols: int, entry_bytes: int) -> Transfer:
        """`pieces` blocks that fill `entries` each, of which `rows` x `cols` come from memory."""
        row_bytes = cols * entry_bytes
        bus = pieces * rows * row_bytes / self.bandwidth
        padding = pieces * (entries - rows * cols)
        flat = cols == self.shape.loaded_w == self.shape.w and self.shape.row_step == 1
        bursts = pieces * (self._bursts(rows * row_bytes) if flat else rows * self._bursts(row_bytes))
        return Transfer(bus, max(bus + padding, self._paced(bursts)))

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
