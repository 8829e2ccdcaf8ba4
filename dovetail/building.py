"""`lower` and `build`: from a schedule to a program that prints, and to a function that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.lower.lowering import lower as lower_schedule
from dovetail.compiler.pipeline import accelerator_stages, cpu_stages, generic_stages, run_all, run_stages
from dovetail.compiler.tir.stmt import Program
from dovetail.compiler.tir.structure import allocated
from dovetail.compiler.vdla import ON_CHIP
from dovetail.target import LlvmTarget, Target, VdlaTarget, resolve

if TYPE_CHECKING:
    from dovetail.compiler.codegen.vdla.module import VdlaModule
    from dovetail.compiler.te import Schedule, Tensor
    from dovetail.isa.config import Config

Array = NDArray[Any]
SHOWN = "copies"
"""The stage that `lower` goes to with programs for the accelerator: its copies and tensor instructions are in place."""


def lower(schedule: Schedule, args: Sequence[Tensor], *, name: str = "main") -> Program:
    """The simplified loop program of a schedule, with barriers among threads; `print` shows it.

    Parameters
    ----------
    args:
        Tensors that the caller gives and gets, in the order of the call.

    Raises
    ------
    LoweringError, TensorizeError:
        See `compiler.lower.lowering.lower`.
    BarrierError:
        Threads would need a barrier that not all of them reach.
    MappingError:
        A memory on the accelerator is filled in a way that it cannot be.
    """
    program = lower_schedule(schedule, args, name)
    if uses_accelerator(program):
        return next(shown for stage, shown in run_stages(program, accelerator_stages()) if stage == SHOWN)
    return run_all(program, generic_stages())


def uses_accelerator(program: Program) -> bool:
    """Some of its memory is on the accelerator."""
    return any(buffer.scope in ON_CHIP for buffer in allocated(program.body))


def compile_for_accelerator(program: Program, config: Config) -> VdlaModule:
    """A lowered program as a program for the machine.

    Raises
    ------
    CodegenError:
        It does not fit the machine.
    """
    from dovetail.compiler.codegen.vdla.module import compile_program

    return compile_program(run_all(program, accelerator_stages()), config)


def build(
    schedule: Schedule, args: Sequence[Tensor], target: str | Target = "llvm", *, name: str = "main"
) -> Callable[..., None]:
    """A function of NumPy arrays, row-major, one for each of `args`; it overwrites those that are outputs.

    Parameters
    ----------
    target:
        ``llvm``, a device's name such as ``fsim``, ``vdla:CONFIG``, or what `dovetail.target` makes.

    Raises
    ------
    TargetError:
        There is no such target.
    LoweringError, TensorizeError, CodegenError:
        The schedule cannot be lowered, or the program does not fit the target.
    """
    chosen = resolve(target)
    program = lower_schedule(schedule, args, name)
    if isinstance(chosen, LlvmTarget):
        from dovetail.compiler.codegen.llvm.module import compile_program

        return compile_program(run_all(program, cpu_stages()), threads=chosen.threads)
    return AcceleratorFunction(compile_for_accelerator(program, chosen.config), chosen)


class AcceleratorFunction:
    """A program for the accelerator as a function. Each call opens the device and closes it."""

    def __init__(self, module: VdlaModule, target: VdlaTarget) -> None:
        self.module, self.target = module, target

    def __call__(self, *arrays: Array) -> None:
        """Run on row-major arrays.

        Raises
        ------
        CodegenError:
            There are too many or too few, or one has another shape or dtype.
        DeviceError:
            See `runtime.open` and `Device.run`.
        """
        from dovetail import runtime
        from dovetail.job import memory_bytes

        segments = self.module.bind(arrays)
        target, program = self.target, self.module.program
        with runtime.open(
            target.device,
            config=target.config,
            latency=target.latency,
            bytes_per_cycle=target.bytes_per_cycle,
            memory_bytes=memory_bytes(program),
        ) as device:
            for segment in segments:
                device.write(segment.address, segment.data)
            device.run(program)
            for argument, array in zip(self.module.arguments, arrays, strict=True):
                if argument in self.module.outputs:
                    assert argument.address is not None
                    data = device.read(argument.address, argument.layout.nbytes)
                    np.copyto(array, self.module.unpack(argument, data))
