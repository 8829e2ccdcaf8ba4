"""Transposition of tiles in vector registers."""

from __future__ import annotations

from collections.abc import Sequence

from .builder import FunctionText, Value


def transposed(f: FunctionText, rows: Sequence[Value]) -> list[Value]:
    """The columns of a tile whose rows are vectors of a power of two of lanes, no fewer than there are rows.

    Rows are added up to a square. Interleaving the first half of a square's rows with the second, element by element,
    moves the highest bit of an element's row number to the end of its place; as many times as there are bits, it
    exchanges rows and columns. All are moves between two registers, which every vector unit has.
    """
    size = rows[0].lanes
    nothing = Value(rows[0].type, "poison")
    square = [*rows, *[nothing] * (size - len(rows))]
    low = [lane // 2 + size * (lane % 2) for lane in range(size)]
    high = [place + size // 2 for place in low]
    for _ in range(size.bit_length() - 1):
        pairs = zip(square[: size // 2], square[size // 2 :], strict=True)
        square = [_interleaved(f, one, other, mask) for one, other in pairs for mask in (low, high)]
    count = len(rows)
    return square if count == size else [f.shuffle(column, None, range(count)) for column in square]


def _interleaved(f: FunctionText, one: Value, other: Value, mask: Sequence[int]) -> Value:
    if one.text == other.text == "poison":
        return one
    return f.shuffle(one, other, mask)
