"""Cost models rank settings that they have not seen."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from dovetail.compiler.tune.models import CostModel, Experience, ModelError, NoModel, TreeRnnModel, XGBoostModel

from .shapes import space_of
from .synthetic import SyntheticSpace

SPACE = SyntheticSpace()
Make = Callable[[int], CostModel]
XGBOOST: dict[str, Make] = {
    "ranking": lambda seed: XGBoostModel("rank", seed=seed),
    "regression": lambda seed: XGBoostModel("regression", seed=seed),
}


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's: of ranks."""
    return float(np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1])


def experience(indices: np.ndarray, space: SyntheticSpace = SPACE) -> Experience:
    return Experience.of(space.features(indices), space.costs(indices), space.estimate(indices))


def held_out(model: CostModel, seen: int, scale: float = 1.0) -> float:
    """The correlation of a model's ranks with the true ones, on settings that it has not seen.

    Parameters
    ----------
    scale:
        The unit of costs in that of estimates.
    """
    indices = SPACE.random(np.random.default_rng(5), 600)
    known = experience(indices[:seen])
    if seen:
        model.fit(Experience(known.features, known.costs * scale, known.base, known.groups))
    rest = experience(indices[100:])
    return correlation(model.predict(rest.features, rest.base), rest.costs)


@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost_ranks_what_it_has_not_seen(name: str) -> None:
    alone = held_out(NoModel(), 0)
    assert held_out(XGBOOST[name](0), 0) == alone
    assert alone < 0.75
    assert held_out(XGBOOST[name](0), 100) > 0.9


@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost_takes_the_estimate_as_its_base(name: str) -> None:
    """With hardly anything to learn from, it still is no worse than the estimate by much."""
    assert held_out(XGBOOST[name](0), 4) > held_out(NoModel(), 0) - 0.1


@pytest.mark.parametrize("name", XGBOOST)
def test_the_unit_of_costs_does_not_matter_and_the_seed_decides(name: str) -> None:
    assert held_out(XGBOOST[name](0), 80, 1e-9) == pytest.approx(held_out(XGBOOST[name](0), 80), abs=0.02)
    rest = experience(SPACE.random(np.random.default_rng(6), 50))
    first, again = XGBOOST[name](3), XGBOOST[name](3)
    for model in (first, again):
        model.fit(experience(SPACE.random(np.random.default_rng(7), 80)))
    np.testing.assert_array_equal(first.predict(rest.features, rest.base), again.predict(rest.features, rest.base))


def test_ranking_compares_settings_of_a_task_only() -> None:
    """A task that is a hundred times as slow, whatever its knobs, teaches the same order."""
    rng = np.random.default_rng(8)
    fast, slow = (experience(SPACE.random(rng, 60)) for _ in range(2))
    both = Experience.together([fast, Experience(slow.features, slow.costs * 100, slow.base, slow.groups)])
    model = XGBoostModel("rank")
    model.fit(both)
    rest = experience(SPACE.random(rng, 300))
    assert correlation(model.predict(rest.features, rest.base), rest.costs) > 0.85


def test_a_tree_rnn_learns_what_depends_on_a_programs_loops() -> None:
    pytest.importorskip("torch")
    space = space_of("3x3")
    indices = space.random(np.random.default_rng(0), 400)
    features, base = space.features(indices), space.estimate(indices)
    from dovetail.compiler.tune.features.table import NAMES

    loads, kernel = (features[:, NAMES.index(name)].astype(np.float64) for name in ("load_wgt.runs", "kernel"))
    costs = base * np.exp(0.2 * np.abs(loads - kernel))
    for objective in ("rank", "regression"):
        model, again = TreeRnnModel(objective), TreeRnnModel(objective)  # type: ignore[arg-type]
        for one in (model, again):
            one.fit(Experience.of(features[:150], costs[:150], base[:150]))
        scores = model.predict(features[150:], base[150:])
        assert correlation(scores, costs[150:]) > 0.9 > correlation(base[150:], costs[150:])
        np.testing.assert_array_equal(scores, again.predict(features[150:], base[150:]))


@pytest.mark.parametrize(("package", "make"), [("xgboost", XGBoostModel), ("torch", TreeRnnModel)])
def test_a_package_that_is_missing_is_named(
    package: str, make: Callable[[], CostModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match="pip install") as error:
        make()
    assert "\n" not in str(error.value)
