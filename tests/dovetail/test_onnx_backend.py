"""The ONNX backend, and a sample of its conformance suite."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, parser

from dovetail import conformance
from dovetail.compiler.frontend.errors import FrontendError
from dovetail.onnx_backend import DovetailBackend, prepare, run_model, run_node

RESHAPE = '<ir_version: 8, opset_import: ["": 17]> m (float[n] x, int64[2] s) => (float[a, b] y) { y = Reshape(x, s) }'


def test_a_model_is_specialised_for_shapes_and_for_inputs_that_shapes_depend_on() -> None:
    prepared = prepare(parser.parse_model(RESHAPE))
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(prepared.run([x, np.array([2, 3])])[0], x.reshape(2, 3))
    assert prepared.constants == ("s",)
    np.testing.assert_array_equal(prepared.run([x, np.array([3, -1])])[0], x.reshape(3, 2))
    np.testing.assert_array_equal(prepared.run({"s": np.array([2, 2]), "x": x[:4]})[0], x[:4].reshape(2, 2))


def test_models_and_nodes_run_at_once() -> None:
    x, shape = np.arange(4, dtype=np.float32), np.array([2, 2])
    np.testing.assert_array_equal(run_model(parser.parse_model(RESHAPE), [x, shape])[0], x.reshape(2, 2))
    node = helper.make_node("Softplus", ["x"], ["y"])
    np.testing.assert_allclose(run_node(node, [x])[0], np.log1p(np.exp(x)), rtol=1e-6)


def test_a_missing_input_is_named() -> None:
    with pytest.raises(FrontendError, match="^input 's' is missing; the inputs are x, s$"):
        run_model(parser.parse_model(RESHAPE), [np.zeros(4, np.float32)])


def test_it_runs_on_the_cpu_alone() -> None:
    assert DovetailBackend.supports_device("CPU")
    assert not DovetailBackend.supports_device("CUDA")
    with pytest.raises(ValueError, match="device 'CUDA' is unsupported; CPU is supported"):
        prepare(parser.parse_model(RESHAPE), "CUDA")


def test_networks_from_pytorch_pass_the_conformance_suite() -> None:
    outcomes = [conformance.run_case(case) for case in conformance.cases("pytorch-converted")]
    assert [outcome for outcome in outcomes if outcome.reason] == []
    assert len(outcomes) >= 60


def test_a_sample_of_the_node_tests_passes_or_is_refused_for_its_types_or_operators() -> None:
    outcomes = [conformance.run_case(case) for case in conformance.cases("node")[::18]]
    passed = [outcome for outcome in outcomes if not outcome.reason]
    assert len(passed) >= 0.75 * len(outcomes)
    for outcome in outcomes:
        assert not outcome.reason.startswith(("crash", "wrong", "refused")), outcome


def test_the_report_counts_and_groups() -> None:
    outcomes = [
        conformance.Outcome("node", "test_a"),
        conformance.Outcome("node", "test_b", constants=("s",)),
        conformance.Outcome("node", "test_c", "operator Det is unsupported"),
        conformance.Outcome("node", "test_d", "operator Det is unsupported"),
    ]
    text = conformance.report(outcomes)
    assert "| node | 4 | 2 | 0 | 1 | 0 |" in text
    assert "| operator Det is unsupported | 2 | test_c, test_d |" in text
