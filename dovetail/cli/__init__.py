"""The command line, a command a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 right, 1 wrong result, 2 bad usage or input, 3 device fault.

    Parameters
    ----------
    arguments:
        What follows the program's name; `sys.argv` without it.
    """
    try:
        from .app import run_app

        return run_app(arguments)
    except KeyboardInterrupt:
        print("dovetail: interrupted", file=sys.stderr)
        return 130
