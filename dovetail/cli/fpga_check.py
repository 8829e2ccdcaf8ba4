"""``dovetail fpga check``: the netlist against the RTL and the functional simulator."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .console import output, progress
from .exits import RIGHT, WRONG
from .output import STANDARD_OUTPUT, check_outputs, write_json

MAX_PROGRAMS = 1_000_000
MAX_SEED = (1 << 31) - 1


def check(
    config: options.Config = "tiny",
    programs: Annotated[
        int,
        typer.Option("--programs", parser=options.number(int, 1, MAX_PROGRAMS), help="How many to run.", metavar="N"),
    ] = 200,
    seed: Annotated[
        int,
        typer.Option("--seed", parser=options.number(int, 0, MAX_SEED), help="Of the first program.", metavar="N"),
    ] = 0,
    json: options.Json = None,
    verbose: options.Verbose = False,
) -> None:
    """Run random programs on the netlist that synthesis for the ECP5 makes, and compare every result and cycle."""
    from dovetail.isa.config import load_config
    from dovetail.netlist_job import check_netlist

    check_outputs(json)
    with progress(f"{config}: elaborating") as say:
        found = check_netlist(load_config(config), programs, first_seed=seed, config_name=config, progress=say)
    write_json(found.to_json(), json)
    if json != STANDARD_OUTPUT:
        last = found.first_seed + found.programs - 1
        text = (
            f"netlist of {config}: {found.programs:,} random programs, seeds {found.first_seed} to {last}, "
            f"{found.damaged:,} of them also with bits turned over; "
            f"{found.cycles:,} cycles, {found.cycles / found.seconds:,.0f} a second"
        )
        output().print(text, markup=False)
        if found.difference is None:
            verdict = (
                "DRAM, status, cycles and counters are those of the RTL, and DRAM that of the functional simulator"
            )
        else:
            verdict = f"DIFFERENT: seed {found.failed_seed}: {found.difference}"
            verdict += f"\nagain: dovetail fpga check --config {config} --seed {found.failed_seed} --programs 1"
        output().print(verdict, markup=False)
    raise typer.Exit(RIGHT if found.equal else WRONG)
