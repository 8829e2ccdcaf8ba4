"""`lower` and `build`: the targets, what a built function takes and gives, and what is refused, in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dovetail as t
from dovetail import runtime
from dovetail.building import AcceleratorFunction
from dovetail.compiler.codegen.llvm.errors import ArgumentError
from dovetail.compiler.codegen.vdla.errors import CodegenError
from dovetail.compiler.lower.errors import LoweringError
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.isa.config import ConfigError
from dovetail.runtime import BadAccess, Device, DeviceLost
from dovetail.target import TargetError

SIZE = 16
Array = NDArray[Any]
Scheduled = tuple[Schedule, list[Tensor]]


def product(size: int = SIZE) -> Scheduled:
    """C[y][x] = sum over k of A[k][y] * B[k][x]."""
    a, b = (t.placeholder((size, size), "int8", name=name) for name in "AB")
    k = t.reduce_axis((0, size))
    c = t.compute((size, size), lambda y, x: t.sum(a[k, y].astype("int32") * b[k, x].astype("int32"), axis=k), name="C")
    return t.create_schedule(c), [a, b, c]


def on_the_array(size: int = SIZE, tile: int = 8, config: str = "batch8") -> Scheduled:
    """The product in tiles of the machine's array, with `tile` by `tile` sums at a time."""
    machine = t.vdla.using(config)
    s, (a, b, c) = product(size)
    y, x = s[c].op.axis
    rows, columns, depth = machine.config.batch, machine.config.block_out, machine.config.block_in
    *_, ko, yi, _, _ = s[c].tile(y, x, *s[c].op.reduce_axis, rows, columns, depth)
    sums = s.cache_write(c, machine.acc_buffer, name="CL")
    _, xo, _, _ = s[c].tile(*s[c].op.axis, tile, tile)
    s[sums].compute_at(s[c], xo)
    for operand, name in ((a, "AL"), (b, "BL")):
        s[s.cache_read(operand, machine.inp_buffer, name=name)].compute_at(s[sums], ko)
    s[sums].tensorize(yi, machine.gemm)
    return s, [a, b, c]


@pytest.fixture
def arrays() -> list[Array]:
    """Operands, and a result that is wrong."""
    rng = np.random.default_rng(0)
    operands = [rng.integers(-128, 128, (SIZE, SIZE)).astype(np.int8) for _ in range(2)]
    return [*operands, np.full((SIZE, SIZE), -1, np.int32)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """The devices that are opened."""
    devices: list[Device] = []
    original = runtime.open

    def recording(*args: Any, **kwargs: Any) -> Device:
        devices.append(original(*args, **kwargs))
        return devices[-1]

    monkeypatch.setattr(runtime, "open", recording)
    return devices


@pytest.mark.parametrize(
    ("schedule", "target"),
    [
        (product, "llvm"),
        (product, "cpu"),
        (product, t.target.llvm(threads=2)),
        (on_the_array, "vdla:batch8"),
        (on_the_array, t.target.vdla("batch8")),
        (on_the_array, t.target.vdla(t.load_config("batch8"), "fsim", latency=3, bytes_per_cycle=1)),
        (lambda: on_the_array(config="default", tile=16), "fsim"),
        (lambda: on_the_array(config="default", tile=16), "vdla"),
    ],
)
def test_a_target_is_a_name_or_made(schedule: Any, target: Any, arrays: list[Array]) -> None:
    function = t.build(*schedule(), target)
    left, right, result = arrays
    expected = left.astype(np.int32).T @ right.astype(np.int32)
    for _ in range(2):
        result[...] = -1
        assert function(left, right, result) is None
        np.testing.assert_array_equal(result, expected)


def test_lowering_does_not_take_building_away() -> None:
    t.lower(*product())
    assert callable(t.build) and callable(t.lower)


def test_arguments_come_in_the_order_of_the_call(arrays: list[Array]) -> None:
    left, right, result = arrays
    s, (a, b, c) = on_the_array()
    t.build(s, [c, b, a], "vdla:batch8")(result, right, left)
    np.testing.assert_array_equal(result, left.astype(np.int32).T @ right.astype(np.int32))


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("gpu", TargetError, "no target 'gpu'; use one of llvm, cpu, vdla:CONFIG, fsim, rtl"),
        (None, TargetError, "a target is a name or what dovetail.target makes, not None"),
        ("vdla:none", ConfigError, "no configuration 'none'; use one of batch8, "),
        ("llvm", TargetError, "AL lies in inp_buffer, which the accelerator has and a CPU has not; build for vdla"),
        ("vdla:default", CodegenError, "8 of axis 0 of CL; an entry holds 1: use the intrinsics of this machine's"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        t.build(*on_the_array(), target)
    assert len(str(raised.value).splitlines()) == 1


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TargetError, match="no device 'board'; use one of fsim, rtl"):
        t.target.vdla("batch8", device="board")


def test_a_schedule_for_a_cpu_does_not_run_on_the_accelerator() -> None:
    with pytest.raises(TargetError, match="main uses no memory of the accelerator, which computes in acc_buffer; put"):
        t.build(*product(), "vdla:batch8")


def test_the_accelerator_needs_numbers_for_sizes() -> None:
    m = t.var("m")
    a = t.placeholder((m, SIZE), "int8", name="A")
    c = t.compute((m, SIZE), lambda i, j: a[i, j].astype("int32"), name="C")
    s = t.create_schedule(c)
    s.cache_read(a, t.vdla.inp_buffer)
    with pytest.raises(TargetError, match=r"main has symbolic sizes \(m\), but a program for the accelerator has none"):
        t.build(s, [a, c], "vdla")


def test_tiles_that_do_not_fit_a_memory_are_refused_with_the_bytes() -> None:
    with pytest.raises(CodegenError) as raised:
        t.build(*on_the_array(256, tile=256), "vdla:batch8")
    assert str(raised.value) == (
        "CL [256x256] needs 1024 entries (262144 bytes) of the acc buffer; 256 of acc_depth=256 are free "
        "(65536 bytes): use smaller tiles or fewer copies"
    )


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (lambda a, b, c: [a, b], LoweringError, "C is an output of the schedule, but not among the arguments; add it"),
        (lambda a, b, c: [b, c], LoweringError, "A is read, but not among the arguments; add it"),
        (lambda a, b, c: [a, b, c, a], LoweringError, "A is among the arguments twice"),
        (lambda a, b, c: [a, np.zeros(3), c], TypeError, "number 2 is of type ndarray"),
        (lambda a, b, c: c, TypeError, "args is the list of tensors that the caller gives and gets, not Tensor"),
    ],
)
def test_arguments_must_be_the_tensors_of_the_schedule(args: Any, error: type[Exception], message: str) -> None:
    s, tensors = product()
    with pytest.raises(error, match=message) as raised:
        t.lower(s, args(*tensors))
    assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(error, match=message):
        t.build(s, args(*tensors))


def test_only_schedules_are_lowered() -> None:
    _, tensors = product()
    with pytest.raises(TypeError, match="what create_schedule makes is needed, not Tensor"):
        t.lower(tensors[2], tensors)


@pytest.mark.parametrize(("schedule", "target"), [(product, "llvm"), (on_the_array, "vdla:batch8")])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b, c: [a, b], r"3 arrays are needed \(A, B, C\), not 2"),
        (lambda a, b, c: [a, b[:8], c], r"argument 2 \(B\) is to have shape \(16, 16\), not \(8, 16\)"),
        (lambda a, b, c: [a, b.astype(np.int32), c], r"argument 2 \(B\) is to be int8, not int32"),
        (lambda a, b, c: [a, b.tolist(), c], r"argument 2 \(B\) is to be a NumPy array, not list"),
        (lambda a, b, c: [a.T, b, c], r"argument 1 \(A\) is not contiguous"),
        (lambda a, b, c: [a, b, c[:8]], r"argument 3 \(C\) is to have shape \(16, 16\), not \(8, 16\)"),
        (lambda a, b, c: [a, b, c.astype(np.int64)], r"argument 3 \(C\) is to be int32, not int64"),
        (lambda a, b, c: [a, b, np.broadcast_to(c, c.shape)], r"argument 3 \(C\) is written, but it is read-only"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    schedule: Any, target: str, change: Any, message: str, arrays: list[Array], opened: list[Device]
) -> None:
    with pytest.raises(ArgumentError, match=message) as raised:
        t.build(*schedule(), target)(*change(*arrays))
    assert len(str(raised.value).splitlines()) == 1
    assert not opened


def test_each_call_closes_its_device(arrays: list[Array], opened: list[Device]) -> None:
    function = t.build(*on_the_array(), "vdla:batch8")
    function(*arrays)
    function(*arrays)
    assert len(opened) == 2
    for device in opened:
        with pytest.raises(DeviceLost, match="closed"):
            device.read(0, 1)


def test_a_call_that_fails_closes_its_device(
    arrays: list[Array], opened: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise BadAccess("this program is not for me")

    function = t.build(*on_the_array(), "vdla:batch8")
    assert isinstance(function, AcceleratorFunction)
    monkeypatch.setattr(Device, "run", refuse)
    with pytest.raises(BadAccess, match="not for me"):
        function(*arrays)
    with pytest.raises(DeviceLost, match="closed"):
        opened[0].read(0, 1)
