"""ONNX's backend conformance suite: ``python -m dovetail.conformance -o docs/onnx.md`` writes the report."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from dovetail.compiler.errors import CompileError
from dovetail.compiler.frontend.errors import UnsupportedModel
from dovetail.compiler.frontend.onnx.registry import operators
from dovetail.files import write_atomically
from dovetail.onnx_backend import DovetailBackend

KINDS = ("node", "pytorch-converted", "pytorch-operator", "simple", "real")
"""Suites that need no download."""
LIMIT = 6
"""Tests that are named for each reason."""


@dataclass(frozen=True)
class Outcome:
    """What became of one test.

    Attributes
    ----------
    reason:
        Why it does not pass; empty if it does.
    constants:
        Inputs that were taken as constants.
    folded:
        All inputs were, so that nothing was left to run.
    """

    kind: str
    name: str
    reason: str = ""
    constants: tuple[str, ...] = ()
    folded: bool = False


def cases(kind: str) -> list[Any]:
    """The tests of a suite, of `onnx.backend.test`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        return sorted(load_model_tests(kind=kind), key=lambda case: str(case.name))


def run_case(case: Any) -> Outcome:
    """One test: all of its data sets."""
    try:
        model, data = _loaded(case)
        prepared = DovetailBackend.prepare(model)
        for inputs, expected in data:
            with np.errstate(all="ignore"):
                found = prepared.run(inputs)
            difference = _difference(found, expected, case.rtol, case.atol)
            if difference:
                return Outcome(case.kind, case.name, f"wrong result: {difference}")
    except UnsupportedModel as error:
        return Outcome(case.kind, case.name, _reason(error))
    except CompileError as error:
        return Outcome(case.kind, case.name, f"refused: {error}")
    except Exception as error:  # a crash is a result here
        return Outcome(case.kind, case.name, f"crash: {type(error).__name__}: {error}")
    return Outcome(case.kind, case.name, constants=prepared.constants, folded=prepared.folded)


def _reason(error: UnsupportedModel) -> str:
    problem = error.problems[0]
    if "no such operator" in problem.reason:
        return f"operator {problem.op} is unsupported"
    kind = re.search(r"dtype (\w+) of .* is unsupported", problem.reason)
    if kind:
        return f"dtype {kind[1]} is unsupported"
    kind = re.search(r"is a (\w+); only tensors are supported", problem.reason)
    return f"type {kind[1]} is unsupported" if kind else f"{problem.op}: {problem.reason}"


def _difference(found: Sequence[Any], expected: Sequence[Any], rtol: float, atol: float) -> str:
    if len(found) != len(expected):
        return f"{len(found)} outputs, not {len(expected)}"
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            return f"shape {list(one.shape)}, not {list(other.shape)}"
        if one.dtype != other.dtype:
            return f"{one.dtype}, not {other.dtype}"
        if not np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True):
            return "other numbers"
    return ""


def _loaded(case: Any) -> tuple[ModelProto, list[tuple[list[Any], list[Any]]]]:
    if case.model is not None:
        return case.model, [([*map(_array, given)], [*map(_array, wanted)]) for given, wanted in case.data_sets]
    if case.model_dir is None:
        return _light(case)
    folder = Path(case.model_dir)
    data = []
    for part in sorted(folder.glob("test_data_set_*")):
        counts = (len(list(part.glob(f"{what}_*.pb"))) for what in ("input", "output"))
        given, wanted = (
            [_array(_tensor(part / f"{what}_{number}.pb")) for number in range(count)]
            for what, count in zip(("input", "output"), counts, strict=True)
        )
        data.append((given, wanted))
    for path in sorted(folder.glob("test_data_*.npz")):
        stored = np.load(path, encoding="bytes", allow_pickle=True)
        data.append((list(stored["inputs"]), list(stored["outputs"])))
    return onnx.load(folder / "model.onnx"), data


def _light(case: Any) -> tuple[ModelProto, list[tuple[list[Any], list[Any]]]]:
    """A network whose weights are made up in it; its input is 0, 1, ... over the number of elements."""
    path = Path(onnx.__file__).parent.parent / case.url
    model = onnx.load(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = []
    for value in model.graph.input:
        if value.name not in weights:
            shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
            size = int(np.prod(shape))
            inputs.append((np.arange(size).reshape(shape) / size).astype(np.float32))
    return model, [(inputs, [_array(_tensor(path.with_name(f"{path.stem}_output_0.pb")))])]


def _tensor(path: Path) -> TensorProto:
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return tensor


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def run_suites(kinds: Iterable[str], only: str = "") -> Iterator[Outcome]:
    """All tests of these suites whose names contain a text."""
    for kind in kinds:
        chosen = [case for case in cases(kind) if only in case.name]
        for number, case in enumerate(chosen, 1):
            if sys.stderr.isatty():
                print(f"\r\033[K{kind} {number} of {len(chosen)}: {case.name}", end="", file=sys.stderr, flush=True)
            yield run_case(case)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def report(outcomes: Sequence[Outcome]) -> str:
    """The results as Markdown."""
    lines = [
        "# ONNX models",
        "",
        "Written by `python -m dovetail.conformance -o docs/onnx.md`, which runs the backend tests that the package",
        f"`onnx` {onnx.__version__} brings, opsets up to {onnx.defs.onnx_opset_version()}. They are compiled by LLVM",
        "for the CPU.",
        "",
        "Graphs have static shapes: a model is compiled for the shapes of its inputs. Where a shape depends on what an",
        "input holds (the second operand of Reshape, ...), the tests give that as an input when they run; it then",
        "becomes a constant, and the model is compiled again for another. The last two columns count these tests;",
        "where all inputs are such, the result is computed when the model is compiled.",
        "",
        "| suite | tests | pass | crash | pass with inputs as constants | of these, all inputs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        passed = [outcome for outcome in own if not outcome.reason]
        crashed = sum(outcome.reason.startswith("crash") for outcome in own)
        lines.append(
            f"| {kind} | {len(own)} | {len(passed)} | {crashed} | {sum(bool(one.constants) for one in passed)} "
            f"| {sum(one.folded for one in passed)} |"
        )
    lines += ["", "## Operators", ""]
    domains: dict[str, list[str]] = defaultdict(list)
    for domain, name in operators():
        domains[domain or "ai.onnx"].append(name)
    for domain, names in domains.items():
        lines += [f"**{domain}**: {', '.join(names)}.", ""]
    lines += [
        "Operators that ONNX defines as functions of others are supported as far as those are, and so are functions of",
        "the model itself.",
        "",
        "## Tests that do not pass",
        "",
        "| reason | tests | which |",
        "|---|---:|---|",
    ]
    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.reason:
            reasons[outcome.reason].append(outcome.name)
    for reason, names in sorted(reasons.items(), key=lambda entry: (-len(entry[1]), entry[0])):
        more = f" and {len(names) - LIMIT} more" if len(names) > LIMIT else ""
        lines.append(f"| {reason.replace('|', chr(92) + '|')} | {len(names)} | {', '.join(names[:LIMIT])}{more} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if no test crashed."""
    parser = argparse.ArgumentParser(prog="python -m dovetail.conformance", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="write the report to this Markdown file")
    parser.add_argument("--only", default="", help="tests whose names contain this text")
    parser.add_argument("--kind", choices=KINDS, action="append", help="suites; all by default")
    chosen = parser.parse_args(arguments)
    outcomes = list(run_suites(chosen.kind or KINDS, chosen.only))
    for kind, total in Counter(outcome.kind for outcome in outcomes).items():
        passed = sum(outcome.kind == kind and not outcome.reason for outcome in outcomes)
        print(f"{kind}: {passed} of {total} pass")
    if chosen.output:
        write_atomically(chosen.output, report(outcomes).encode())
    else:
        for outcome in outcomes:
            if outcome.reason:
                print(f"{outcome.name}: {outcome.reason}")
    return int(any(outcome.reason.startswith("crash") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
