"""Synthesis: RTLIL to a netlist of the device's cells. Kept by content, since placing it anew is common."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from dovetail.isa.cache import read_object, write_object
from dovetail.isa.container import replace_file
from dovetail.isa.progress import Progress

from .repairs import absorb_output_registers, disconnect_unused_carries
from .tools import Runner, Task, Tool, tool_versions

SOURCE = "top.il"
NETLIST = "top.json"
LOG = "synthesis.log"
KIND = "netlists"
"""Their folder in the cache."""
KEY_DIGITS = 32
BUFFERS = "*_buffer/t:$memrd_v2"
"""Read ports of the machine's buffers; see `hw.buffer.BufferMemory`."""
QUEUES = "*.fetch.words/m:* *.load.writer.beats/m:*"
"""Memories of FIFOs that Yosys makes of look-up tables, of which there are fewer to spare than of blocks."""
SCRIPT = (
    f"read_rtlil {{source}}; setparam -set COLLISION_X_MASK 1'1 {BUFFERS}; "
    f'setattr -set ram_style "block" {QUEUES}; '
    "synth_ecp5 -nowidelut -top {top} -json {netlist}"
)
"""Without wide tables, which take two to eight of the device's, `small` is a fifth smaller and its paths 4% longer.

Amaranth cannot say that what a read gives beside a write to the same entry does not matter. Unless Yosys is told, it
puts registers and a choice for every bit behind the block memories, which have no such order."""
WHAT = "synthesis"
PASS = re.compile(r"^\d+\.\d+\. Executing (\w+)")
"""In Yosys' log, a pass of the script of ``synth_ecp5``, which are two levels deep."""
STAGES = {
    "FLATTEN": "optimising",
    "MEMORY": "memories",
    "DFFLEGALIZE": "flip-flops",
    "ABC9": "look-up tables",
    "AUTONAME": "names",
    "JSON": "writing the netlist",
}
"""The passes of which users are told."""
FASTEST = 1
"""Level of gzip: a netlist of 100 MB takes a second."""


@dataclass(frozen=True)
class Synthesis:
    """A synthesised design.

    Attributes
    ----------
    netlist:
        JSON, for nextpnr.
    kept:
        It was in the cache.
    """

    netlist: Path
    log: Path
    kept: bool


def synthesise(rtlil: str, top: str, folder: Path, run: Runner, progress: Progress) -> Synthesis:
    """Synthesise a design for ECP5, or take it from the cache.

    Parameters
    ----------
    rtlil:
        The design; its top module is `top`.
    folder:
        Where the files go; it exists.

    Raises
    ------
    ToolFailed, ToolMissing:
        As `run`.
    """
    progress(WHAT, 0, 0)
    script = SCRIPT.format(source=SOURCE, top=top, netlist=NETLIST)
    version = tool_versions()[Tool.YOSYS.package]
    key = hashlib.sha256("\0".join([version, script, rtlil]).encode()).hexdigest()[:KEY_DIGITS]
    files = [folder / name for name in (NETLIST, LOG)]
    (folder / SOURCE).write_text(rtlil)
    kept = _restore(key, files)
    if not kept:
        run(Task(Tool.YOSYS, ["-p", script], folder, LOG, [NETLIST]), Passes(progress))
        for path in files:
            write_object(KIND, f"{key}-{path.name}", gzip.compress(path.read_bytes(), FASTEST))
    _repair(folder / NETLIST, top)  # of what was kept, too: the repairs may be others by now
    return Synthesis(netlist=folder / NETLIST, log=folder / LOG, kept=kept)


def _repair(netlist: Path, top: str) -> None:
    design = json.loads(netlist.read_bytes())
    disconnect_unused_carries(design["modules"][top])
    absorb_output_registers(design["modules"][top])
    netlist.write_text(json.dumps(design))


def _restore(key: str, files: list[Path]) -> bool:
    contents = [read_object(KIND, f"{key}-{path.name}") for path in files]
    found = [content for content in contents if content is not None]
    if len(found) < len(files):
        return False
    for path, content in zip(files, found, strict=True):
        replace_file(path, gzip.decompress(content))
    return True


class Passes:
    """Progress by what the log says; the tool's own preparation, once after it is installed, takes a minute."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __call__(self, line: str) -> None:
        found = PASS.match(line)
        if found and found[1] in STAGES:
            self.progress(f"{WHAT}: {STAGES[found[1]]}", 0, 0)
        elif line.startswith("Preparing to run"):
            self.progress(f"{WHAT}: preparing Yosys, once", 0, 0)
