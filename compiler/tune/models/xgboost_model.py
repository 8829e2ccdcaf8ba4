"""Gradient-boosted trees, by XGBoost."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..space import Costs, Features
from .cost_model import Experience, ModelError

Objective = Literal["rank", "regression"]

STEEPNESS = 40.0
"""Of the odds of a pair's order, by the logarithm of the costs' ratio."""
SETTINGS: dict[str, object] = {
    "max_depth": 6,
    "eta": 0.15,
    "subsample": 0.9,
    "colsample_bytree": 0.7,
    "min_child_weight": 0.5,
    "lambda": 1.0,
    "tree_method": "hist",
    "max_bin": 64,
    "verbosity": 0,
}


class XGBoostModel:
    """Corrects an analytical model by what was measured.

    Parameters
    ----------
    objective:
        "rank" learns in which order settings of a task are, "regression" the logarithm of their costs.
    trees:
        How many are fitted.
    threads:
        That XGBoost uses.

    Raises
    ------
    ModelError:
        XGBoost is not installed.
    """

    def __init__(self, objective: Objective = "rank", *, seed: int = 0, trees: int = 120, threads: int = 1) -> None:
        self._xgboost = _xgboost()
        self.objective, self._trees = objective, trees
        self._settings = {**SETTINGS, "seed": seed, "nthread": threads}
        self._sign, self._scale = (-1.0, STEEPNESS) if objective == "rank" else (1.0, 1.0)
        if objective == "rank":
            self._settings |= {"objective": "rank:pairwise", "lambdarank_pair_method": "mean"}
            self._settings |= {"lambdarank_num_pair_per_sample": 16, "lambdarank_normalization": False}
        else:
            self._settings |= {"objective": "reg:squarederror", "base_score": 0.0}
        self._booster: Any = None

    def fit(self, experience: Experience) -> None:
        order = np.argsort(experience.groups, kind="stable")
        data = self._xgboost.DMatrix(experience.features[order], base_margin=self._margin(experience.base[order]))
        data.set_label(self._sign * experience.levelled[order])
        if self.objective == "rank":
            data.set_info(qid=experience.groups[order])
        self._booster = self._xgboost.train(self._settings, data, num_boost_round=self._trees)

    def predict(self, features: Features, base: Costs) -> Costs:
        if self._booster is None:
            return np.log(base)
        found = self._booster.inplace_predict(features, base_margin=self._margin(base), predict_type="margin")
        return self._sign / self._scale * np.asarray(found, np.float64)

    def _margin(self, base: Costs) -> NDArray[np.float64]:
        margin: NDArray[np.float64] = self._sign * self._scale * np.log(base)
        return margin


def _xgboost() -> Any:
    try:
        import xgboost
    except ImportError:
        raise ModelError("the xgboost model needs XGBoost; pip install 'dovetail[tune]'") from None
    return xgboost
