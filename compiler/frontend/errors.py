"""Errors of the front ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dovetail.compiler.errors import CompileError

LONGEST = 600
"""Characters of one reason in a message: a hostile model can put a million numbers into an attribute."""
SHOWN = 4
"""Names of nodes that are shown for each reason."""


class FrontendError(CompileError):
    """A model cannot be read. The message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


@dataclass(frozen=True)
class Problem:
    """Why one node of a model cannot be imported.

    Attributes
    ----------
    node, op:
        Its name, and the operator with its domain.
    reason:
        What of it is unsupported, and what would be supported.
    constants:
        Inputs of the model that would have to be known when it is imported.
    """

    node: str
    op: str
    reason: str
    constants: frozenset[str] = frozenset()


class UnsupportedModel(FrontendError):
    """Nodes of a model are not supported: all that were found, in one message.

    Attributes
    ----------
    problems:
        In the order of the nodes.
    """

    def __init__(self, model: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        reasons: dict[tuple[str, str], list[str]] = {}
        for problem in self.problems:
            reasons.setdefault((problem.op, problem.reason), []).append(problem.node)
        listed = "; ".join(f"{op} ({_listed(nodes)}): {shortened(why)}" for (op, why), nodes in reasons.items())
        count = len(self.problems)
        ValueError.__init__(self, f"{model}: {count} node{'s' if count > 1 else ''} cannot be imported: {listed}")

    @property
    def constants(self) -> frozenset[str]:
        """Inputs of the model that would have to be known when it is imported."""
        return frozenset().union(*(problem.constants for problem in self.problems))


def shortened(text: str) -> str:
    """`text` in one line of at most `LONGEST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _listed(nodes: list[str]) -> str:
    more = f" and {len(nodes) - SHOWN} more" if len(nodes) > SHOWN else ""
    return ", ".join(nodes[:SHOWN]) + more
