"""Copies with concrete boxes as dimensions: how often, and how far on each time, on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .errors import CodegenError
from .inference import AxisPairs
from .layouts import Layout


@dataclass(frozen=True)
class Box:
    """Part of a buffer.

    Attributes
    ----------
    name:
        The buffer's, for messages.
    base:
        Where the buffer begins: an entry on the chip, or a byte of DRAM.
    begin, extent, step:
        For each axis.
    clean:
        Elements that fill up the last blocks are known to be 0.
    """

    name: str
    layout: Layout
    base: int
    begin: tuple[int, ...]
    extent: tuple[int, ...]
    step: tuple[int, ...]
    clean: bool = False


@dataclass(frozen=True)
class Dim:
    """`count` entries, or groups of them, of which `before` and `after` at the ends lie outside of the source.

    Attributes
    ----------
    near, far:
        How many entries the next is on, on the chip and in DRAM.
    """

    count: int
    near: int
    far: int
    before: int = 0
    after: int = 0

    @property
    def inside(self) -> int:
        return self.count - self.before - self.after

    @property
    def padded(self) -> bool:
        return self.inside < self.count

    def part(self, begin: int, end: int) -> Dim:
        """The entries from `begin` to before `end`."""
        before = min(max(0, self.before - begin), end - begin)
        after = min(max(0, end - (self.count - self.after)), end - begin - before)
        return replace(self, count=end - begin, before=before, after=after)


@dataclass(frozen=True)
class Transfer:
    """Entries to move between the chip and DRAM.

    Attributes
    ----------
    near, far:
        The first entry's place: an entry on the chip, and entries from the DRAM buffer's start. Where `dims` have
        something before, `far` is outside by as much.
    """

    near: int
    far: int
    dims: tuple[Dim, ...]


def plan(chip: Box, dram: Box, pairs: AxisPairs, *, loading: bool) -> Transfer:
    """The entries that a copy between two boxes moves.

    Parameters
    ----------
    pairs:
        Axes of `chip` and of `dram` that are the same.
    loading:
        From DRAM, where what lies outside is padding; otherwise to it, where nothing may.

    Raises
    ------
    CodegenError:
        A box cuts entries apart.
    """
    ours, theirs = chip.layout, dram.layout
    near = chip.base + sum(_entry(chip, axis) * ours.strides[axis] for axis in range(len(ours.grid)))
    far = 0
    dims: list[Dim] = []
    partner = dict(pairs)
    there = {other: axis for axis, other in pairs}
    for axis in range(len(theirs.grid)):
        position = _entry(dram, axis)
        far += position * theirs.strides[axis]
        if axis not in there and not 0 <= position < theirs.grid[axis]:
            dims.append(Dim(1, 0, 0, before=1))
    for axis, other in partner.items():
        block = ours.blocks[axis]
        if theirs.blocks[other] != block:
            raise CodegenError(
                f"copy between {chip.name} and {dram.name}: blocks of {block} and {theirs.blocks[other]}"
            )
        extent, step = chip.extent[axis], dram.step[other]
        if block > 1:
            if not loading:
                _require_whole(dram, other, extent)
            if step != 1:
                raise CodegenError(f"{dram.name}: a step of {step} along axis {other}, of which entries hold {block}")
            reach = dram.begin[other] + extent
            if loading and reach > dram.layout.shape[other] and dram.layout.shape[other] % block and not dram.clean:
                raise CodegenError(
                    f"{dram.name}: axis {other} has {dram.layout.shape[other]} of {block} a block; what fills up its "
                    f"last block was written by the program and may not be 0, which {chip.name} needs there"
                )
        count, position = -(-extent // block), _entry(dram, other)
        before = min(count, max(0, -(position // step)))
        inside = min(count, max(before, -(-(theirs.grid[other] - position) // step))) - before
        near_step = ours.strides[axis] * chip.step[axis]
        dims.append(Dim(count, near_step, theirs.strides[other] * step, before, count - before - inside))
    if not loading and any(dim.padded for dim in dims):
        raise CodegenError(f"{dram.name}: a copy to it reaches outside of its shape {dram.layout.shape}")
    return Transfer(near, far, tuple(dims))


def _entry(box: Box, axis: int) -> int:
    block = box.layout.blocks[axis]
    if box.begin[axis] % block:
        raise CodegenError(
            f"{box.name}: a copy begins at {box.begin[axis]} of axis {axis}, in the middle of an entry of {block}; "
            f"tiles along it must be multiples of {block}"
        )
    return box.begin[axis] // block


def _require_whole(box: Box, axis: int, extent: int) -> None:
    """A store writes whole entries, so one that ends within must end where the tensor does."""
    block, end = box.layout.blocks[axis], box.begin[axis] + extent
    if extent % block and end < box.layout.shape[axis]:
        raise CodegenError(
            f"{box.name}: a copy ends at {end} of axis {axis}, in the middle of an entry of {block}; "
            f"tiles along it must be multiples of {block}"
        )


def merged(dims: Sequence[Dim]) -> list[Dim]:
    """`dims`, outermost first, without those of one entry and with neighbours that are one run made one."""
    result: list[Dim] = []
    for dim in dims:
        if dim.count == 1 and not dim.padded:
            continue
        last = result[-1] if result else None
        if (
            last is not None
            and not last.padded
            and not dim.padded
            and last.near == dim.count * dim.near
            and last.far == dim.count * dim.far
        ):
            result[-1] = replace(dim, count=last.count * dim.count)
        else:
            result.append(dim)
    return result
