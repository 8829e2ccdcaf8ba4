"""A recursive network over a program's loops, in PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

import numpy as np

from ..features.table import KINDS, NAMES
from ..space import Costs, Features
from .cost_model import Experience, ModelError

WIDTH = 32
EPOCHS = 150
RATE = 0.01
DECAY = 0.001
STEEPNESS = 10.0
"""Of the odds of a pair's order, by the logarithm of the costs' ratio."""


class TreeRnnModel:
    """Corrects an analytical model by what was measured.

    A program is read as a tree: its statements stand in loops inside of one another, those that run most often in the
    innermost. From there to the outside, a cell joins what is known of the loops so far with the next statement and
    with how many times fewer it runs. At the root, what belongs to the whole program is added.

    Parameters
    ----------
    objective:
        "rank" learns in which order settings of a task are, "regression" the logarithm of their costs.

    Raises
    ------
    ModelError:
        PyTorch is not installed.
    """

    def __init__(
        self, objective: Literal["rank", "regression"] = "rank", *, seed: int = 0, epochs: int = EPOCHS
    ) -> None:
        try:
            self._torch = import_module("torch")
        except ImportError:
            raise ModelError("the treernn model needs PyTorch; pip install 'dovetail[treernn]'") from None
        self.objective, self._seed, self._epochs = objective, seed, epochs
        self._statements = [[at for at, name in enumerate(NAMES) if name.startswith(f"{kind}.")] for kind in KINDS]
        self._runs = [NAMES.index(f"{kind}.runs") for kind in KINDS]
        inside = {at for statement in self._statements for at in statement}
        self._whole = [at for at in range(len(NAMES)) if at not in inside]
        self._network: Any = None
        self._mean: Any = None
        self._spread: Any = None

    def fit(self, experience: Experience) -> None:
        torch = self._torch
        self._mean, self._spread = experience.features.mean(axis=0), experience.features.std(axis=0) + 0.1
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self._network = self._new_network()
            optimizer = torch.optim.AdamW(self._network.parameters(), lr=RATE, weight_decay=DECAY)
            inputs = self._inputs(experience.features)
            logs = np.log(experience.base), experience.levelled
            base, costs = (torch.from_numpy(values).float() for values in logs)
            groups = torch.from_numpy(experience.groups)
            for _ in range(self._epochs):
                optimizer.zero_grad()
                self._loss(base + self._correction(*inputs), costs, groups).backward()
                optimizer.step()

    def predict(self, features: Features, base: Costs) -> Costs:
        if self._network is None:
            return np.log(base)
        with self._torch.no_grad():
            correction = self._correction(*self._inputs(features)).numpy()
        scores: Costs = np.log(base) + correction
        return scores

    def _new_network(self) -> Any:
        nn, longest = self._torch.nn, max(map(len, self._statements))
        return nn.ModuleDict(
            {
                "statement": nn.Sequential(nn.Linear(longest + len(KINDS), WIDTH), nn.ReLU()),
                "loop": nn.GRUCell(WIDTH + 1, WIDTH),
                "root": nn.Sequential(nn.Linear(WIDTH + len(self._whole), WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)),
            }
        )

    def _inputs(self, features: Features) -> tuple[Any, Any, Any]:
        """[n, kinds, features] of statements, those that run most first; [n, kinds] of their runs; the program's."""
        torch, longest = self._torch, max(map(len, self._statements))
        even = (features - self._mean) / self._spread
        statements = np.zeros((len(features), len(KINDS), longest + len(KINDS)), np.float32)
        for kind, places in enumerate(self._statements):
            statements[:, kind, : len(places)] = even[:, places]
            statements[:, kind, longest + kind] = 1.0
        runs = features[:, self._runs]
        order = np.argsort(-runs, axis=1, kind="stable")
        statements = np.take_along_axis(statements, order[:, :, None], axis=1)
        runs = np.take_along_axis(runs, order, axis=1)
        whole = np.ascontiguousarray(even[:, self._whole])
        return torch.from_numpy(statements), torch.from_numpy(np.ascontiguousarray(runs)), torch.from_numpy(whole)

    def _correction(self, statements: Any, runs: Any, whole: Any) -> Any:
        torch, network = self._torch, self._network
        leaves = network["statement"](statements)
        known = torch.zeros(len(statements), WIDTH)
        for place in range(len(KINDS)):
            fewer = (runs[:, max(0, place - 1)] - runs[:, place]).unsqueeze(1)
            joined = network["loop"](torch.cat([leaves[:, place], fewer], dim=1), known)
            known = torch.where((runs[:, place] > 0).unsqueeze(1), joined, known)
        return network["root"](torch.cat([known, whole], dim=1)).squeeze(1)

    def _loss(self, found: Any, costs: Any, groups: Any) -> Any:
        torch = self._torch
        if self.objective == "regression":
            return torch.nn.functional.mse_loss(found, costs)
        partner = torch.randperm(len(costs))
        comparable = (groups == groups[partner]) & (costs != costs[partner])
        sooner = torch.sign(costs[partner] - costs) * (found[partner] - found) * STEEPNESS
        losses = torch.nn.functional.softplus(-sooner) * comparable
        return losses.sum() / comparable.sum().clamp(min=1)
