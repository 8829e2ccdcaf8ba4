"""Hypothesis strategies: legal instructions of every kind, for every preset."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from dovetail.isa.config import Config, load_config, preset_names
from dovetail.isa.instructions import INSTRUCTIONS, NEXT, PREVIOUS, Format, Instruction, Sync, Unit
from dovetail.isa.layout import Placed

CONFIGS = {name: load_config(name) for name in preset_names()}
configs = st.sampled_from(sorted(CONFIGS)).map(CONFIGS.__getitem__)


def field_values(field: Placed) -> st.SearchStrategy[Any]:
    """Values of a field that its declaration allows, the ends of its range often."""
    if field.spec.enum is not None:
        return st.sampled_from(list(field.spec.enum))
    if field.width == 1:
        return st.booleans()
    return st.sampled_from([field.low, field.high]) | st.integers(field.low, field.high)


@st.composite
def instructions(draw: st.DrawFn, config: Config, kind: type[Instruction] | None = None) -> Instruction:
    """An instruction whose encoding is legal; it need not make sense in a program."""
    kind = kind or draw(st.sampled_from(INSTRUCTIONS))
    layout = kind.layout(config)
    values = {field.name: draw(field_values(layout[field.name])) for field in dataclasses.fields(kind)}
    if kind is Sync and values["target"] is Unit.FETCH:
        values["target"] = Unit.COMPUTE
    if values.get("format") is Format.RAW:
        values["residual"] = False
    instruction = kind(**values)
    for side, neighbours in (("prev", PREVIOUS), ("next", NEXT)):
        if neighbours[instruction.unit] is None:
            values |= {f"pop_{side}": False, f"push_{side}": False}
    align = instruction.dram_alignment(config)
    for name in ("dram", "residual_offset"):
        if name in values:
            values[name] -= values[name] % align
    return kind(**values)
