"""``import dovetail`` is light, yet has every name of the tensor language."""

from __future__ import annotations

import subprocess
import sys

import dovetail
from dovetail.compiler import te


def test_the_whole_language_is_public() -> None:
    for name in set(te.__all__) - {"Axis"}:
        assert getattr(dovetail, name) is getattr(te, name)
        assert name in dovetail.__all__


def test_the_import_loads_nothing_else() -> None:
    code = "import sys, dovetail; print(sorted(name for name in sys.modules if name.startswith('dovetail.')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
