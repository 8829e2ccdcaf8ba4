"""Modules: networks that were compiled, ready to run. No compiler is needed."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import ConfigError
from dovetail.isa.module import Call, Constant, Launch, Layer, Library, ModuleError, Plan, Space, Step, Tensor, Transfer
from dovetail.isa.module_check import check_array, check_module

from .context import KINDS, Context
from .device import Device, Loaded, RunResult, memory_for
from .errors import ConfigMismatch
from .functions import Arena, Functions
from .layers import layer_cycles, sections
from .timing import Timing

Array = npt.NDArray[Any]


def create(plan: Plan, library: Library, device: Device | Context | str, **settings: Any) -> Module:
    """A module on a device; use it as a context manager, or close it.

    Parameters
    ----------
    plan, library:
        What `compiler.build` or `load` gave.
    device:
        A device's name (``cpu``, ``fsim``, ``rtl``, ``timing``), what ``dovetail.rtl(0)`` and its like give, or an
        open device that stays open when the module is closed, and until then all of its memory is the module's.
    settings:
        See `open`, for a device that is opened here. Its memory is as large as needed unless they say otherwise.

    Raises
    ------
    ModuleError:
        They are no plan and no library, or do not fit each other.
    NativeError:
        The library's functions are for another processor.
    ConfigError:
        There is no such device or setting, or the module is not for such a device.
    ConfigMismatch:
        The device has another configuration; the message names the fields.
    OutOfMemory:
        The device's memory is too small or in use.
    DeviceUnavailable, isa.verify.VerificationError:
        See `open` and `Device.load`.
    """
    if not isinstance(plan, Plan) or not isinstance(library, Library):
        raise ModuleError(f"a plan and a library are needed, not {type(plan).__name__} and {type(library).__name__}")
    check_module(plan, library)
    with ExitStack() as cleanup:
        opened = _open(plan, library, device, settings)
        if opened is not None:
            if opened is not device:
                cleanup.enter_context(opened)
            opened.claim(plan.dram_bytes)
            cleanup.callback(opened.free_all)
        module = Module(plan, library, opened, owned=opened is not device)
        cleanup.pop_all()
        return module


class Module:
    """A network on a device; a context manager. Make one with `create`.

    Attributes
    ----------
    plan, library:
        What it was made of.
    device:
        Where its programs run; None when it uses the CPU only.
    results:
        How each launch of the last run went, in order.
    step_seconds:
        How long each step of the last run took.
    """

    def __init__(self, plan: Plan, library: Library, device: Device | None, *, owned: bool) -> None:
        self.plan, self.library, self.device = plan, library, device
        self.results: tuple[RunResult, ...] = ()
        self.step_seconds: tuple[float, ...] = ()
        self._owned, self._closed, self._ran, self._follows = owned, False, False, False
        self._lock = threading.Lock()
        self._host = Arena(plan.host_bytes)
        self._functions = Functions(plan, library)
        self._inputs: dict[str, Array] = {}
        self._missing = {constant.name: constant for constant in plan.constants}
        self._tensors = {tensor.name: tensor for tensor in plan.inputs}
        self._constants = {constant.name: constant for constant in plan.constants}
        loaded = []
        if device is not None:
            for number, program in enumerate(library.programs):
                loaded.append(device.load(program, sections=sections(plan, number)))
        self._steps = [self._bound(step, loaded) for step in plan.steps]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the device, or free the memory of one that was given. Harmless when the module is closed."""
        if self._closed:
            return
        self._closed = True
        if self.device is not None:
            if self._owned:
                self.device.close()
            else:
                self.device.free_all()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The operators, in the order in which they run."""
        return self.plan.layers

    @property
    def cycles(self) -> int | None:
        """Of the accelerator in the last run; None where there is no time."""
        cycles = [result.cycles for result in self.results if result.cycles is not None]
        return sum(cycles) if cycles and len(cycles) == len(self.results) else None

    def set_input(self, /, **arrays: npt.ArrayLike) -> None:
        """Set inputs and constants by name; they keep their values from run to run.

        Raises
        ------
        ModuleError:
            There is no such input or constant, its shape or type is another, or the module is closed.
        DeviceLost:
            The device is closed.
        """
        self._require_open()
        checked: list[tuple[Tensor | Constant, Array]] = []
        for name, value in arrays.items():
            place = self._tensors.get(name) or self._constants.get(name)
            if place is None:
                raise ModuleError(f"there is no input {name!r}; the inputs are {self._described()}")
            try:
                array = np.asarray(value)
            except ValueError as error:
                raise ModuleError(f"{name!r} is no array: {error}") from None
            check_array(name, array, place)
            checked.append((place, array))
        for place, array in checked:
            if isinstance(place, Tensor):
                self._inputs[place.name] = array.copy()
                continue
            if place.space is Space.HOST:
                self._host.view(place)[...] = array
            elif self.device is not None:
                self.device.write(place.offset, array)
            self._missing.pop(place.name, None)

    def run(self, /, **inputs: npt.ArrayLike) -> None:
        """Set inputs as `set_input` does, and compute all outputs.

        Raises
        ------
        ModuleError:
            See `set_input`; or an input or a constant was never set.
        DeviceFault, DeviceTimeout, DeviceLost:
            See there; the outputs are lost.
        """
        with self._lock:
            self.set_input(**inputs)
            self._require_data()
            self._ran = False
            for name, array in self._inputs.items():
                self._host.view(self._tensors[name])[...] = array
            self._follows = False
            results, seconds = [], []
            for step in self._steps:
                begin = time.perf_counter()
                result = step()
                seconds.append(time.perf_counter() - begin)
                if result is not None:
                    results.append(result)
            self.results, self.step_seconds, self._ran = tuple(results), tuple(seconds), True

    def get_output(self, output: int | str, out: Array | None = None) -> Array:
        """A copy of an output of the last run.

        Parameters
        ----------
        output:
            Its number or name.
        out:
            The array to copy to, instead of a new one.

        Raises
        ------
        ModuleError:
            There is no such output, no run was completed, or `out` is no array of its shape and type to write to.
        """
        tensor = self._output(output)
        if not self._ran:
            raise ModuleError(f"output {tensor.name!r} is not computed: run the module first")
        value = self._host.view(tensor)
        if out is None:
            return value.copy()
        if not isinstance(out, np.ndarray):
            raise ModuleError(f"'out' must be an array, not {type(out).__name__}")
        check_array("out", out, tensor)
        if not out.flags.writeable:
            raise ModuleError("'out' is read-only")
        np.copyto(out, value)
        return out

    def time_evaluator(self, number: int = 10, repeat: int = 3) -> Timing:
        """Time whole runs with the inputs that are set: `repeat` times the average of `number` runs, after one more.

        Raises
        ------
        ModuleError:
            See `run`; or `number` or `repeat` is less than 1.
        """
        if number < 1 or repeat < 1:
            raise ModuleError(f"number and repeat must be at least 1, not {number} and {repeat}")
        self.run()
        seconds = []
        for _ in range(repeat):
            begin = time.perf_counter()
            for _ in range(number):
                self.run()
            seconds.append((time.perf_counter() - begin) / number)
        return Timing(tuple(seconds), self.cycles)

    def layer_cycles(self) -> tuple[int | None, ...]:
        """For each of `layers`, the cycles that the accelerator spent on it in the last run.

        They are None for layers on the CPU, on devices without time, and, unless the device was opened with
        ``profile``, for layers that share a program with others. A layer lasts from the end of the one before to the
        end of its last instruction; together they are the program's cycles, so that the last one also has the
        program's end.
        """
        return layer_cycles(self.plan, self.results)

    def _bound(self, step: Step, loaded: list[Loaded]) -> Callable[[], RunResult | None]:
        """What does a step."""
        if isinstance(step, Call):
            return self._functions.bind(step, self._host)
        device = self.device
        assert device is not None
        if isinstance(step, Launch):
            return lambda: self._launch(device, loaded[step.program])
        return lambda: self._transfer(device, step)

    def _launch(self, device: Device, loaded: Loaded) -> RunResult:
        result = device.start(loaded, follows=self._follows)
        self._follows = True
        return result

    def _transfer(self, device: Device, step: Transfer) -> None:
        data = self._host.data[step.host : step.host + step.nbytes]
        if step.to_device:
            device.write(step.dram, data)
        else:
            device.read_into(step.dram, data)

    def _output(self, output: int | str) -> Tensor:
        for place, tensor in enumerate(self.plan.outputs):
            if output == place or output == tensor.name:
                return tensor
        known = ", ".join(f"{place} ({tensor.name})" for place, tensor in enumerate(self.plan.outputs))
        raise ModuleError(f"there is no output {output!r}; the outputs are {known}")

    def _require_data(self) -> None:
        absent = [name for name in self._tensors if name not in self._inputs]
        if absent:
            raise ModuleError(f"input {absent[0]!r} is not set; the inputs are {self._described()}")
        if self._missing:
            raise ModuleError(
                f"{len(self._missing)} of {len(self._constants)} constants are not set, {next(iter(self._missing))!r} "
                "first: call set_input(**params) with what compiler.build or load gave"
            )

    def _require_open(self) -> None:
        if self._closed:
            raise ModuleError("the module is closed; create another")

    def _described(self) -> str:
        return ", ".join(f"{item.name} {item.shape} {item.dtype}" for item in self.plan.inputs) or "none"


def _open(plan: Plan, library: Library, device: Device | Context | str, settings: dict[str, Any]) -> Device | None:
    """The device that a module runs on, opened unless it is; None for the CPU."""
    if isinstance(device, Device):
        if settings:
            raise ConfigError(f"{next(iter(settings))} cannot be set on a device that is open already")
        if plan.config is None:
            raise ConfigError("the module is for the CPU only: create it on cpu")
        differences = plan.config.differences(device.config)
        if differences:
            raise ConfigMismatch(f"the module is for another machine than the device: {'; '.join(differences)}")
        return device
    kind = (device if isinstance(device, Context) else Context(device)).kind
    if kind == "cpu":
        if plan.config is not None:
            raise ConfigError(f"the module uses the accelerator: create it on {' or '.join(KINDS[1:])}")
        if settings:
            raise ConfigError(f"{next(iter(settings))} is no setting of a CPU")
        return None
    if plan.config is None:
        raise ConfigError("the module is for the CPU only: create it on cpu")
    from . import open

    known = inspect.signature(open).parameters.keys() - {"device", "config"}
    unknown = settings.keys() - known
    if unknown:
        raise ConfigError(f"there is no setting {min(unknown)!r}; use one of {', '.join(sorted(known))}")
    settings = {"memory_bytes": memory_for(*library.programs, dram_bytes=plan.dram_bytes)} | settings
    return open(kind, config=plan.config, **settings)
