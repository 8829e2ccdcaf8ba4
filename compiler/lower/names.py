"""Names that are used once."""

from __future__ import annotations


class Names:
    """Gives each name out once; later takers get ``name_1`` and so on."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def unique(self, name: str) -> str:
        while name in self._taken:
            self._taken[name] += 1
            candidate = f"{name}_{self._taken[name]}"
            if candidate not in self._taken:
                name = candidate
        self._taken[name] = 0
        return name
