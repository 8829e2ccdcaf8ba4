"""What a schedule of a convolution makes the units do, piece by piece."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from itertools import product
from math import lcm, prod

from .knobs import At, Conv2dKnobs, Order, footprint
from .transfers import Transfer, Transfers, cut


class Work:
    """The pieces of a schedule.

    Attributes
    ----------
    parts:
        Blocks of channels, rows and columns of the kernel of each chunk of the reduction, in order.
    tiles:
        Of the output, in order.
    """

    def __init__(self, costs: Transfers, knobs: Conv2dKnobs) -> None:
        shape = costs.shape
        self.costs, self.knobs, self.shape = costs, knobs, shape
        self.config, self.memory = costs.config, costs.memory
        self.need = footprint(shape, knobs)
        sizes = ((shape.ic_blocks, knobs.channels), (shape.kh, knobs.kernel_rows), (shape.kw, knobs.kernel_cols))
        channels, rows, cols = ([extent for _, extent in cut(total, size, size)] for total, size in sizes)
        self.parts = list(product(channels, rows, cols))
        self.tiles = costs.tiles(knobs.rows, knobs.cols, knobs.first_rows)

    @property
    def images(self) -> int:
        """Times that all tiles of all blocks are done: samples and groups."""
        return self.shape.samples * self.shape.groups

    @property
    def pieces(self) -> int:
        """GEMMs of all."""
        return self.images * len(self.tiles.spans) * self.shape.oc_blocks * len(self.parts)

    def array(self, tile: int, chunk: int) -> int:
        """Cycles of the array for a chunk of a tile."""
        rows, cols = self.tiles.spans[tile]
        return rows.size * cols.size * prod(self.parts[chunk])

    def inputs(self, tile: int, chunk: int = 0) -> Transfer:
        """The load of a tile's inputs, or of a chunk of them."""
        if self.knobs.inputs is At.IMAGE:
            return self.costs.image
        whole = self.shape.ic_blocks, self.shape.kh, self.shape.kw
        return self.costs.inputs(self.tiles.spans[tile], self.parts[chunk] if self.knobs.inputs is At.CHUNK else whole)

    def weights(self, chunk: int = 0) -> Transfer:
        """The load of weights in one go."""
        return self.costs.weights(prod(self.parts[chunk]) if self.knobs.weights is At.CHUNK else self.need.wgt)

    @property
    def kernel(self) -> Transfer:
        """The load of a kernel's micro-ops."""
        return self.costs.kernel(self.need.kernel)

    def store(self, tile: int) -> Transfer:
        """The store of a tile of one block of output channels."""
        rows, cols = self.tiles.spans[tile]
        return self.costs.store(rows.size, cols.size)

    def loads(self, tile: int) -> Transfer:
        """All that is loaded for a tile of all blocks; what serves several tiles in equal shares."""
        knobs, often = self.knobs, self._often
        bus = unit = 0.0
        for chunk, count in self._part_classes:
            for at, load in ((knobs.inputs, self.inputs(tile, chunk)), (knobs.weights, self.weights(chunk))):
                if at is At.CHUNK or chunk == 0:
                    times = often[at] * (count if at is At.CHUNK else 1)
                    bus, unit = bus + load.bus * times, unit + load.unit * times
        return Transfer(bus, unit)

    @cached_property
    def _part_classes(self) -> list[tuple[int, int]]:
        """One chunk of each size, and how many of the size there are; the first is chunk 0."""
        return [(self.parts.index(part), count) for part, count in Counter(self.parts).items()]

    @cached_property
    def _often(self) -> dict[At, float]:
        """How often something is loaded for a tile of all blocks, or each chunk of it, by where that is done."""
        oc_blocks, tiles = self.shape.oc_blocks, len(self.tiles.spans)
        return {
            At.ROOT: 1 / (tiles * self.images),
            At.IMAGE: 1 / tiles,
            At.TILE: 1.0,
            At.BLOCK: oc_blocks / (1 if self.knobs.order is Order.TILE else tiles),
            At.CHUNK: float(oc_blocks),
        }

    @cached_property
    def read(self) -> float:
        """Cycles that the memory takes for all that is loaded."""
        return self.images * sum(self.loads(tile).bus * count for tile, count in self.tiles.classes)

    @cached_property
    def ahead(self) -> float:
        """Cycles of loads that are asked for at once, on average over all that is loaded."""
        weights = self.images * self._often[self.knobs.weights] * len(self.tiles.spans) * self.weights().bus
        weights *= len(self.parts) if self.knobs.weights is At.CHUNK else 1
        share = min(1.0, weights / self.read)
        return share * self.weights().ahead + (1 - share) * self.inputs(0).ahead

    @cached_property
    def written(self) -> float:
        """Cycles that the memory takes for all that is stored."""
        stored = sum(self.store(tile).bus * count for tile, count in self.tiles.classes)
        return self.images * self.shape.oc_blocks * stored

    @cached_property
    def micro_ops(self) -> int:
        """Micro-ops of all kernels that there are: one for each combination of buffers' copies and places in them.

        Where there are more than the buffer holds, they are not counted to the end.
        """
        knobs, oc_blocks, tiles = self.knobs, self.shape.oc_blocks, len(self.tiles.spans)
        tile_outside = knobs.order is Order.TILE
        by_chunk = knobs.inputs is At.CHUNK and knobs.weights is At.CHUNK
        parts = list(enumerate(self.parts))
        most = self.config.uop_depth // self.need.kernel
        kernels: set[tuple[object, ...]] = set()
        period = lcm(knobs.inp_copies, knobs.wgt_copies, knobs.acc_copies) * oc_blocks * (1 if tile_outside else tiles)
        for step in range(min(period, self.images * tiles * oc_blocks)):
            if len(kernels) > most:
                break
            block = step % oc_blocks if tile_outside else step // tiles % oc_blocks
            tile = step // oc_blocks if tile_outside else step
            filled = {At.ROOT: 0, At.IMAGE: 0, At.TILE: tile, At.BLOCK: step if tile_outside else step // tiles}
            place = (
                step % knobs.acc_copies,
                tile % tiles if knobs.inputs is At.IMAGE else 0,
                block if knobs.weights is At.ROOT else 0,
            )
            for chunk, part in parts:
                filled[At.CHUNK] = step * len(parts) + chunk
                inp, wgt = filled[knobs.inputs] % knobs.inp_copies, filled[knobs.weights] % knobs.wgt_copies
                kernels.add((part if by_chunk else chunk, inp, wgt, *place))
        return len(kernels) * int(self.need.kernel)
