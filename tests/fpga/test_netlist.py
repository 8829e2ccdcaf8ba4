"""What synthesis for the ECP5 makes of the accelerator computes what the RTL does, in the same cycles."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import dovetail.netlist_job
from dovetail.cli.app import app
from dovetail.cli.exits import RIGHT, WRONG
from dovetail.fpga.netlist import TOP, netlist
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer
from dovetail.netlist_job import DAMAGED, Check, check_netlist
from dovetail.sim.ecp5.netlist import netlist_design
from dovetail.sim.fuzz import random_program
from dovetail.sim.fuzz.lockstep import Lockstep
from dovetail.sim.rtl.build import Flavour, Options, build
from dovetail.sim.rtl.client import Simulator

TINY = load_config("tiny")
PROGRAMS = 200


@pytest.mark.synthesis
@pytest.mark.parametrize(
    ("name", "programs"), [("tiny", PROGRAMS), pytest.param("default", 20, marks=pytest.mark.slow)]
)
def test_random_programs_give_the_same_on_the_netlist(name: str, programs: int) -> None:
    config = load_config(name)
    assert any("_copy_" in cell for cell in json.loads(netlist(config))["modules"][TOP]["cells"])
    found = check_netlist(config, programs)
    assert found.difference is None, f"seed {found.failed_seed}: {found.difference}"
    assert (found.programs, found.damaged) == (programs, -(-programs // DAMAGED))


@pytest.mark.synthesis
def test_a_netlist_with_one_stuck_pin_is_found_out() -> None:
    damaged = json.loads(netlist(TINY))
    cells = damaged["modules"][TOP]["cells"].values()
    multiplier = next(cell for cell in cells if cell["parameters"].get("REG_OUTPUT_CLK") == "CLK0")
    multiplier["connections"]["A0"] = ["0"]
    with Lockstep(TINY, netlist_design(json.dumps(damaged), TOP, "stuck")) as machine:
        differences = [machine.compare(random_program(TINY, seed)) for seed in range(8)]
    found = [difference for difference in differences if difference is not None]
    assert found and all("on the netlist" in difference and "on the RTL" in difference for difference in found)


@pytest.mark.synthesis
def test_a_netlist_has_no_buffers_to_look_into() -> None:
    design = netlist_design(netlist(TINY), TOP, "netlist")
    executable = build(TINY, Options(flavour=Flavour.REGRESS), design=design)
    with (
        Simulator(executable, TINY, memory_bytes=1 << 12) as simulator,
        pytest.raises(ValueError, match="acc buffer: only a simulation of the RTL shows it"),
    ):
        simulator.dump(Buffer.ACC)


@pytest.mark.parametrize("difference", [None, "DRAM byte 0x40 is 0x01 on the netlist, 0x02 on the RTL"])
def test_a_difference_is_reported_with_its_seed(difference: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Check(
        config="tiny",
        programs=4,
        damaged=1,
        first_seed=5,
        cycles=1000,
        seconds=0.5,
        failed_seed=8 if difference else None,
        difference=difference,
    )
    monkeypatch.setattr(dovetail.netlist_job, "check_netlist", lambda *arguments, **options: found)
    result = CliRunner().invoke(app, ["fpga", "check", "--programs", "200", "--seed", "5"])
    text = " ".join(result.stdout.split())
    assert "netlist of tiny: 4 random programs, seeds 5 to 8" in text
    if difference is None:
        assert result.exit_code == RIGHT and "those of the RTL" in text
    else:
        assert result.exit_code == WRONG and f"seed 8: {difference}" in text
        assert "dovetail fpga check --config tiny --seed 8 --programs 1" in text
