"""The benchmark of the tuner over several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from dovetail.compiler.tune.models import Experience
from dovetail.compiler.tune.search import BATCH, Found
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.workload import RESNET18, Workload

from .accelerator_trial import Machine, Trial, run_trial
from .bench import MODELS, TAUGHT, Bench, LayerCurves, curves, measure_many, taught_curves
from .tasks import layer_parts

TEACHERS = tuple(f"C{number}" for number in range(2, 9))
PUPILS = tuple(f"C{number}" for number in range(9, 13))
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
        return exp(sum(map(log, known)) / len(known)) if known and len(known) == len(ratios) else None

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
    trials: int = 64,
    seeds: int = 5,
    candidates: int = 2000,
    confirm: bool = True,
    progress: Progress = silent,
) -> TunerResult:
    """Search for each layer's schedule with each model and seed, beside a search of many candidates.

    Parameters
    ----------
    candidates:
        Of the search for the best known schedule.
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
        part = layer_parts(
            Workload(name, RESNET18[name]),
            machine.config,
            latency=machine.latency,
            bytes_per_cycle=machine.bytes_per_cycle,
        )[0]
        space = bench.space(part)
        measure_many(bench, space, candidates, seed=number, name=name, progress=progress)
        progress(f"{name}: searching", number, len(layers))
        searches = curves(bench, space, models, trials, range(seeds), BATCH)
        if name in PUPILS and taught[0]:
            priors = {seed: Experience.together(taught[seed]) for seed in range(seeds)}
            searches[TAUGHT] = taught_curves(bench, space, priors, trials, BATCH)
        elif name in TEACHERS and models and models[0] in searches:
            for seed, search in enumerate(searches[models[0]]):
                taught[seed].append(bench.experience(space, search))
        found.append(_layer(name, bench, machine.config, space, searches, confirm))
    return TunerResult(layers=tuple(found), trials=trials, seeds=seeds)


def _layer(
    name: str, bench: Bench, config: Config, space: Any, searches: Mapping[str, Sequence[Found]], confirm: bool
) -> LayerCurves:
    costs = {index: one.cost for index, one in bench.candidates(space).items() if one.cost is not None}
    best = min(costs, key=lambda index: (costs[index], index))
    default = space.default()
    rtl = None
    if confirm:
        machine = Machine(config, "rtl", space.memory.latency, space.memory.bytes_per_cycle)
        rtl = run_trial(Trial(machine, space.shape, space.knobs(best))).cost
    return LayerCurves(
        name=name,
        settings=space.size,
        candidates=len(bench.candidates(space)),
        known=costs[best],
        rtl=rtl,
        default=costs[default],
        bound=float(space.shape.steps),
        curves={model: tuple(tuple(one.curve) for one in several) for model, several in searches.items()},
    )
