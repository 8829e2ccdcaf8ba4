"""Which settings of a convolution's knobs a machine can run, each rule for one setting and for many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dovetail.isa.config import Config
from dovetail.isa.instructions import LOOP_BITS

from .blocked import Blocked
from .errors import OperatorError
from .knobs import (
    At,
    Conv2dKnobs,
    Footprint,
    Order,
    Setting,
    Truth,
    Whole,
    chunks,
    footprint,
    is_at,
    largest,
    pick,
    row_tiles,
)

MAX_LOOP = (1 << LOOP_BITS) - 1


@dataclass(frozen=True)
class Case:
    """What rules judge: knobs, what they need, and of which machine."""

    shape: Blocked
    knobs: Setting
    config: Config
    need: Footprint


@dataclass(frozen=True)
class Rule:
    """A reason why a machine cannot run some settings.

    Attributes
    ----------
    name:
        Of all settings that are rejected for this reason.
    broken:
        By which settings.
    reason:
        Of a single setting, in words: how much is needed, how much is there.
    """

    name: str
    broken: Callable[[Case], Truth]
    reason: Callable[[Case], str]


def _fits_buffer(buffer: str, copies: Callable[[Setting], Whole]) -> Rule:
    depth = f"{buffer}_depth"

    def broken(case: Case) -> Truth:
        return copies(case.knobs) * getattr(case.need, buffer) > getattr(case.config, depth)

    def reason(case: Case) -> str:
        each, there = getattr(case.need, buffer), getattr(case.config, depth)
        return f"{copies(case.knobs)} x {each} entries in {depth}={there}"

    return Rule(depth, broken, reason)


def _most_copies(knobs: Setting) -> Whole:
    return largest(knobs.inp_copies, knobs.wgt_copies, knobs.acc_copies) * knobs.threads


def _wgt_copies(knobs: Setting) -> Whole:
    return knobs.wgt_copies * pick(is_at(knobs.weights, At.ROOT), 1, knobs.threads)


def _single_chunk(case: Case) -> Truth:
    channels, rows, cols = chunks(case.shape, case.knobs)
    by_chunk = is_at(case.knobs.inputs, At.CHUNK) | is_at(case.knobs.weights, At.CHUNK)
    return (channels * rows * cols == 1) & by_chunk


RULES = (
    _fits_buffer("inp", lambda knobs: knobs.inp_copies * knobs.threads),
    _fits_buffer("wgt", _wgt_copies),
    _fits_buffer("acc", lambda knobs: knobs.acc_copies * knobs.threads),
    Rule(
        "uop_depth",
        lambda case: case.need.kernel > case.config.uop_depth,
        lambda case: f"a kernel of {case.need.kernel} micro-ops in uop_depth={case.config.uop_depth}",
    ),
    Rule(
        "loops of GEMM",
        lambda case: largest(case.knobs.rows, case.knobs.cols) > MAX_LOOP,
        lambda case: f"a loop of {largest(case.knobs.rows, case.knobs.cols)}; GEMM's go to {MAX_LOOP}",
    ),
    Rule(
        "token_depth",
        lambda case: _most_copies(case.knobs) > case.config.token_depth,
        lambda case: f"more copies than token_depth={case.config.token_depth}",
    ),
    Rule(
        "threads",
        lambda case: case.knobs.threads > row_tiles(case.shape, case.knobs),
        lambda case: f"{case.knobs.threads} threads for fewer tiles of rows",
    ),
    Rule("single chunk", _single_chunk, lambda case: "a single chunk, which is the whole reduction"),
    Rule(
        "inputs of an image",
        lambda case: (
            is_at(case.knobs.inputs, At.IMAGE) & (is_at(case.knobs.order, Order.TILE) | (case.knobs.inp_copies > 1))
        ),
        lambda case: "inputs of a whole image stay there only when blocks are the outer loop, in one copy",
    ),
    Rule(
        "tiles inside of blocks",
        lambda case: is_at(case.knobs.inputs, At.TILE) & is_at(case.knobs.order, Order.BLOCK),
        lambda case: "tiles inside of blocks would be loaded again for each block",
    ),
)
"""In the order in which they are asked: a setting is rejected for the first that it breaks."""


def misfit(shape: Blocked, knobs: Conv2dKnobs, config: Config) -> str | None:
    """Why the machine cannot run these knobs: which buffer, how much is needed, how much is there. None if it can."""
    case = Case(shape, knobs, config, footprint(shape, knobs))
    return next((rule.reason(case) for rule in RULES if rule.broken(case)), None)


def require_fit(shape: Blocked, knobs: Conv2dKnobs, config: Config) -> None:
    """
    Raises
    ------
    OperatorError:
        The machine cannot run these knobs.
    """
    reason = misfit(shape, knobs, config)
    if reason is not None:
        raise OperatorError(f"schedule ({knobs}) does not fit: {reason}; choose smaller parts or fewer copies")
