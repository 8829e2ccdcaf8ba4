"""What tuning brings to the layers of ResNet-18 on this machine's CPU, in float32 and one thread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs, conv2d_knobs, host_lanes
from dovetail.compiler.tune.cpu_space import CpuSpace
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.space import knobs_as_dict
from dovetail.isa.progress import Progress, silent
from dovetail.workload import RESNET18, WorkloadError

from .cpu_case import Call, CpuCase, float32_case, naive
from .cpu_search import search_cpu
from .cpu_trial import in_turn, ratio

LAYERS = tuple(name for name in RESNET18 if name != "C1")
FINALISTS = 6
FINAL_ROUNDS, SLOW_ROUNDS, ROUNDS = 15, 5, 31
"""Of turns: among finalists, with the naive loops, and among the others."""


@dataclass(frozen=True, kw_only=True)
class LayerGain:
    """A layer: medians in milliseconds, and ratios of times that were taken in turn.

    Attributes
    ----------
    naive:
        The convolution as an untuned loop nest, one loop for each axis, compiled with the same optimisation.
    untuned:
        The template of the CPU's convolutions with knobs that do not look at the shape.
    rule:
        With the knobs that the compiler takes untuned: what ``dovetail tune`` calls the default.
    tuned:
        With the fastest of those that the search found and the rule's, when the finalists are timed again.
    over_naive, over_untuned, over_rule:
        The speed of tuned over theirs.
    right:
        All outputs are those of NumPy, of all four.
    """

    workload: str
    naive: float
    untuned: float
    rule: float
    tuned: float
    over_naive: float
    over_untuned: float
    over_rule: float
    right: bool
    settings: int
    trials: int
    failed: int
    knobs: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class CpuGain:
    """What `measure_cpu_tuning` found."""

    processor: str
    layers: tuple[LayerGain, ...]

    @property
    def right(self) -> bool:
        return all(layer.right for layer in self.layers)

    @property
    def total(self) -> dict[str, float]:
        """Geometric means."""
        names = ("over_naive", "over_untuned", "over_rule")
        return {name: statistics.geometric_mean([getattr(layer, name) for layer in self.layers]) for name in names}

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        layers = [asdict(layer) for layer in self.layers]
        return {"processor": self.processor, "dtype": "float32", "threads": 1, "layers": layers, "total": self.total}


def measure_cpu_tuning(
    names: Sequence[str] = LAYERS, *, trials: int, seed: int = 0, progress: Progress = silent
) -> CpuGain:
    """Tune layers, one after the other, then time each in turn with what it is without.

    Raises
    ------
    WorkloadError:
        There is no such layer.
    """
    for name in names:
        if name not in RESNET18:
            raise WorkloadError(f"no layer {name!r}; use C1 to C{len(RESNET18)}, with commas between")
    layers = [_gain(name, trials, seed, progress) for name in names]
    return CpuGain(processor=CpuSpace(RESNET18[names[0]]).task.machine, layers=tuple(layers))


def shapeless_knobs() -> Conv2dKnobs:
    """The template's own defaults, of this machine's vectors."""
    return Conv2dKnobs(lanes=host_lanes())


def _gain(name: str, trials: int, seed: int, progress: Progress) -> LayerGain:
    shape = RESNET18[name]
    space = CpuSpace(shape)
    wanted = min(trials, space.size)

    trial = count()

    def tell(_: int, __: Outcome) -> None:
        progress(f"{name}: tuning", next(trial), wanted)

    found = search_cpu(space, trials, seed=seed, tell=tell)
    progress(f"{name}: measuring", 0, 0)
    case = float32_case(shape, seed)
    costs = sorted((outcome.cost, index) for index, outcome in found.history if outcome.cost is not None)
    if not costs:
        raise WorkloadError(f"{name}: no schedule of {len(found.history)} could be measured")
    finalists = [conv2d_knobs(shape), *(space.knobs(index) for _, index in costs[:FINALISTS])]
    best, tuned = _final(list(dict.fromkeys(finalists)), case)
    operators = (naive(shape), *(case.operator(knobs) for knobs in (shapeless_knobs(), conv2d_knobs(shape))))
    bound = [*map(case.bind, operators), tuned]
    calls = [call for call, _ in bound]
    slow, fast = in_turn(calls, SLOW_ROUNDS), in_turn(calls[1:], ROUNDS)
    return LayerGain(
        workload=name,
        naive=1e3 * statistics.median(slow[0]),
        untuned=1e3 * statistics.median(fast[0]),
        rule=1e3 * statistics.median(fast[1]),
        tuned=1e3 * statistics.median(fast[2]),
        over_naive=ratio(slow[0], slow[3]),
        over_untuned=ratio(fast[0], fast[2]),
        over_rule=ratio(fast[1], fast[2]),
        right=all(error <= case.tolerance for _, error in bound),
        settings=space.size,
        trials=len(found.history),
        failed=len(found.history) - len(costs),
        knobs=knobs_as_dict(best),
    )


def _final(finalists: Sequence[Conv2dKnobs], case: CpuCase) -> tuple[Conv2dKnobs, tuple[Call, float]]:
    """The fastest of several that take turns, bound. What it is reported with is measured again: it was chosen for its
    luck too."""
    bound = [case.bind(case.operator(knobs)) for knobs in finalists]
    times = in_turn([call for call, _ in bound], FINAL_ROUNDS)
    speeds = [ratio(times[0], own) for own in times]
    place = speeds.index(max(speeds))
    return finalists[place], bound[place]
