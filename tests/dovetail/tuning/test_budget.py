"""Trials go to the search from which most can be expected."""

from __future__ import annotations

from dovetail.tuning.budget import Standing, next_search


def standing(best: float | None, weight: int = 1, bound: float = 100, barren: int = 0, done: bool = False) -> Standing:
    return Standing(weight=weight, best=best, bound=bound, barren=barren, done=done)


def test_what_has_measured_nothing_comes_first() -> None:
    assert next_search([standing(500), standing(None)]) == 1


def test_the_distance_from_the_bound_counts_as_often_as_the_workload_has_it() -> None:
    assert next_search([standing(200), standing(150, weight=3)]) == 1
    assert next_search([standing(200), standing(150)]) == 0


def test_a_search_that_finds_nothing_better_gives_way() -> None:
    assert next_search([standing(200, barren=2), standing(140)]) == 1


def test_a_search_whose_trials_all_fail_does_not_hold_up_the_others() -> None:
    assert next_search([standing(None, barren=1), standing(110)]) == 1


def test_it_ends_when_all_are_done() -> None:
    assert next_search([standing(200, done=True), standing(None, done=True)]) is None
