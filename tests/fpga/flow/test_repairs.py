"""What is done to a netlist before it is placed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dovetail.fpga.flow.repairs import absorb_output_registers, disconnect_unused_carries

INTO_THE_CHAIN, INTO_LOGIC, OUT_OF_THE_TOP, UNREAD = 2, 3, 4, 5
CLOCK, ENABLE, OTHER = 10, 11, 12
READ, KEPT = 20, 30


def carry(source: int | str, result: int | str) -> dict[str, Any]:
    directions = {"CIN": "input", "COUT": "output"}
    return {"type": "CCU2C", "port_directions": directions, "connections": {"CIN": [source], "COUT": [result]}}


def table(source: int) -> dict[str, Any]:
    return {"type": "LUT4", "port_directions": {"A": "input"}, "connections": {"A": [source]}}


def test_only_carries_that_nobody_reads_are_disconnected() -> None:
    cells = {
        "first": carry("0", INTO_THE_CHAIN),
        "second": carry(INTO_THE_CHAIN, UNREAD),
        "read": carry("1", INTO_LOGIC),
        "table": table(INTO_LOGIC),
        "port": carry("0", OUT_OF_THE_TOP),
    }
    found = copy.deepcopy(cells)
    assert disconnect_unused_carries({"ports": {"o": {"bits": [OUT_OF_THE_TOP]}}, "cells": found}) == 1
    cells["second"]["connections"]["COUT"] = ["x"]
    assert found == cells


def memory(width: int = 36, reset: str | int = "0", clock_mode: str = "CLKB") -> dict[str, Any]:
    outputs = {f"DO{side}{k}": [READ + 2 * k + (side == "B")] for side in "AB" for k in range(2)}
    inputs = {"CLKB": [CLOCK], "OCEB": ["1"], "RSTA": ["0"], "RSTB": [reset]}
    return {
        "type": "DP16KD",
        "parameters": {
            "DATA_WIDTH_B": f"{width:032b}",
            "CLKBMUX": clock_mode,
            "REGMODE_A": "NOREG",
            "REGMODE_B": "NOREG",
        },
        "port_directions": dict.fromkeys(outputs, "output") | dict.fromkeys(inputs, "input"),
        "connections": outputs | inputs,
    }


def register(number: int, **changes: str | int) -> dict[str, Any]:
    lines: dict[str, str | int] = {"CE": ENABLE, "CLK": CLOCK, "LSR": "0"}
    modes = {"CEMUX": "CE", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    for name, value in changes.items():
        (lines if name in lines else modes)[name] = value  # type: ignore[assignment]
    connections = {"DI": [READ + number], "Q": [KEPT + number]} | {name: [net] for name, net in lines.items()}
    directions = dict.fromkeys(("DI", *lines), "input") | {"Q": "output"}
    return {"type": "TRELLIS_FF", "parameters": modes, "port_directions": directions, "connections": connections}


def design(**others: dict[str, Any]) -> dict[str, Any]:
    """A memory with four outputs that are read, each by a register of its own."""
    cells = {"memory": memory(), **{f"register_{k}": register(k) for k in range(4)}}
    return {"ports": {}, "cells": cells | others}


@pytest.mark.parametrize(("changes", "enable"), [({}, ENABLE), ({"CEMUX": "1 "}, "1")])
def test_registers_behind_a_memory_become_its_own(changes: dict[str, str], enable: int | str) -> None:
    module = design(**{f"register_{k}": register(k, **changes) for k in range(4)}, reader=table(KEPT))
    assert absorb_output_registers(module) == 4
    assert set(module["cells"]) == {"memory", "reader"}
    found = module["cells"]["memory"]
    assert found["parameters"]["REGMODE_A"] == found["parameters"]["REGMODE_B"] == "OUTREG"
    assert found["connections"]["OCEB"] == [enable]
    assert [found["connections"][f"DO{side}{k}"] for k in range(2) for side in "AB"] == [[KEPT + k] for k in range(4)]


@pytest.mark.parametrize(
    "others",
    [
        {"reader": table(READ)},
        {"register_3": table(READ + 3)},
        {"register_3": register(3, CE=OTHER)},
        {"register_3": register(3, CEMUX="INV")},
        {"register_3": register(3, LSR=OTHER)},
        {"register_3": register(3, REGSET="SET")},
        {"memory": memory(18)},
        {"memory": memory(reset=OTHER)},
        {"memory": memory(clock_mode="INV")},
        {f"register_{k}": register(k, CLK=OTHER) for k in range(4)},
        {f"register_{k}": register(k, REGSET="SET") for k in range(4)},
        {f"register_{k}": register(k, CLKMUX="INV") for k in range(4)},
    ],
    ids=[
        "read beside",
        "into logic",
        "enable",
        "inverted",
        "reset",
        "set",
        "narrow",
        "memory reset",
        "memory falling",
        "clock",
        "all set",
        "falling",
    ],
)
def test_registers_that_a_memory_does_not_have_stay(others: dict[str, Any]) -> None:
    module = design(**others)
    before = copy.deepcopy(module)
    assert absorb_output_registers(module) == 0
    assert module == before
