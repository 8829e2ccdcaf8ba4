"""What a program's writer relies on, on every device."""

from __future__ import annotations

import dataclasses
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dovetail import runtime
from dovetail.isa.config import Config, ConfigError, load_config
from dovetail.isa.instructions import Buffer, Finish, Format, Gemm, Instruction, Load, MicroOp, Store, Sync, Unit
from dovetail.isa.program import Program, Segment
from dovetail.isa.registers import Counter
from dovetail.isa.verify import VerificationError
from dovetail.runtime import BadAccess, ConfigMismatch, Device, DeviceFault, DeviceLost, DeviceUnavailable, OutOfMemory
from dovetail.sim.rtl.client import Settings

TINY = load_config("tiny")
MEMORY = 1 << 20
UOPS = 0x1000
K = 8
"""Input vectors and weight tiles of the test's product."""

DEVICES = ["fsim", "timing", pytest.param("rtl", marks=pytest.mark.rtl)]


@pytest.fixture(scope="module", params=DEVICES)
def opened(request: pytest.FixtureRequest) -> Iterator[Device]:
    with runtime.open(request.param, config=TINY, memory_bytes=MEMORY) as device:
        yield device


@pytest.fixture
def device(opened: Device) -> Device:
    opened.free_all()
    opened.write(0, bytes(MEMORY))
    return opened


def product(config: Config, x: int, w: int, y: int) -> Program:
    """``raw = sum over k of x[k] @ w[k].T`` at `y`."""
    uops = b"".join(MicroOp(dst=0, src=k, wgt=k).encode(config).to_bytes(config.uop_bytes, "little") for k in range(K))
    body: list[Instruction] = [
        Load(buffer=Buffer.UOP, sram=0, dram=UOPS, cols=K),
        Load(buffer=Buffer.INP, sram=0, dram=x, cols=K),
        Load(buffer=Buffer.WGT, sram=0, dram=w, cols=K),
        Load(buffer=Buffer.ACC, sram=0, dram=y, cols=1, push_next=True),
        Gemm(uop_begin=0, uop_count=K, pop_prev=True, push_next=True),
        Store(format=Format.RAW, sram=0, dram=y, cols=1, pop_prev=True),
        Finish(),
    ]
    return Program(config, tuple(body), (Segment("uops", UOPS, uops),))


def tensors(config: Config) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    x = rng.integers(-128, 128, (K, config.batch, config.block_in), np.int8)
    w = rng.integers(-128, 128, (K, config.block_out, config.block_in), np.int8)
    return x, w


def test_a_product_is_numpys(device: Device) -> None:
    device.alloc(4096)
    x, w = tensors(TINY)
    at_x, at_w, at_y = device.alloc(x.nbytes), device.alloc(w.nbytes), device.alloc(TINY.acc_bytes)
    device.write(at_x, x)
    device.write(at_w, w)
    result = device.run(product(TINY, at_x, at_w, at_y))
    expected = np.einsum("kbi,koi->bo", x.astype(np.int32), w.astype(np.int32))
    assert (device.read_array(at_y, expected.shape, np.int32) == expected).all()
    assert result.status == "done"
    assert result.seconds > 0
    assert result.dram_write_bytes == TINY.acc_bytes
    assert result.dram_read_bytes >= x.nbytes + w.nbytes + K * TINY.uop_bytes
    if result.counters is not None:
        assert result.cycles is not None
        assert set(result.counters) == {counter.name.lower() for counter in Counter}
        assert result.counters["gemm"] == K
        assert result.cycles == result.counters["cycles"] > K


def test_buffers_keep_their_contents_from_run_to_run(device: Device) -> None:
    data = np.random.default_rng(5).integers(0, 256, (TINY.acc_depth, TINY.acc_bytes), np.uint8)
    device.write_buffer(Buffer.ACC, data)
    out = device.alloc(16 * TINY.acc_bytes)
    device.run(Program(TINY, (Finish(),)))
    store = Program(TINY, (Store(format=Format.RAW, sram=8, dram=out, cols=16), Finish()))
    device.run(store, check=False)
    assert device.read(out, 16 * TINY.acc_bytes) == data[8:24].tobytes()
    assert (device.read_buffer(Buffer.ACC) == data).all()
    with pytest.raises(BadAccess, match=r"acc buffer: data of shape \(1, 1\); it must be \(64, 16\)"):
        device.write_buffer(Buffer.ACC, np.zeros((1, 1), np.uint8))


def test_allocations_are_aligned_apart_and_bounded(device: Device) -> None:
    taken: list[tuple[int, int]] = []
    for nbytes, align in ((1, 1), (100, 64), (5, 4096), (0, 16), (64, 2)):
        address = device.alloc(nbytes, align)
        assert address % align == 0
        assert address >= 4096, "the first page stays free"
        assert all(address >= end or address + nbytes <= begin for begin, end in taken)
        taken.append((address, address + nbytes))
    with pytest.raises(OutOfMemory, match=f"{MEMORY} bytes do not fit: .* of {MEMORY} are free; open the device with"):
        device.alloc(MEMORY)
    device.free_all()
    assert device.alloc(MEMORY - 4096) == 4096


def test_accesses_outside_the_memory_are_refused(device: Device) -> None:
    for access in (lambda: device.read(MEMORY - 1, 2), lambda: device.write(MEMORY, b"x"), lambda: device.read(-1, 1)):
        with pytest.raises(BadAccess, match=f"the memory ends at {MEMORY:#x}"):
            access()


def test_a_program_for_another_machine_is_refused_by_field(device: Device) -> None:
    other = dataclasses.replace(TINY, acc_depth=128, queue_depth=8)
    with pytest.raises(ConfigMismatch, match="acc_depth is 128, not 64; queue_depth is 8, not 4"):
        device.run(Program(other, (Finish(),)))


def test_a_program_that_the_verifier_refuses_is_not_run(device: Device) -> None:
    with pytest.raises(VerificationError, match="deadlock: compute waits"):
        device.run(Program(TINY, (Sync(target=Unit.COMPUTE, pop_prev=True), Finish())))


def test_a_deadlock_is_reported_and_the_device_goes_on(device: Device) -> None:
    with pytest.raises(DeviceFault) as fault:
        device.run(Program(TINY, (Sync(target=Unit.COMPUTE, pop_prev=True), Finish())), check=False)
    assert "\n" not in str(fault.value)
    if fault.value.index is not None:
        assert (fault.value.cause, fault.value.unit, fault.value.index) == ("watchdog", "compute", 0)
        assert fault.value.disassembly == "sync compute pop(load)"
    device.run(Program(TINY, (Finish(),)))


def test_a_program_that_needs_more_memory_is_refused(device: Device) -> None:
    far = Program(TINY, (Load(buffer=Buffer.INP, sram=0, dram=MEMORY, cols=1), Finish()))
    with pytest.raises(OutOfMemory, match="open the device with a larger memory_bytes"):
        device.run(far)


def test_a_closed_device_says_so() -> None:
    device = runtime.open("fsim", config=TINY)
    device.close()
    device.close()
    for use in (lambda: device.alloc(1), lambda: device.read(0, 1), lambda: device.run(Program(TINY, (Finish(),)))):
        with pytest.raises(DeviceLost, match="the device is closed; open another"):
            use()


def test_a_closed_functional_device_gives_its_memory_back() -> None:
    device = runtime.open("fsim", config=TINY, memory_bytes=MEMORY)
    memory = weakref.ref(device._memory)
    device.close()
    assert memory() is None


@pytest.mark.rtl
def test_an_interrupted_device_is_closed() -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    body = (Sync(target=Unit.COMPUTE), *[Gemm(uop_begin=0, uop_count=16, outer=4000, inner=4000)] * 8, Finish())
    with runtime.open("rtl", config=TINY, memory_bytes=MEMORY) as device:
        with pytest.raises(KeyboardInterrupt):
            device.run(Program(TINY, body), check=False, progress=interrupt)
        for use in (device.reset, lambda: device.read(0, 1)):
            with pytest.raises(DeviceLost, match="the device is closed; open another"):
                use()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "gpu"}, "no device 'gpu'; use one of fsim, rtl, timing"),
        ({"device": "fsim", "config": "huge"}, "no configuration 'huge'"),
        ({"device": "fsim", "timeline": "x.json"}, "timeline needs device rtl"),
        ({"device": "timing", "waves": "x.fst"}, "waves needs device rtl; timing counts cycles and keeps no record"),
        ({"device": "timing", "stall": 0.1}, "stall needs device rtl"),
        ({"device": "timing", "bytes_per_cycle": 0}, "bytes_per_cycle must be between 1 and 65535, not 0"),
        ({"device": "fsim", "memory_bytes": 0}, "memory_bytes must be between"),
        ({"device": "rtl", "latency": 0}, "latency must be between 1 and 65535, not 0"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        runtime.open(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.rtl
def test_a_timeline_is_written_and_its_folder_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    with runtime.open("rtl", config=TINY, memory_bytes=MEMORY, timeline=path) as device:
        for _ in range(2):
            result = device.run(product(TINY, 0x2000, 0x3000, 0x4000), check=False)
            events = json.loads(path.read_text())["traceEvents"]
            assert max(event.get("ts", 0) + event.get("dur", 0) for event in events) <= result.cycles
            assert {"GEMM", "STORE", "LOAD", "wait for memory"} <= {event["name"] for event in events}
        path.unlink()
        device.reset(Settings(latency=200))  # type: ignore[call-arg]  # of RTL devices only
        device.run(product(TINY, 0x2000, 0x3000, 0x4000), check=False)
        assert "GEMM" in {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    with pytest.raises(DeviceUnavailable, match="there is no folder"):
        runtime.open("rtl", config=TINY, timeline=tmp_path / "nowhere" / "timeline.json")


@pytest.mark.rtl
def test_several_devices_work_at_once_each_with_its_own_memory() -> None:
    open_one: Callable[[int], Device] = lambda latency: runtime.open(  # noqa: E731
        "rtl", config=TINY, memory_bytes=MEMORY, latency=latency
    )
    devices = [open_one(latency) for latency in (10, 100, 300)]
    try:
        x, w = tensors(TINY)
        results = []
        for place, device in enumerate(devices):
            device.write(0x2000, x + np.int8(place))
            device.write(0x3000, w)
        for device in devices:
            results.append(device.run(product(TINY, 0x2000, 0x3000, 0x4000)))
        for place, device in enumerate(devices):
            shifted = (x + np.int8(place)).astype(np.int32)
            expected = np.einsum("kbi,koi->bo", shifted, w.astype(np.int32))
            assert (device.read_array(0x4000, expected.shape, np.int32) == expected).all()
        cycles = [result.cycles for result in results]
        assert cycles == sorted(set(cycles))
    finally:
        for device in devices:
            device.close()
