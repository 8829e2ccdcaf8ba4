"""All of ONNX's backend conformance suite, on the CPU: the report in docs/onnx.md is what comes out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dovetail import conformance

REPORT = Path(__file__).parents[2] / "docs" / "onnx.md"
WANTED = {"node": 450, "pytorch-converted": 60}
"""The least that must pass of each suite."""


@pytest.mark.slow
def test_the_report_is_current_and_enough_pass() -> None:
    outcomes = list(conformance.run_suites(conformance.KINDS))
    passed = Counter(outcome.kind for outcome in outcomes if not outcome.reason)
    assert all(passed[kind] >= least for kind, least in WANTED.items())
    assert not [outcome for outcome in outcomes if outcome.reason.startswith(("crash", "wrong"))]
    assert conformance.report(outcomes).strip() == REPORT.read_text().strip()
