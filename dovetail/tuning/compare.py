"""The benchmark of the tuner over several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean
from typing import Any

from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.models import Experience
from dovetail.compiler.tune.search import BATCH, Found
from dovetail.isa.progress import Progress, silent
from dovetail.result import RTL
from dovetail.workload import RESNET18, Workload, WorkloadError

from .accelerator_trial import Machine, Trial, close_device, run_trial
from .bench import (
    MODELS,
    TAUGHT,
    Bench,
    LayerCurves,
    experience_of,
    find_taught,
    find_with,
    measure_many,
    prediction_ms,
)
from .parts import Part, accelerator_layer

TEACHERS = tuple(f"C{number}" for number in range(2, 9))
PUPILS = tuple(f"C{number}" for number in range(9, 13))
TEACHER = "xgboost"
"""The model whose searches teach."""
LAYERS = TEACHERS + PUPILS
MARKS = (8, 16, 32, 64)
"""Trials after which results say how far searches are."""


@dataclass(frozen=True, kw_only=True)
class TunerResult:
    """What `measure_tuner` found."""

    layers: tuple[LayerCurves, ...]
    trials: int
    seeds: int

    def mean_ratio(self, model: str, trials: int) -> float | None:
        """Of all layers that the model was used for, the geometric mean of `LayerCurves.ratio`."""
        ratios = [layer.ratio(model, trials) for layer in self.layers if model in layer.curves]
        known = [ratio for ratio in ratios if ratio is not None]
        return geometric_mean(known) if known and len(known) == len(ratios) else None

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        models = list(dict.fromkeys(model for layer in self.layers for model in layer.curves))
        marks = [mark for mark in MARKS if mark <= self.trials]
        return {
            "trials": self.trials,
            "seeds": self.seeds,
            "layers": [layer.as_dict() for layer in self.layers],
            "total": {model: {str(mark): self.mean_ratio(model, mark) for mark in marks} for model in models},
        }


def measure_tuner(
    machine: Machine,
    bench: Bench,
    *,
    layers: Sequence[str] = LAYERS,
    models: Sequence[str] = MODELS,
    trials: int,
    seeds: int,
    candidates: int,
    confirm: bool = True,
    progress: Progress = silent,
) -> TunerResult:
    """Search for each layer's schedule with each model and seed, beside a search of many candidates.

    Parameters
    ----------
    candidates:
        To be measured of each layer, those of the searches among them; the best of all is the best known.
    confirm:
        Run the best known schedules on the RTL too.

    Raises
    ------
    WorkloadError, DeviceError, RecordsError, ModelError:
        See what they are raised by.
    """
    found: list[LayerCurves] = []
    taught: dict[int, list[Experience]] = {seed: [] for seed in range(seeds)}
    for number, name in enumerate(layers):
        progress(f"{name}: settings", number, len(layers))
        (part,) = accelerator_layer(Workload(name, RESNET18[name]), machine)
        searches = {model: find_with(bench, part, model, trials, range(seeds), BATCH, progress) for model in models}
        if name in PUPILS and taught[0]:
            priors = {seed: Experience.together(taught[seed]) for seed in range(seeds)}
            searches[TAUGHT] = find_taught(bench, part, priors, trials, BATCH, progress)
        elif name in TEACHERS and TEACHER in searches:
            for seed, search in enumerate(searches[TEACHER]):
                taught[seed].append(experience_of(part, search))
        measure_many(bench, part, candidates, seed=seeds + number, progress=progress)
        found.append(_layer(bench, part, searches, machine if confirm else None))
    return TunerResult(layers=tuple(found), trials=trials, seeds=seeds)


def _layer(bench: Bench, part: Part, searches: Mapping[str, Sequence[Found]], machine: Machine | None) -> LayerCurves:
    known, space = bench.known(part), part.space
    costs = {index: one.cost for index, one in known.items() if one.cost is not None}
    if not costs:
        why = next(iter(known.values())).message
        raise WorkloadError(f"{part.name}: no schedule could be measured, such as: {why}")
    best = min(costs, key=lambda index: (costs[index], index))
    default = space.default()
    return LayerCurves(
        name=part.name,
        settings=space.size,
        candidates=len(known),
        known=costs[best],
        rtl=None if machine is None else _on_rtl(part, best, machine),
        default=None if default is None else costs.get(default),
        array=part.array,
        prediction_ms=prediction_ms(part, experience_of(part, Found(list(known.items())))),
        curves={model: tuple(tuple(one.curve) for one in several) for model, several in searches.items()},
    )


def _on_rtl(part: Part, index: int, machine: Machine) -> float | None:
    """Cycles of a setting on the RTL; None where the output is wrong there."""
    shape = part.space.shape if isinstance(part.space, AcceleratorSpace) else None
    assert shape is not None
    try:
        return run_trial(Trial(replace(machine, device=RTL), shape, part.space.knobs(index))).cost
    finally:
        close_device()
