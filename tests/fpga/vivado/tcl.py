"""Runs Vivado scripts in Tcl with commands that only note what they were asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

STUBS = r"""
set calls {}
rename source tcl_source
rename file tcl_file
proc note {args} { lappend ::calls $args; return $args }
proc unknown {args} { note {*}$args }
proc source {path} { note source $path; uplevel #0 [list tcl_source $path] }
proc file {command args} {
    if {$command eq "copy"} { return [note file $command {*}$args] }
    tcl_file $command {*}$args
}
proc get_property {name args} {
    note get_property $name {*}$args
    if {[info exists ::property($name)]} { return $::property($name) }
}
proc glob {args} { return vivado/dovetail.gen/dovetail.hwh }
proc puts {args} { note puts {*}$args }
"""
GOOD = {"PROGRESS": "100%", "SLACK": "0.25"}
Call = tuple[str, ...]


class TclError(Exception):
    """A script ended with an error."""


def run(script: Path, **properties: str) -> list[Call]:
    """The commands of a script and of those that it sources, in order, with their words.

    A command in brackets comes before the one that it stands in, and its words are what stands there.

    Raises
    ------
    TclError:
        The script ended with an error.
    """
    values = "\n".join(f"set property({name}) {{{value}}}" for name, value in (GOOD | properties).items())
    text = STUBS + values + f"\ntcl_source {{{script}}}\n"
    try:
        import tkinter

        tcl = tkinter.Tcl()
    except ImportError:
        return _run_in_process(text)
    try:
        tcl.eval(text)
    except tkinter.TclError as error:
        raise TclError(str(error)) from None
    return [tcl.splitlist(call) for call in tcl.splitlist(tcl.eval("set calls"))]


def _run_in_process(text: str) -> list[Call]:
    program = shutil.which("tclsh")
    assert program, "neither Python's tkinter nor tclsh is here: install one (Debian, Ubuntu: apt install tcl)"
    shown = r"""
foreach call $calls { foreach word $call { chan puts -nonewline "$word\x1f" }; chan puts -nonewline "\x1e" }
"""
    done = subprocess.run([program], input="rename puts tcl_puts\n" + text + shown, capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise TclError(done.stderr.strip())
    return [tuple(call.split("\x1f")[:-1]) for call in done.stdout.split("\x1e")[:-1]]
