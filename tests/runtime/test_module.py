"""Deployed modules: what their users rely on."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dovetail as t
from dovetail import runtime
from dovetail.isa import module_file
from dovetail.isa.config import ConfigError
from dovetail.isa.instructions import Finish
from dovetail.isa.module import Library, Plan, Processor
from dovetail.isa.native.errors import NativeError
from dovetail.isa.native.objects import assemble
from dovetail.isa.native.processor import host
from dovetail.isa.program import Program
from dovetail.isa.verify import VerificationError
from dovetail.runtime import BadAccess, ConfigMismatch, Module, ModuleError, OutOfMemory

from .networks import DRAM_BYTES, SIZE, TINY, cpu_network, data, expected, network


@pytest.fixture(scope="module")
def parts() -> tuple[Plan, Library, dict[str, Any]]:
    return network()


@pytest.fixture
def module(parts: tuple[Plan, Library, dict[str, Any]]) -> Iterator[Module]:
    plan, library, params = parts
    with runtime.create(plan, library, "fsim") as created:
        created.set_input(**params)
        yield created


@pytest.mark.parametrize("threads", [1, 2])
def test_the_listings_calls_give_numpys_result(threads: int) -> None:
    graph, lib, params = network(threads=threads)
    module = runtime.create(graph, lib, t.fsim(0))
    module.set_input(**params)
    module.run(x=data(0))
    output = t.nd.empty((2, 4), ctx=t.fsim(0))
    module.get_output(0, output)
    np.testing.assert_array_equal(output, expected(data(0), params))
    np.testing.assert_array_equal(module.get_output("y"), output)
    assert [result.status for result in module.results] == ["done", "done"]
    assert len(module.step_seconds) == len(graph.steps)
    assert (module.cycles, module.layer_cycles()) == (None, (None,) * 4)
    module.close()


def test_a_module_without_programs_runs_on_the_cpu() -> None:
    plan, library, _ = cpu_network()
    with runtime.create(plan, library, t.cpu(0)) as module:
        module.run(x=data(0))
        np.testing.assert_array_equal(module.get_output(0), (data(0) * 2).astype(np.int8))
        assert (module.results, module.cycles) == ((), None)


@pytest.mark.rtl
@pytest.mark.parametrize("linked", [False, True])
def test_layers_share_the_cycles_of_their_programs(linked: bool) -> None:
    plan, library, params = network(linked)
    with runtime.create(plan, library, "rtl", checks=True, profile=True) as module:
        module.set_input(**params)
        module.run(x=data(1))
        np.testing.assert_array_equal(module.get_output(0), expected(data(1), params))
        first, *products, last = module.layer_cycles()
        assert (first, last) == (None, None)
        assert sum(products) == module.cycles == sum(result.cycles for result in module.results)
        shortest = 8 + 64  # a cycle for each product, and the memory's latency
        assert all(shortest < cycles < module.cycles - shortest for cycles in products)


@pytest.mark.rtl
def test_without_a_profile_only_layers_alone_in_a_program_have_cycles() -> None:
    for linked in (False, True):
        plan, library, params = network(linked)
        with runtime.create(plan, library, "rtl", checks=True) as module:
            module.set_input(**params)
            module.run(x=data(1))
            assert [cycles is None for cycles in module.layer_cycles()] == [True, linked, linked, True]


@pytest.mark.rtl
def test_a_timeline_holds_all_launches_of_the_last_run_by_layer(tmp_path: Path) -> None:
    plan, library, params = network()
    with runtime.create(plan, library, "rtl", checks=True, timeline=tmp_path / "trace.json") as module:
        module.set_input(**params)
        for seed in range(2):
            module.run(x=data(seed))
        events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
        layers = [event for event in events if event.get("cat") == "layer"]
        assert [event["name"] for event in layers] == ["MatMul_0", "MatMul_1"]
        for event, result in zip(layers, module.results, strict=True):
            assert event["dur"] == pytest.approx(result.cycles, abs=4)
    first, second = layers
    assert second["ts"] == pytest.approx(
        first["ts"] + first["dur"], abs=8
    )  # the first comes to rest, the second starts
    assert {event["ts"] < second["ts"] for event in events if event["name"] == "GEMM"} == {True, False}


def test_nothing_is_left_over_from_one_run_to_the_next(module: Module, parts: Any) -> None:
    params, rng = parts[2], np.random.default_rng(0)
    for seed in range(3):
        module.run(x=data(seed))
        np.testing.assert_array_equal(module.get_output(0), expected(data(seed), params))
        assert module.device is not None
        module._host.data[...] = rng.integers(0, 256, module._host.data.size, np.uint8)
        module.device.write(0x2000, bytes(0x1000))
        module.device.write(0x5000, bytes(DRAM_BYTES - 0x5000))
        module.set_input(bias=params["bias"])


def test_inputs_keep_their_values_and_belong_to_the_module(module: Module, parts: Any) -> None:
    x = data(0)
    module.run(x=x)
    x[...] = 0
    module._host.data[:SIZE] = 0
    module.run()
    np.testing.assert_array_equal(module.get_output(0), expected(data(0), parts[2]))
    first = module.get_output(0)
    module.run(x=data(1))
    np.testing.assert_array_equal(first, expected(data(0), parts[2]))


def test_times_are_of_whole_runs(module: Module) -> None:
    module.set_input(x=data(0))
    timing = module.time_evaluator(number=2, repeat=3)
    assert len(timing.seconds) == 3
    assert 0 < timing.min <= timing.mean <= max(timing.seconds)
    assert timing.cycles is None
    with pytest.raises(ModuleError, match="number and repeat must be at least 1, not 0 and 3"):
        module.time_evaluator(number=0)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.run(z=1), "there is no input 'z'; the inputs are x (32,) float32"),
        (lambda m: m.run(x=data(0)[1:]), "'x' has shape (31,); it must be (32,)"),
        (lambda m: m.run(x=data(0).astype(int)), "'x' is of type int64; it must be float32: convert it with astype"),
        (lambda m: m.set_input(bias=data(0)), "'bias' has shape (32,); it must be (4,)"),
        (lambda m: m.get_output(0), "output 'y' is not computed: run the module first"),
        (lambda m: m.get_output(2), "there is no output 2; the outputs are 0 (y)"),
        (lambda m: m.get_output(-1), "there is no output -1; "),
        (lambda m: m.get_output("z"), "there is no output 'z'; "),
        (lambda m: m.run(), "input 'x' is not set; the inputs are x (32,) float32"),
        (lambda m: (m.run(x=data(0)), m.get_output(0, data(0))), "'out' has shape (32,); it must be (2, 4)"),
        (lambda m: (m.run(x=data(0)), m.get_output(0, [0.0])), "'out' must be an array, not list"),
        (lambda m: (m.run(x=data(0)), m.get_output(0, np.broadcast_to(np.float32(0), (2, 4)))), "'out' is read-only"),
        (lambda m: m.run(x=[[1.0], [1.0, 2.0]]), "'x' is no array: setting an array element with a sequence"),
        (lambda m: runtime.create(m.library, m.plan, "cpu"), "a plan and a library are needed, not Library and Plan"),
        (lambda m: (m.close(), m.run()), "the module is closed; create another"),
    ],
)  # fmt: skip
def test_misuse_is_one_clear_line(module: Module, use: Callable[[Module], object], message: str) -> None:
    with pytest.raises(ModuleError) as error:
        use(module)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_constants_must_be_given_before_a_run(parts: Any) -> None:
    plan, library, params = parts
    with runtime.create(plan, library, "fsim") as module:
        module.set_input(bias=params["bias"])
        with pytest.raises(ModuleError, match=r"2 of 3 constants are not set, 'weights 0' first: call set_input\(\*\*"):
            module.run(x=data(0))


def test_a_device_of_another_configuration_is_refused_by_field(parts: Any) -> None:
    other = dataclasses.replace(TINY, queue_depth=8)
    with runtime.open("fsim", config=other) as device:
        with pytest.raises(ConfigMismatch, match="queue_depth is 4, not 8"):
            runtime.create(*parts[:2], device)


@pytest.mark.parametrize(
    ("device", "settings", "message"),
    [
        ("cpu", {}, "the module uses the accelerator: create it on fsim or rtl"),
        ("gpu", {}, "no device 'gpu'; use one of cpu, fsim, rtl"),
        ("fsim", {"profile": True}, "profile needs device rtl"),
        ("fsim", {"colour": 1}, "there is no setting 'colour'"),
    ],
)
def test_unfit_devices_are_refused(parts: Any, device: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        runtime.create(*parts[:2], device, **settings)


def test_a_module_for_the_cpu_refuses_a_simulator() -> None:
    with pytest.raises(ConfigError, match="the module is for the CPU only: create it on cpu"):
        runtime.create(*cpu_network()[:2], t.fsim(0))
    with pytest.raises(ConfigError, match=r"no device fsim\(1\); there is one, fsim\(0\)"):
        t.fsim(1)


def test_an_open_device_stays_the_callers(parts: Any) -> None:
    plan, library, params = parts
    with runtime.open("fsim", config=TINY, memory_bytes=1 << 16) as device:
        for _ in range(2):
            with runtime.create(plan, library, device) as module:
                module.set_input(**params)
                module.run(x=data(3))
                np.testing.assert_array_equal(module.get_output(0), expected(data(3), params))
                assert device.alloc(64) >= DRAM_BYTES
                with pytest.raises(OutOfMemory, match="the device's memory is in use"):
                    runtime.create(plan, library, device)
                with pytest.raises(ConfigError, match="latency cannot be set on a device that is open already"):
                    runtime.create(plan, library, device, latency=3)
        assert device.alloc(64) == 4096
        device.reset()
        with runtime.create(plan, library, device) as module:
            module.set_input(**params)
            device.reset()
            with pytest.raises(BadAccess, match="a reset forgot it"):
                module.run(x=data(0))
    with runtime.open("fsim", config=TINY, memory_bytes=DRAM_BYTES) as device:
        with pytest.raises(OutOfMemory, match="open the device with a larger memory_bytes"):
            runtime.create(plan, library, device)


def test_programs_are_verified_when_they_are_loaded(parts: Any) -> None:
    plan, library, _ = parts
    broken = dataclasses.replace(
        library, programs=(library.programs[0], Program(TINY, library.programs[1].instructions))
    )
    with pytest.raises(VerificationError, match="comes from DRAM that no segment"):
        runtime.create(plan, broken, "fsim")


def test_code_for_another_processor_is_refused_by_feature(parts: Any) -> None:
    plan, library, _ = parts
    processors = {
        Processor(host().triple, "future", (*host().features, "+vision", "+avx1024")): "needs avx1024, vision, which",
        Processor("riscv64-unknown-linux-gnu", "generic-rv64", ()): "the code is for riscv64-unknown-linux-gnu; this",
        Processor(host().triple, "cray-1", ()): "the code is for cray-1, and nothing says which features that takes",
    }  # fmt: skip
    for processor, message in processors.items():
        with pytest.raises(NativeError, match=message) as error:
            runtime.create(dataclasses.replace(plan, processor=processor), library, "fsim")
        assert "\n" not in str(error.value)


def test_object_code_that_is_none_is_refused(parts: Any) -> None:
    plan, library, _ = parts
    needy = assemble("test", "declare void @nowhere()\ndefine void @f() {\n  call void @nowhere()\n  ret void\n}\n")
    for objects, message in (
        (library.objects | {"scale": b"no object"}, "not an object file: it begins with b'no o', not b'.*ELF'"),
        (library.objects | {"scale": library.objects["scale"][:300]}, "an object file is incomplete"),
        (library.objects | {"other": library.objects["scale"]}, "two objects define the function 'scale'"),
        ({**library.objects, "other": library.objects["scale"], "scale": needy}, "the code calls 'nowhere', which"),
    ):
        with pytest.raises(NativeError, match=message):
            runtime.create(plan, dataclasses.replace(library, objects=objects), "fsim")


CLIENT = """
import sys
import numpy as np
from dovetail import runtime

plan, library, params = runtime.load(sys.argv[1])
with runtime.create(plan, library, sys.argv[2]) as module:
    module.set_input(**params)
    module.run(x=np.load(sys.argv[3]))
    np.save(sys.argv[4], module.get_output(0))
print(sorted(name for name in sys.modules if name.startswith("dovetail.compiler")))
"""


@pytest.mark.parametrize("device", ["fsim", "timing", "cpu", pytest.param("rtl", marks=pytest.mark.rtl)])
def test_a_file_runs_without_the_compiler(tmp_path: Path, device: str) -> None:
    plan, library, params = cpu_network() if device == "cpu" else network()
    module_file.save(tmp_path / "net.mod", plan, library, params)
    np.save(tmp_path / "x.npy", data(4))
    arguments = [str(tmp_path / "net.mod"), device, str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    done = subprocess.run([sys.executable, "-c", CLIENT, *arguments], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
    wanted = (data(4) * 2).astype(np.int8) if device == "cpu" else expected(data(4), params)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), wanted)


def test_several_programs_are_resident_at_once() -> None:
    with runtime.open("fsim", config=TINY, memory_bytes=1 << 16) as device:
        loaded = [device.load(Program(TINY, (Finish(),))) for _ in range(3)]
        addresses = [program.address for program in loaded]
        assert addresses == sorted(set(addresses), reverse=True)
        for program in [*loaded, *loaded]:
            assert device.start(program).status == "done"
        device.run(Program(TINY, (Finish(),)))
        assert device.alloc(0) <= addresses[-1]
        with pytest.raises(OutOfMemory):
            device.alloc(addresses[-1])
