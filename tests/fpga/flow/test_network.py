"""A netlist is a network of resistors for strengths, and of springs for positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.fpga.flow.network import Network


def cell(inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"connections": {"I": inputs, "O": outputs, "UNUSED": ["x", "0"]}}


def test_strengths_are_those_of_resistors_in_series_and_side_by_side() -> None:
    cells = {
        "a": cell([], [1, 3]),
        "table": cell([1], [2]),
        "b": cell([2, 4], []),
        "buffer": cell([3], [4]),
        "alone": cell([5], [6]),
    }
    found = Network(cells, ["a", "b", "alone"]).strengths()
    np.testing.assert_allclose(found, [[0, 1, 0], [1, 0, 0], [0, 0, 0]], atol=1e-3)


def test_what_hangs_between_two_places_is_spread_evenly() -> None:
    names = ["left", "first", "second", "third", "right"]
    cells = {name: cell([number], [number + 1]) for number, name in enumerate(names)}
    found = Network(cells, ["left", "right"]).positions(np.array([[0.0, 8.0], [100.0, 8.0]]))
    assert found["left"] == (0, 8) and found["right"] == (100, 8)
    np.testing.assert_allclose([found[name] for name in names], [(x, 8) for x in (0, 25, 50, 75, 100)], atol=0.1)


def test_what_hangs_on_nothing_is_in_the_middle() -> None:
    cells = {"left": cell([], [1]), "right": cell([1], []), "alone": cell([2], [3])}
    found = Network(cells, ["left", "right"]).positions(np.array([[0.0, 0.0], [10.0, 20.0]]))
    np.testing.assert_allclose(found["alone"], (5, 10))
