"""Blocks in one arena: what is in use together never overlaps, and the rest shares."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from dovetail.compiler.graph.memory import Block, aligned, place

ALIGN = st.sampled_from([1, 4, 64, 4096])
blocks = st.builds(
    lambda nbytes, first, length: Block(nbytes, first, first + length),
    st.one_of(st.integers(0, 20), st.integers(0, 10_000)),
    st.integers(-1, 12),
    st.integers(0, 6),
)


@given(st.lists(blocks, max_size=20), ALIGN)
def test_blocks_in_use_together_are_apart(found: list[Block], align: int) -> None:
    offsets, end = place(found, align)
    assert all(offset % align == 0 for offset in offsets)
    assert end == max((offset + block.nbytes for offset, block in zip(offsets, found, strict=True)), default=0)
    for (one, a), (other, b) in combinations(zip(found, offsets, strict=True), 2):
        together = one.first <= other.last and other.first <= one.last
        assert not together or a + one.nbytes <= b or b + other.nbytes <= a


@given(st.lists(blocks, max_size=20), ALIGN)
def test_the_arena_is_between_the_peak_and_the_sum(found: list[Block], align: int) -> None:
    peak = max((sum(one.nbytes for one in found if one.first <= at <= one.last) for at in range(-1, 20)), default=0)
    assert peak <= place(found, align)[1] <= sum(aligned(one.nbytes, align) for one in found)


def test_a_chain_takes_turns_in_two_places() -> None:
    chain = [Block(100, step, step + 1) for step in range(9)]
    assert place(chain, 64) == ([0, 128] * 4 + [0], 228)


def test_a_small_block_goes_into_a_gap() -> None:
    assert place([Block(64, 0, 1), Block(64, 1, 2), Block(200, 2, 3), Block(10, 0, 3)], 1) == ([0, 200, 0, 264], 274)
