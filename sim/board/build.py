"""Builds the simulator of a board from the Verilog of the FPGA's top."""

from __future__ import annotations

import re
from pathlib import Path

from dovetail.isa.progress import Progress, silent
from dovetail.sim.rtl.compilation import BuildError, Compilation
from dovetail.sim.rtl.toolchain import link_flags, require_tools

from .chip import Chip, chip_package

HERE = Path(__file__).resolve().parent
SIM = HERE.parent
TOP = "board"
HDL = ("board/sdram.sv", "board/ftdi.sv", "board/board.sv", "board/trellis_ff.v")
CELLS = ("ecp5/io_cells.v", "ecp5/pll.sv", "ecp5/dcca.v", "ecp5/mult18x18d.v", "ecp5/ccu2c.v")
CPP = ("rtl/main.cpp", "board/ftdi.cpp")
HEADERS = ("rtl/simulator.h",)
CONTROL = "board/board.vlt"
PINS = {
    "uart_0__rx__io": "uart_to_fpga",
    "uart_0__tx__io": "uart_from_fpga",
    "sdram_0__clk__io": "sdram_clk",
    "sdram_0__clk_en__io": "sdram_cke",
    "sdram_0__cs__io": "sdram_cs_n",
    "sdram_0__ras__io": "sdram_ras_n",
    "sdram_0__cas__io": "sdram_cas_n",
    "sdram_0__we__io": "sdram_we_n",
    "sdram_0__ba__io": "sdram_ba",
    "sdram_0__a__io": "sdram_a",
    "sdram_0__dqm__io": "sdram_dqm",
    "sdram_0__dq__io": "sdram_dq",
}
"""What is connected to a top's pins, by the names that amaranth-boards and Amaranth give them."""
PATTERNS = ((re.compile(r"led_(\d)__io"), r"led[\1]"), (re.compile(r"clk\d+_0__io"), "clock"))
MODULE = re.compile(r"^module top\(([^)]*)\);(.*?)^endmodule", re.MULTILINE | re.DOTALL)


def connections(verilog: str) -> str:
    """The instance of a top on the board, for ``pins.svh``. An output that is unknown here stays open.

    Raises
    ------
    BuildError:
        There is no module ``top``, the board lacks what drives one of its pins, or the top has no serial line or SDRAM.
    """
    module = MODULE.search(verilog)
    if module is None:
        raise BuildError("the Verilog has no module top")
    ports = [port.strip() for port in module[1].split(",") if port.strip()]
    outputs = set(re.findall(r"^ *output (?:\[[^]]*\] )?(\S+);", module[2], re.MULTILINE))
    wired = {port: net for port in ports if (net := _net(port)) is not None}
    if undriven := [port for port in ports if port not in wired and port not in outputs]:
        raise BuildError(f"the simulated board has nothing that drives pin {undriven[0]} of the top")
    if missing := [pin for pin in PINS if pin not in wired]:
        raise BuildError(f"the top has no pin {missing[0]}; the simulated board needs a serial line and an SDRAM")
    return f"top top ({', '.join(f'.{port}({net})' for port, net in wired.items())});\n"


def _net(port: str) -> str | None:
    for pattern, net in PATTERNS:
        if found := pattern.fullmatch(port):
            return found.expand(net)
    return PINS.get(port)


def build(verilog: str, chip: Chip, *, clock_hz: int, baud: int, progress: Progress = silent) -> Path:
    """The executable of a board's simulator, built unless it is in the cache.

    Parameters
    ----------
    verilog:
        Of the top, with the vendor's cells as instances.
    chip:
        The SDRAM on the board.
    clock_hz:
        Of the oscillator on the board.
    baud:
        Of the USB-serial chip.

    Raises
    ------
    ToolMissing:
        There is no compiler, make or perl.
    BuildError:
        The top does not fit the board, or Verilator or the compiler refused.
    """
    require_tools()
    paths = [*CPP, *HDL, *CELLS, CONTROL]
    files = {Path(path).name: (SIM / path).read_bytes() for path in (*paths, *HEADERS)}
    files |= {
        "top.v": verilog.encode(),
        "chip.sv": chip_package(chip).encode(),
        "pins.svh": connections(verilog).encode(),
    }
    compilation = Compilation(
        kind="board",
        name="board",
        top=TOP,
        files=files,
        sources=["chip.sv", *(Path(path).name for path in paths), "top.v"],
        arguments=[
            *(f"-GCLOCK_HZ={clock_hz}", f"-GBAUD={baud}"),
            *("-O3", "--timescale", "1ps/1ps", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
            *("--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
            *("-CFLAGS", "-march=native", "--timing", "--vpi", "-LDFLAGS", link_flags()),
        ],
    )
    return compilation.build(progress)
