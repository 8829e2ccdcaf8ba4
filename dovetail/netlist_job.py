"""Random programs on the accelerator's netlist, against its RTL and the functional simulator."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from typing import Any

from dovetail.fpga.netlist import TOP, netlist
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.runtime.errors import DeviceUnavailable
from dovetail.sim.ecp5.netlist import netlist_design
from dovetail.sim.fuzz import FuzzCase, mutate, random_program
from dovetail.sim.fuzz.cosim import encoded_words
from dovetail.sim.fuzz.lockstep import Lockstep
from dovetail.sim.rtl.compilation import BuildError
from dovetail.sim.rtl.toolchain import ToolMissing

SIZES = (5, 30)
"""Instructions of a program, about."""
DAMAGED = 8
"""Of so many programs one is run with bits turned over, too."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What came of a check.

    Attributes
    ----------
    programs, damaged:
        Programs that were run as they are, and those of them that were run with bits turned over as well.
    first_seed:
        Of the first program; each has the next.
    cycles:
        Simulated of the netlist.
    seconds:
        Of running, without what came before.
    failed_seed, difference:
        Of the first program that was not the same everywhere, and in what; the check ends there.
    """

    config: str
    programs: int
    damaged: int
    first_seed: int
    cycles: int
    seconds: float
    failed_seed: int | None = None
    difference: str | None = None

    @property
    def equal(self) -> bool:
        return self.difference is None

    def to_json(self) -> dict[str, Any]:
        """An object for a JSON file."""
        return {**asdict(self), "equal": self.equal}


def check_netlist(
    config: Config, programs: int, *, first_seed: int = 0, config_name: str = "", progress: Progress = silent
) -> Check:
    """Synthesise the accelerator for the ECP5 and run random programs on what comes of it.

    DRAM, the status, the cycles and all counters must be those of the RTL; DRAM that of the functional simulator.

    Raises
    ------
    dovetail.fpga.flow.errors.ToolMissing, dovetail.fpga.flow.errors.ToolFailed:
        There is no netlist.
    DeviceUnavailable:
        The simulators cannot be built.
    """
    text = netlist(config, progress)
    try:
        machine = Lockstep(config, netlist_design(text, TOP, "netlist"), progress)
    except (BuildError, ToolMissing) as error:
        raise DeviceUnavailable(str(error)) from None
    damaged, difference, seed = 0, None, first_seed
    with machine:
        start = time.perf_counter()
        for seed in range(first_seed, first_seed + programs):
            progress("running programs", seed - first_seed, programs)
            case = random_program(config, seed, size=random.Random(seed).randint(*SIZES))
            difference = machine.compare(case)
            if difference is None and seed % DAMAGED == 0:
                damaged += 1
                difference = _damaged(machine, case)
            if difference is not None:
                break
        seconds = time.perf_counter() - start
    return Check(
        config=config_name,
        programs=seed - first_seed + 1,
        damaged=damaged,
        first_seed=first_seed,
        cycles=machine.cycles,
        seconds=seconds,
        failed_seed=None if difference is None else seed,
        difference=difference,
    )


def _damaged(machine: Lockstep, case: FuzzCase) -> str | None:
    words = mutate(encoded_words(case.program), random.Random(case.seed))
    difference = machine.compare_words(words, case.image, case.seed)
    return None if difference is None else f"with bits turned over: {difference}"
