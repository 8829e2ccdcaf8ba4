"""Layers of a network in its programs, and their cycles."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.isa.module import Launch, Plan
from dovetail.sim.timeline import Section

from .device import RunResult


def sections(plan: Plan, program: int) -> tuple[Section, ...]:
    """What a timeline calls the layers of a program, which is known by its number."""
    steps = {place for place, step in enumerate(plan.steps) if isinstance(step, Launch) and step.program == program}
    return tuple(
        Section(" + ".join(layer.origin) or layer.name, *layer.instructions)
        for layer in plan.layers
        if layer.step in steps and layer.instructions is not None
    )


def layer_cycles(plan: Plan, results: Sequence[RunResult]) -> tuple[int | None, ...]:
    """For each layer its cycles, see `Module.layer_cycles`; `results` are the launches', in order."""
    cycles: list[int | None] = [None] * len(plan.layers)
    launches = [place for place, step in enumerate(plan.steps) if isinstance(step, Launch)]
    for step, result in zip(launches, results, strict=False):
        inside = [
            (layer.instructions, place)
            for place, layer in enumerate(plan.layers)
            if layer.step == step and layer.instructions is not None
        ]
        if result.cycles is None or not inside:
            continue
        if len(inside) == 1:
            cycles[inside[0][1]] = result.cycles
            continue
        if result.ends is None:
            continue
        before = 0
        inside.sort()
        for (_, end), place in inside:
            last = place == inside[-1][1]
            until = result.cycles if last else max(before, int(result.ends[:end].max(initial=0)))
            cycles[place], before = until - before, until
    return tuple(cycles)
