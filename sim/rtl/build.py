"""Builds simulators of the machine, and keeps them by what goes into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dovetail.hw.emitted import verilog
from dovetail.hw.interfaces import level_bits
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent

from .compilation import BuildError, Compilation
from .control import c_header, sv_header
from .launch import TOP
from .toolchain import link_flags, require_tools

__all__ = ["BuildError", "Design", "Flavour", "Options", "build"]

HERE = Path(__file__).resolve().parent
BARE_TOP = "bench"
HDL = ("bench.sv", "dram.sv", "host.sv", "observer.sv", "axi_checks.sv", "public.vlt")
CPP = ("shared.cpp", "memory.cpp", "control.cpp", "observe.cpp", "buffers.cpp")
HEADERS = ("shared.h", "simulator.h")
FST_HEADERS = ("fst/lz4.h", "fst/zlib.h")
FST_LIBRARIES = ("liblz4.a", "libz.a")
EMPTY_ARCHIVE = b"!<arch>\n"


class Flavour(Enum):
    """What a simulator is for."""

    FAST = "fast"
    """Full speed."""
    REGRESS = "regress"
    """Checks the AXI rules, and begins with random values in everything that has no initial value."""


@dataclass(frozen=True)
class Options:
    """One kind of build.

    Parameters
    ----------
    waves:
        Can record FST waves; slower.
    bare:
        The C++ loop without cocotb, for comparison.
    """

    flavour: Flavour = Flavour.FAST
    waves: bool = False
    bare: bool = False

    @property
    def name(self) -> str:
        return self.flavour.value + "-waves" * self.waves + "-bare" * self.bare

    @property
    def optimisation(self) -> str:
        """For what runs every cycle. Programs of the regression are short, its builds many."""
        return "-O3" if self.flavour is Flavour.FAST else "-O1"

    def verilator_arguments(self, config: Config) -> list[str]:
        arguments = [
            *("-GBUS_BITS=" + str(config.bus_bits), "-GLEVEL_BITS=" + str(level_bits(config.token_depth))),
            *("-O3", "--timescale", "1ns/1ns", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
            *("-CFLAGS", f"-march=native -DDOVETAIL_BUS_BYTES={config.bus_bytes}"),
        ]
        if self.flavour is Flavour.FAST:
            arguments += ["--x-assign", "fast", "--x-initial", "fast", "--no-assert"]
        else:
            arguments += ["--x-assign", "unique", "--x-initial", "unique", "--assert", "-DDOVETAIL_CHECKS"]
        if self.waves:
            arguments += ["--trace-fst"]
        return arguments if self.bare else [*arguments, "--timing", "--vpi", "-LDFLAGS", link_flags()]


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is simulated in place of the machine's RTL, such as a netlist of it.

    Parameters
    ----------
    name:
        Begins the name of the simulator's folder.
    files:
        By name.
    sources:
        Those of `files` that are Verilog, with a module that has the name and the ports of the RTL's top, or C++. The
        others are included by these.
    """

    name: str
    files: Mapping[str, bytes]
    sources: Sequence[str]


def rtl(config: Config) -> Design:
    """The RTL that `hw.verilog.emit` gives."""
    return Design(name="", files={"dovetail.v": verilog(config).encode()}, sources=("dovetail.v",))


def build(
    config: Config, options: Options | None = None, progress: Progress = silent, design: Design | None = None
) -> Path:
    """The executable of a simulator, built unless it is in the cache.

    Parameters
    ----------
    design:
        By default, the RTL.

    Raises
    ------
    ToolMissing:
        There is no compiler, make or perl.
    BuildError:
        Verilator or the compiler refused.
    """
    require_tools()
    options = options or Options()
    progress("elaborating", 0, 0)
    return _compilation(config, options, design or rtl(config)).build(progress)


def _compilation(config: Config, options: Options, design: Design) -> Compilation:
    files = {Path(name).name: (HERE / name).read_bytes() for name in _sources(options)}
    files |= {name: EMPTY_ARCHIVE for name in FST_LIBRARIES}  # linked for waves; the headers in fst/ hold all of it
    files |= {"control.h": c_header().encode(), "control.svh": sv_header().encode(), **design.files}
    return Compilation(
        kind="rtl",
        name="-".join(filter(None, (design.name, options.name))),
        top=BARE_TOP if options.bare else TOP,
        files=files,
        sources=[_main(options), *CPP, *design.sources, *HDL],
        arguments=options.verilator_arguments(config),
        optimisation=options.optimisation,
    )


def _main(options: Options) -> str:
    return "bare.cpp" if options.bare else "main.cpp"


def _sources(options: Options) -> list[str]:
    return [*HDL, *CPP, *HEADERS, *FST_HEADERS, _main(options)]
