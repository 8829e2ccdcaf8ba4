"""Transfers as LOAD and STORE instructions: as few as their fields allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from dovetail.isa.config import Config
from dovetail.isa.instructions import Buffer, Format, Load, entry_bytes, store_bytes

from .boxes import Dim, Transfer, merged
from .errors import CodegenError

Fields = dict[str, int]

ONE = Dim(1, 1, 1)
FILL_COLS = 16
"""Entries of padding in DRAM, from which what a LOAD cannot pad itself is loaded."""


@dataclass(frozen=True)
class Limits:
    """What the fields of LOAD and STORE hold."""

    rows: int
    cols: int
    stride: int
    pad: int

    @classmethod
    def of(cls, config: Config) -> Limits:
        fields = Load.layout(config)
        return cls(fields["rows"].high, fields["cols"].high, fields["stride"].high, fields["pad_top"].high)


def loads(
    transfer: Transfer, buffer: Buffer, dram: int, padding: int, fill: Callable[[], int], config: Config
) -> Iterator[Fields]:
    """Fields of the LOADs that bring a transfer into `buffer`.

    Parameters
    ----------
    dram:
        Byte address of the source's first entry.
    padding:
        What elements outside of the source are.
    fill:
        Gives the byte address of `FILL_COLS` entries of padding.
    """
    return _Loads(buffer, dram, padding, fill, config).box(
        transfer.near, transfer.far, sorted(transfer.dims, key=lambda dim: -dim.near)
    )


class _Loads:
    def __init__(self, buffer: Buffer, dram: int, padding: int, fill: Callable[[], int], config: Config) -> None:
        self.buffer, self.dram, self.padding, self.fill = buffer, dram, padding, fill
        self.size, self.limits = entry_bytes(config, buffer), Limits.of(config)

    def box(self, near: int, far: int, dims: Sequence[Dim]) -> Iterator[Fields]:
        """The LOADs of `dims`, outermost first on the chip."""
        if any(dim.count == 0 for dim in dims):
            return
        dims = merged(dims)
        if any(dim.inside == 0 for dim in dims):
            yield from self.padding_only(near, dims)
            return
        if not dims or dims[-1].near != 1 or dims[-1].far != 1:
            dims = [*dims, ONE]
        cols = dims[-1]
        rows = dims[-2] if len(dims) > 1 and dims[-2].near == cols.count else ONE
        outer = dims[: len(dims) - (1 if rows is ONE else 2)]
        if outer:
            for near_on, far_on, inside in _points(outer):
                inner = dims[len(outer) :]
                if inside:
                    yield from self.box(near + near_on, far + far_on, inner)
                else:
                    yield from self.padding_only(near + near_on, inner)
            return
        col_cuts = _cuts(cols, self.limits.cols, self.limits.pad)
        if rows is not ONE and (len(col_cuts) > 2 or not 0 <= rows.far <= self.limits.stride):
            row_cuts = list(range(rows.count + 1))
        else:
            row_cuts = _cuts(rows, self.limits.rows, self.limits.pad)
        for top, bottom in pairwise(row_cuts):
            for left, right in pairwise(col_cuts):
                at = near + top * rows.near + left
                part = rows.part(top, bottom), cols.part(left, right)
                if part[0].inside == 0 or part[1].inside == 0:
                    yield from self.padding_only(at, part)
                else:
                    yield self.load(at, far + top * rows.far + left, *part)

    def load(self, near: int, far: int, rows: Dim, cols: Dim) -> Fields:
        first = far + rows.before * rows.far + cols.before
        return {
            "buffer": self.buffer,
            "sram": near,
            "dram": self.dram + first * self.size,
            "rows": rows.inside,
            "cols": cols.inside,
            "stride": rows.far if rows.inside > 1 else 0,
            "pad_top": rows.before,
            "pad_bottom": rows.after,
            "pad_left": cols.before,
            "pad_right": cols.after,
            "pad_value": self.padding if rows.padded or cols.padded else 0,
        }

    def padding_only(self, near: int, dims: Sequence[Dim]) -> Iterator[Fields]:
        """LOADs from the entries of padding, whose rows all begin at the same address."""
        flat = merged([Dim(dim.count, dim.near, 0) for dim in dims])
        run = flat[-1].count if flat and flat[-1].near == 1 else 1
        outer = flat[:-1] if flat and flat[-1].near == 1 else flat
        for near_on, _, _ in _points(outer):
            at, left = near + near_on, run
            while left:
                cols = min(left, FILL_COLS)
                rows = min(left // cols, self.limits.rows)
                yield {"buffer": self.buffer, "sram": at, "dram": self.fill(), "rows": rows, "cols": cols, "stride": 0}
                at, left = at + rows * cols, left - rows * cols


def _points(dims: Sequence[Dim]) -> Iterator[tuple[int, int, bool]]:
    """Offsets on the chip and in DRAM of every combination, and whether it is inside the source."""
    for indices in product(*(range(dim.count) for dim in dims)):
        near = far = 0
        inside = True
        for index, dim in zip(indices, dims, strict=True):
            near, far = near + index * dim.near, far + index * dim.far
            inside = inside and dim.before <= index < dim.count - dim.after
        yield near, far, inside


def _cuts(dim: Dim, most: int, most_padding: int) -> list[int]:
    """Where to cut so that no part has more than `most` inside or more than `most_padding` before or after."""
    begin, end = max(0, dim.before - most_padding), dim.count - max(0, dim.after - most_padding)
    last_inside = dim.count - dim.after
    inner = range(dim.before + most, last_inside, most)
    return sorted({0, begin, *inner, end, dim.count})


def stores(transfer: Transfer, format: Format, dram: int, config: Config) -> Iterator[Fields]:
    """Fields of the STOREs that a transfer takes, `format` and residual aside; `dram` is where the target begins."""
    limits, size = Limits.of(config), store_bytes(config, format)
    if any(dim.count == 0 for dim in transfer.dims):
        return
    dims = merged(sorted(transfer.dims, key=lambda dim: -dim.far))
    runs = [dim for dim in dims if dim.near == dim.far == 1]
    cols = runs[0] if runs else ONE
    others = [dim for dim in dims if dim is not cols]
    fitting = [dim for dim in others if 0 <= dim.far <= limits.stride and 0 <= dim.near < config.acc_depth]
    rows = max(fitting, key=lambda dim: dim.count, default=ONE)
    outer = [dim for dim in others if dim is not rows]
    for near, far, _ in _points(outer):
        for top in range(0, rows.count, limits.rows):
            for left in range(0, cols.count, limits.cols):
                height, width = min(limits.rows, rows.count - top), min(limits.cols, cols.count - left)
                entry = transfer.far + far + top * rows.far + left
                yield {
                    "sram": transfer.near + near + top * rows.near + left,
                    "dram": dram + entry * size,
                    "rows": height,
                    "cols": width,
                    "stride": rows.far if height > 1 else 0,
                    "sram_stride": rows.near if height > 1 else 0,
                }


def check_padding(padding: float) -> int:
    """`padding` as a LOAD's pad value.

    Raises
    ------
    CodegenError:
        It is no int8.
    """
    number = int(padding)
    if number != padding or not -128 <= number <= 127:
        raise CodegenError(f"a copy pads with {padding}; a LOAD pads with an int8 in every element")
    return number
