"""How a benchmark that fails says so."""

from __future__ import annotations

from typing import Any

import pytest

from dovetail import runtime
from dovetail.cli import main
from dovetail.sim.rtl import bench
from dovetail.sim.rtl.build import BuildError
from dovetail.sim.rtl.client import SimulatorLost, SimulatorTimeout
from dovetail.sim.rtl.toolchain import ToolMissing


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BuildError("the compiler says no"), runtime.DeviceUnavailable),
        (ToolMissing("no g++"), runtime.DeviceUnavailable),
        (OSError(28, "No space left on device"), runtime.DeviceUnavailable),
        (SimulatorLost("its process ended"), runtime.DeviceLost),
        (SimulatorTimeout("no answer"), runtime.DeviceTimeout),
        (RuntimeError("the program was stopped"), runtime.DeviceError),
    ],
)
def test_errors_of_the_simulators_are_those_of_devices(
    error: Exception, kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **settings: Any) -> Any:
        raise error

    monkeypatch.setattr(bench, "measure", fail)
    assert main(["bench", "sim", "--workload", "conv2d:1,4,4,4,4,1,1,0", "--config", "tiny", "--verbose"]) == 3
    said = capsys.readouterr().err
    assert f"{kind.__name__}: {error}" in said
    assert said.splitlines()[-1] == f"dovetail: {error}"
