"""A netlist as a network of springs, or of resistors: what is where, and how strongly cells are connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags_array
from scipy.sparse.linalg import SuperLU, splu

Floats = NDArray[np.float64]

WIDEST = 64
"""Cells of a net at most; what goes further is everywhere anyway, like enables and clocks."""
GROUND = 1e-3
"""Each cell's tie to the middle: logic may be there that nothing fixed is connected with."""


class Network:
    """The cells of a netlist, joined by its nets; some are fixed.

    Parameters
    ----------
    cells:
        Of a flat netlist by Yosys, by name.
    fixed:
        Names of those that have places.
    """

    def __init__(self, cells: Mapping[str, Mapping[str, Any]], fixed: Sequence[str]) -> None:
        self.names = list(cells)
        order = {name: number for number, name in enumerate(self.names)}
        self._fixed = np.array([order[name] for name in fixed], np.int64)
        self._free = np.setdiff1d(np.arange(len(cells)), self._fixed)
        self._among = _connections(cells)

    @cached_property
    def _solver(self) -> SuperLU:
        """Of the free cells' Laplacian."""
        total = diags_array(np.asarray(self._among.sum(axis=1)).ravel() + GROUND) - self._among
        within = total.tocsr()[self._free][:, self._free].tocsc()
        return splu(within, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    @property
    def _across(self) -> csr_matrix:
        return self._among[self._free][:, self._fixed]

    def strengths(self) -> Floats:
        """How strongly each two of the fixed cells are connected, directly or through free ones; 0 with itself.

        All that is between two of them counts as one, as with resistors: the Schur complement of the Laplacian.
        """
        found: Floats = self._among[self._fixed][:, self._fixed].toarray()
        if len(self._free):
            found = found + self._across.T @ self._solver.solve(self._across.toarray())
        found = np.maximum(found, found.T)
        np.fill_diagonal(found, 0)
        return found

    def positions(self, at: Floats) -> dict[str, tuple[float, float]]:
        """Where springs would hold each cell, by its name.

        Parameters
        ----------
        at:
            Columns and rows of the fixed cells, one a line.
        """
        where = np.empty((len(self.names), 2))
        where[self._fixed] = at
        if len(self._free):
            where[self._free] = self._solver.solve(self._across @ at + GROUND * at.mean(axis=0))
        return {name: (float(x), float(y)) for name, (x, y) in zip(self.names, where, strict=True)}


def _connections(cells: Mapping[str, Mapping[str, Any]]) -> csr_matrix:
    """Between each two cells 1 for each net that joins them, over the number of the others that it joins."""
    nets: dict[int, int] = {}
    pairs = {
        (number, nets.setdefault(bit, len(nets)))
        for number, cell in enumerate(cells.values())
        for bits in cell["connections"].values()
        for bit in bits
        if isinstance(bit, int)
    }
    rows, columns = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    joins = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(cells), len(nets))).tocsr()
    counts = np.asarray(joins.sum(axis=0)).ravel()
    joins, counts = joins[:, (counts > 1) & (counts <= WIDEST)], counts[(counts > 1) & (counts <= WIDEST)]
    among = (joins @ diags_array(1 / (counts - 1)) @ joins.T).tolil()
    among.setdiag(0)
    return csr_matrix(among)
