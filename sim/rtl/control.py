"""The page of memory through which a client, the host in the simulator and the memory model share what they know.

The C and SystemVerilog sides include headers that are generated from the definitions here.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

from dovetail.isa.instructions import Buffer

SHARED_VARIABLE = "DOVETAIL_SIMULATION"
"""Environment variable that tells a simulator its open files: see shared.cpp."""
SOCKET_VARIABLE = "DOVETAIL_SOCKET"
"""Environment variable with the file number of the server's end of the socket."""
SCRIPT_STEPS = 256
"""Steps of the longest script."""
STALL_ONE = 1 << 16
"""What `Control.stall` counts in: a channel pauses with probability `stall / STALL_ONE`."""


class Step(IntEnum):
    """What the host in the simulator can do."""

    END = 0
    """Not a step of a script; the host waits for the next one."""
    WRITE = 1
    """Write `value` to register `address`."""
    READ = 2
    """Read register `address`; the result is its value."""
    WAIT = 3
    """Wait for the interrupt, `value` cycles at most; the result is the cycles waited, or -1."""
    RESET = 4
    """Hold the reset for `value` cycles; the memory takes its settings then."""
    DUMP = 5
    """Copy buffer `address` (`Buffer`) to byte `value` of the shared area; the result is the bytes copied, or -1."""
    FILL = 6
    """The same the other way round."""
    TRACE = 7
    """Record waves from here on if `value` is 1, and no more if it is 0; the result is -1 without wave support."""


class ScriptStep(ctypes.Structure):
    """One step; `value` becomes the result."""

    _fields_ = [("step", ctypes.c_uint32), ("address", ctypes.c_uint32), ("value", ctypes.c_int64)]


class Control(ctypes.Structure):
    """The shared page. Sizes are in bytes, times in cycles; `client.Settings` says what the settings mean."""

    _fields_ = [
        ("memory_bytes", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("error_begin", ctypes.c_uint64),
        ("error_end", ctypes.c_uint64),
        ("latency", ctypes.c_uint32),
        ("bytes_per_cycle", ctypes.c_uint32),
        ("stall", ctypes.c_uint32),
        ("timeline", ctypes.c_uint32),
        ("cycle", ctypes.c_uint64),
        ("steps", ctypes.c_uint32),
        ("script", ScriptStep * SCRIPT_STEPS),
    ]


class TimelineRecord(ctypes.Structure):
    """What the units did from `cycle` on, as the bits of `state` in observer.sv lie in memory."""

    _fields_ = [
        ("cycle", ctypes.c_uint64),
        ("levels", ctypes.c_uint16 * 4),
        ("words", ctypes.c_uint32 * 3),
    ]


_C_TYPES: dict[object, str] = {
    ctypes.c_uint16: "uint16_t",
    ctypes.c_uint32: "uint32_t",
    ctypes.c_uint64: "uint64_t",
    ctypes.c_int64: "int64_t",
    ScriptStep: "ScriptStep",
}


def _c_struct(kind: type[ctypes.Structure]) -> str:
    lines = []
    for name, ctype, *_ in kind._fields_:
        array = f"[{ctype._length_}]" if issubclass(ctype, ctypes.Array) else ""
        base = ctype._type_ if issubclass(ctype, ctypes.Array) else ctype
        lines.append(f"    {_C_TYPES[base]} {name}{array};\n")
    size = f'static_assert(sizeof({kind.__name__}) == {ctypes.sizeof(kind)}, "as in control.py");\n'
    return f"struct {kind.__name__} {{\n{''.join(lines)}}};\n{size}"


def c_header() -> str:
    """The definitions of this file for C++, ``control.h``."""
    steps = "".join(f"    STEP_{step.name} = {step.value},\n" for step in Step)
    names = ", ".join(f'"{buffer.name.lower()}"' for buffer in Buffer)
    structs = "".join(_c_struct(kind) for kind in (ScriptStep, Control, TimelineRecord))
    return (
        "#pragma once\n#include <cstdint>\n"
        f"enum Step {{\n{steps}}};\n"
        f"static const char *const BUFFER_NAMES[] = {{{names}}};\n"
        f"{structs}"
    )


def sv_header() -> str:
    """The kinds of steps for SystemVerilog, ``control.svh``."""
    return "".join(f"localparam byte STEP_{step.name} = {step.value};\n" for step in Step)
