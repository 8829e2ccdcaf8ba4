"""`lower` and `build`: from a schedule to a program that prints, and to a function that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.codegen.llvm.arguments import Arguments
from dovetail.compiler.lower.lowering import lower as lower_schedule
from dovetail.compiler.pipeline import accelerator_stages, cpu_stages, generic_stages, run_all, run_stages
from dovetail.compiler.tir.stmt import Buffer, Program
from dovetail.compiler.tir.structure import allocated
from dovetail.compiler.vdla import ACC_BUFFER, ON_CHIP
from dovetail.target import LlvmTarget, Target, TargetError, VdlaTarget, resolve

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
    TypeError:
        There is no schedule, or one of `args` is no tensor.
    LoweringError, TensorizeError:
        See `compiler.lower.lowering.lower`.
    BarrierError:
        Threads would need a barrier that not all of them reach.
    MappingError:
        A memory on the accelerator is filled in a way that it cannot be.
    """
    program = _lowered(schedule, args, name)
    if uses_accelerator(program):
        return next(shown for stage, shown in run_stages(program, accelerator_stages()) if stage == SHOWN)
    return run_all(program, generic_stages())


def uses_accelerator(program: Program) -> bool:
    """Some of its memory is on the accelerator."""
    return any(_on_accelerator(program))


def _on_accelerator(program: Program) -> Iterator[Buffer]:
    return (buffer for buffer in allocated(program.body) if buffer.scope in ON_CHIP)


def _lowered(schedule: object, args: object, name: str) -> Program:
    from dovetail.compiler.te import Schedule, Tensor

    if not isinstance(schedule, Schedule):
        raise TypeError(f"what create_schedule makes is needed, not {type(schedule).__name__}")
    if not isinstance(args, Sequence):
        raise TypeError(f"args is the list of tensors that the caller gives and gets, not {type(args).__name__}")
    for place, arg in enumerate(args, start=1):
        if not isinstance(arg, Tensor):
            kind = type(arg).__name__
            raise TypeError(f"args are the tensors that the caller gives and gets; number {place} is of type {kind}")
    return lower_schedule(schedule, args, name)


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
        There is no such target, or it cannot run such programs: its memories are others, or it needs constant sizes.
    LoweringError, TensorizeError, BarrierError, MappingError, CodegenError:
        The schedule cannot be lowered, or the program does not fit the target.
    """
    chosen = resolve(target)
    program = _lowered(schedule, args, name)
    alien = next(_on_accelerator(program), None)
    if isinstance(chosen, LlvmTarget):
        if alien is not None:
            raise TargetError(
                f"{alien.name} lies in {alien.scope}, which the accelerator has and a CPU has not; "
                f"build for vdla:CONFIG, or leave that scope out"
            )
        from dovetail.compiler.codegen.llvm.module import compile_program

        return compile_program(run_all(program, cpu_stages()), threads=chosen.threads)
    if program.sizes:
        sizes = ", ".join(size.name for size in program.sizes)
        raise TargetError(
            f"{program.name} has symbolic sizes ({sizes}), but a program for the accelerator has none; "
            f"declare tensors with numbers"
        )
    if alien is None:
        raise TargetError(
            f"{program.name} uses no memory of the accelerator, which computes in {ACC_BUFFER}; "
            f"put stages there with cache_read, cache_write and tensorize, or build for llvm"
        )
    return AcceleratorFunction(program, chosen)


class AcceleratorFunction:
    """A program for the accelerator as a function. Each call opens the device and closes it.

    Attributes
    ----------
    module:
        What was compiled.
    target:
        Where it runs.
    """

    def __init__(self, program: Program, target: VdlaTarget) -> None:
        self.module: VdlaModule = compile_for_accelerator(program, target.config)
        self.target = target
        self._arguments = Arguments(program)

    def __call__(self, *arrays: Array) -> None:
        """Run on C-contiguous arrays.

        Raises
        ------
        ArgumentError:
            There are too many or too few arrays, one has another dtype or shape, is not contiguous, or shares memory
            with an output.
        DeviceError:
            See `runtime.open` and `Device.run`.
        """
        from dovetail import runtime
        from dovetail.runtime.device import memory_for

        self._arguments.bind(arrays)
        segments = self.module.bind(arrays)
        target, program = self.target, self.module.program
        with runtime.open(
            target.device,
            config=target.config,
            latency=target.latency,
            bytes_per_cycle=target.bytes_per_cycle,
            memory_bytes=memory_for(program),
            checks=target.checks,
        ) as device:
            for segment in segments:
                device.write(segment.address, segment.data)
            device.run(program)
            for argument, array in zip(self.module.arguments, arrays, strict=True):
                if argument in self.module.outputs:
                    assert argument.address is not None
                    data = device.read(argument.address, argument.layout.nbytes)
                    np.copyto(array, self.module.unpack(argument, data))
