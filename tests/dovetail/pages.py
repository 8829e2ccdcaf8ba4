"""Pages of docs/ whose texts are what their examples print.

``DOVETAIL_UPDATE_DOCS=1 pytest tests/dovetail`` writes the texts anew, but for those that show parts and have a line
``...`` between them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"<!-- run -->\n```python\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"(<!-- prints ([\w-]+) -->\n```\w*\n)(.*?)(?=```)", re.DOTALL)
FOLDERS = re.compile(r"^\| `([\w/]+/)` \|(.*)\|$", re.MULTILINE)
ELLIPSIS = "...\n"


class Page:
    """A page by its name in docs/."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / "docs" / name

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def examples(self) -> list[str]:
        """The programs that are marked with ``run``."""
        return CODE.findall(self.text)

    def check(self, texts: Mapping[str, str]) -> None:
        """Asserts that the page shows these texts, by the names in its marks ``prints``, and no others."""
        if os.environ.get("DOVETAIL_UPDATE_DOCS"):
            self.path.write_text(SHOWN.sub(lambda m: m[1] + _updated(m[3], texts[m[2]]), self.text))
        shown = {name: text for _, name, text in SHOWN.findall(self.text)}
        assert shown.keys() == texts.keys()
        for name, text in shown.items():
            pattern = ".*".join(re.escape(part) for part in text.split(ELLIPSIS))
            assert re.fullmatch(pattern, _lines(texts[name]), re.DOTALL), name

    def missing_files(self) -> list[str]:
        """Python files that the tables of folders name and that do not exist."""
        rows = FOLDERS.findall(self.text)
        assert rows
        return [
            f"{folder}{name}"
            for folder, row in rows
            for name in re.findall(r"`([\w/]+\.py)`", row)
            if not (ROOT / name).exists() and not (ROOT / folder / name).exists()
        ]


def execute(file: Path, source: str, names: dict[str, Any]) -> None:
    """Runs an example as a reader does, from a file: tensors without a name take that of their variable there."""
    file.write_text(source)
    exec(compile(source, str(file), "exec"), names)


def _updated(shown: str, text: str) -> str:
    return shown if ELLIPSIS in shown else _lines(text)


def _lines(text: str) -> str:
    return text.rstrip() + "\n"
