"""The default schedule of a convolution: the best by the analytical model, for any shape and machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from dovetail.isa.config import Config

from .blocked import Blocked
from .errors import OperatorError
from .estimate import estimate
from .knobs import At, Conv2dKnobs
from .model import FOLLOWED, cycles
from .rules import misfit
from .space import candidates
from .transfers import Memory, Transfers
from .work import Work

FOLLOW = 40
"""Schedules that are followed piece by piece, those with the lowest estimates first."""
MOST_PIECES = 24_000
"""No more schedules are followed after so many pieces."""


@dataclass(frozen=True)
class Choice:
    """A schedule and the cycles that the model expects of it."""

    knobs: Conv2dKnobs
    cycles: float


@lru_cache(maxsize=512)
def choose(shape: Blocked, config: Config, memory: Memory) -> Choice:
    """The schedule with the fewest cycles by the model.

    Raises
    ------
    OperatorError:
        Not even a single output and a single tap fit.
    """
    costs = Transfers(shape, config, memory)
    works = [Work(costs, knobs) for knobs in candidates(shape, config)]
    if not works:
        smallest = Conv2dKnobs(
            rows=1, cols=1, first_rows=1, channels=1, kernel_rows=1, kernel_cols=1, inputs=At.CHUNK, weights=At.CHUNK
        )
        raise OperatorError(f"no schedule fits: one output needs {misfit(shape, smallest, config)}")
    followed: list[Choice] = []
    pieces = 0
    for work in sorted(works, key=estimate):
        if len(followed) == FOLLOW or pieces > MOST_PIECES:
            break
        followed.append(Choice(work.knobs, cycles(work)))
        pieces += min(work.pieces, FOLLOWED)
    return min(followed, key=_preference)


def _preference(choice: Choice) -> tuple[float, int, int]:
    """Fewer cycles first; then more copies, which even out what the model takes to be even."""
    return choice.cycles, -choice.knobs.acc_copies, -choice.knobs.inp_copies
