"""The benchmark of the tuner over several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.models import Experience
from dovetail.compiler.tune.search import BATCH, Found
from dovetail.isa.progress import Progress, silent
from dovetail.result import RTL
from dovetail.workload import RESNET18, Workload, WorkloadError

from .accelerator_trial import Machine, Trial, close_device, run_trial
from .bench import MODELS, TAUGHT, Bench, find_taught, find_with, measure_many, prediction_ms
from .curves import Cycles, LayerCurves, TunerResult
from .parts import Part, accelerator_layer
from .prior import experience_of

TEACHERS = tuple(f"C{number}" for number in range(2, 9))
PUPILS = tuple(f"C{number}" for number in range(9, 13))
TEACHER = "xgboost"
"""The model whose searches teach."""
LAYERS = TEACHERS + PUPILS


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
    space, known = part.space, bench.known(part)
    default = space.default()
    if default is not None:
        list(bench.measure(part, [default]))
    costs = {index: one.cost for index, one in known.items() if one.cost is not None}
    if not costs:
        why = next(iter(known.values())).message
        raise WorkloadError(f"{part.name}: no schedule could be measured, such as: {why}")

    @cache
    def cycles(index: int) -> Cycles:
        return Cycles(costs[index], None if machine is None else _on_rtl(part, index, machine))

    untuned = None if default is None or default not in costs else cycles(default)
    bests = [search.best for search in next(iter(searches.values())) if search.best is not None]
    searched = cycles(max(bests, key=costs.__getitem__)) if bests else None
    return LayerCurves(
        name=part.name,
        settings=space.size,
        candidates=len(known),
        untuned=untuned,
        searched=searched,
        known=cycles(min(costs, key=lambda index: (costs[index], index))),
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
