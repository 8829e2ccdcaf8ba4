"""How a convolution is cut so that its pieces fit the buffers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dovetail.isa.config import Config
from dovetail.isa.instructions import COLS_BITS, LOOP_BITS, ROWS_BITS

from .layer import Conv2d, LayerError, blocks

ENOUGH_OUTPUTS = 16
"""Tiles of fewer outputs are made only when nothing else fits."""
EDGE_SHARE = 4
"""The first and the last tile of several have this share of the rows: little to wait for at both ends."""


@dataclass(frozen=True)
class Span:
    """Outputs `begin` to `begin + size - 1` along one axis, and the inputs that they need."""

    begin: int
    size: int
    first: int
    """The first input; negative in the padding."""
    extent: int
    """Inputs, with padding."""
    before: int
    after: int
    """Of those, padding at either end."""

    @property
    def inside(self) -> int:
        return self.extent - self.before - self.after


@dataclass(frozen=True)
class Tile:
    """A rectangle of outputs of one batch."""

    batch: int
    rows: Span
    cols: Span


@dataclass(frozen=True)
class Tiling:
    """Sizes of pieces.

    Attributes
    ----------
    tiles:
        In the order in which they are computed.
    inp_slots, inp_slot:
        Parts of the input buffer that hold a piece each, and their entries.
    acc_slots, acc_slot:
        The same of the accumulators.
    groups:
        Ranges of input blocks that are in the input buffer together.
    chunk:
        Most micro-ops of a kernel, and weight tiles that it needs.
    row_step:
        Rows of the input from one loaded row to the next.
    """

    tiles: tuple[Tile, ...]
    inp_slots: int
    inp_slot: int
    acc_slots: int
    acc_slot: int
    groups: tuple[range, ...]
    chunk: int
    row_step: int


def choose_tiling(config: Config, layer: Conv2d) -> Tiling:
    """Cut `layer` for `config`.

    Raises
    ------
    LayerError:
        Not even the inputs of a single output fit.
    """
    icb = layer.in_blocks(config)
    acc_slots = min(2, config.token_depth)
    acc_slot = config.acc_depth // acc_slots
    row_step = layer.stride if layer.k == 1 else 1
    resident = layer.out_blocks(config) * icb * layer.k**2 <= config.wgt_depth
    whole = _entries(layer, layer.out_h, layer.out_w, icb)
    slots = 2
    if not resident and whole <= config.inp_depth and layer.out_h * layer.out_w <= acc_slot:
        # Weights stream past once if the image stays; there is no other tile to load meanwhile.
        slots = 1
    found = None
    while found is None and slots:
        found = _largest(layer, icb, config.inp_depth // slots, acc_slot)
        slots -= found is None
    if found is None:
        raise LayerError(
            f"one output of a {layer.k}x{layer.k} kernel needs {layer.k**2} input vectors; inp_depth={config.inp_depth}"
        )
    rows, cols, group = found
    chunk = min(config.wgt_depth // 2, config.uop_depth // 2, group * layer.k**2)
    pieces = blocks(group * layer.k**2, chunk)
    tiles = [
        Tile(batch, _span(layer.h, layer, *row, row_step), _span(layer.w, layer, *col, 1))
        for batch in range(layer.batches(config))
        for row in _cut(layer.out_h, rows, edges=True)
        for col in _cut(layer.out_w, cols, edges=False)
    ]
    return Tiling(
        tiles=tuple(tiles),
        inp_slots=slots,
        inp_slot=config.inp_depth // slots,
        acc_slots=acc_slots,
        acc_slot=acc_slot,
        groups=tuple(range(at, min(icb, at + group)) for at in range(0, icb, group)),
        chunk=blocks(group * layer.k**2, pieces),
        row_step=row_step,
    )


def _extent(layer: Conv2d, outputs: int) -> int:
    return (outputs - 1) * layer.stride + layer.k


def _entries(layer: Conv2d, rows: int, cols: int, group: int) -> int:
    return group * _loaded_rows(layer, rows) * _extent(layer, cols)


def _loaded_rows(layer: Conv2d, rows: int) -> int:
    return rows if layer.k == 1 else _extent(layer, rows)


def _largest(layer: Conv2d, icb: int, inp_slot: int, acc_slot: int) -> tuple[int, int, int] | None:
    """Rows and columns of outputs of a tile, and the input blocks that are loaded together."""
    best: tuple[int, int, int] | None = None
    group = icb
    while True:
        fits = _fit(layer, group, inp_slot, acc_slot)
        if fits and (best is None or fits[0] * fits[1] > best[0] * best[1]):
            best = (*fits, group)
        if group == 1 or (best and best[0] * best[1] >= min(ENOUGH_OUTPUTS, layer.out_h * layer.out_w)):
            return best
        group = blocks(group, 2)


def _fit(layer: Conv2d, group: int, inp_slot: int, acc_slot: int) -> tuple[int, int] | None:
    """The most outputs whose inputs fit: whole rows if possible, else parts of one or more."""
    limit = (1 << LOOP_BITS) - 1
    best: tuple[int, int] | None = None
    for parts in range(1, layer.out_w + 1):
        cols = blocks(layer.out_w, parts)
        rows = min(layer.out_h, limit, acc_slot // cols)
        while rows and (_entries(layer, rows, cols, group) > inp_slot or _loaded_rows(layer, rows) >= 1 << ROWS_BITS):
            rows -= 1
        if _extent(layer, cols) >= 1 << COLS_BITS:
            continue
        if rows and cols <= limit and (best is None or rows * cols > best[0] * best[1]):
            best = (rows, cols)
        if best and best[0] * best[1] >= ENOUGH_OUTPUTS:
            return best
    return best


def _cut(total: int, most: int, *, edges: bool) -> Iterator[tuple[int, int]]:
    """Begin and size of parts of at most `most`, nearly equal but for small ones at the edges."""
    if total <= most:
        yield 0, total
        return
    edge = blocks(most, EDGE_SHARE) if edges and total > 2 * most else 0
    middle = total - 2 * edge
    count = blocks(middle, most)
    sizes = [edge, *(middle // count + (part < middle % count) for part in range(count)), edge]
    at = 0
    for size in sizes:
        if size:
            yield at, size
            at += size


def _span(inputs: int, layer: Conv2d, begin: int, size: int, step: int) -> Span:
    first = begin * layer.stride - layer.pad
    if step > 1:
        return Span(begin, size, first, size, 0, 0)
    extent = _extent(layer, size)
    return Span(begin, size, first, extent, max(0, -first), max(0, first + extent - inputs))
