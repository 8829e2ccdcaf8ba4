"""Any box of a tensor that a copy can name arrives where it should, padded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.codegen.vdla import CodegenError
from dovetail.compiler.codegen.vdla.layouts import Layout, lanes
from dovetail.isa.config import load_config

from .programs import EX, LD, ST, allocate, buffer, compiled, handed, load, region, run, seq, store, whole

TINY = load_config("tiny")
LANES = TINY.block_out


@dataclass(frozen=True)
class Axis:
    """An axis of a copy: the source's size, and which of its elements are read."""

    size: int
    begin: int
    extent: int
    step: int


def axes() -> st.SearchStrategy[Axis]:
    small = st.integers(1, 4)
    return st.builds(Axis, st.integers(1, 6), st.integers(-3, 5), small, st.integers(1, 2))


@settings(max_examples=150, deadline=None)
@given(st.lists(axes(), min_size=1, max_size=3), st.integers(0, 3), st.integers(-128, 127), st.integers(1, 2))
def test_boxes_with_padding_and_steps(parts: list[Axis], room: int, padding: int, blocks: int) -> None:
    extents = [part.extent for part in parts]
    shape = [part.size for part in parts]
    if int(np.prod(extents)) * blocks > TINY.acc_depth:
        parts, extents, shape = parts[:1], extents[:1], shape[:1]
    channels = blocks * LANES
    a = buffer("A", *shape, channels, dtype="int32")
    c = buffer("C", *extents[:-1], extents[-1] + room, channels, dtype="int32")
    al = buffer("AL", *extents, channels, dtype="int32", scope="acc_buffer")
    inside = [(0, extent) for extent in extents]
    source = region(a, *((part.begin, part.extent, part.step) for part in parts), (0, channels))
    body = seq(
        load(whole(al), source, padding),
        handed(LD, EX, "AL"),
        handed(EX, ST, "AL"),
        store(region(c, *inside[:-1], (room, extents[-1]), (0, channels)), whole(al)),
    )
    data = np.random.default_rng(0).integers(-(2**31), 2**31, a.extents, np.int32)
    result = run(compiled(allocate([al], body), [a, c], TINY), {"A": data})["C"]
    places = [np.arange(part.extent) * part.step + part.begin for part in parts]
    wanted = np.full((*extents, channels), padding, np.int32)
    for index in np.ndindex(*extents):
        at = [int(place[i]) for place, i in zip(places, index, strict=True)]
        if all(0 <= position < size for position, size in zip(at, shape, strict=True)):
            wanted[index] = data[tuple(at)]
    np.testing.assert_array_equal(result[..., room:, :], wanted)


def test_a_copy_that_cuts_an_entry_is_refused() -> None:
    a, c = buffer("A", 4 * LANES, dtype="int32"), buffer("C", LANES, dtype="int32")
    al = buffer("AL", LANES, dtype="int32", scope="acc_buffer")
    body = seq(load(whole(al), region(a, (2, LANES))), store(whole(c), whole(al)))
    with pytest.raises(CodegenError, match="^A: a copy begins at 2 of axis 0, in the middle of an entry of 4"):
        compiled(allocate([al], body), [a, c], TINY)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.data())
def test_packing_is_undone_by_unpacking(shape: list[int], data: st.DataObject) -> None:
    places = st.one_of(st.none(), st.integers(0, len(shape) - 1))
    first, second = data.draw(places), data.draw(places)
    if first == second:
        first = None
    layout = Layout(tuple(shape), "int8", lanes((3, 4), (first, second)))
    array = np.arange(np.prod(shape)).astype(np.int8).reshape(shape)
    packed = layout.pack(array)
    assert packed.nbytes == layout.nbytes
    np.testing.assert_array_equal(layout.unpack(packed), array)
    assert int((packed != 0).sum()) == int((array != 0).sum())
