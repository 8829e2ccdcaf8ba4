"""Which code this machine's processor can run."""

from __future__ import annotations

from functools import lru_cache

import llvmlite.binding as llvm

from ..module import Processor
from .errors import NativeError

_LEVEL_2 = ("cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3")
_LEVEL_3 = (*_LEVEL_2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave")
_LEVEL_4 = (*_LEVEL_3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
LEVELS = {"x86-64": (), "x86-64-v2": _LEVEL_2, "x86-64-v3": _LEVEL_3, "x86-64-v4": _LEVEL_4}
"""Features that names of processors stand for: the levels of the System V ABI's x86-64 supplement, 3.1.1."""


@lru_cache(maxsize=1)
def host() -> Processor:
    """This machine's processor."""
    features = tuple(llvm.get_host_cpu_features().flatten().split(","))
    return Processor(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)


def host_machine() -> llvm.TargetMachine:
    """LLVM's code generator for this machine's processor; position-independent."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine, features = host(), ",".join(host().features)
    return llvm.Target.from_triple(machine.triple).create_target_machine(
        cpu=machine.name, features=features, opt=3, reloc="pic", codemodel="default"
    )


def require_processor(processor: Processor) -> None:
    """Refuse code for a processor that this machine's does not stand in for.

    Raises
    ------
    NativeError:
        It has another architecture or system, or features that are missing here; the message names them.
    """
    here = host()
    wanted, own = _platform(processor.triple), _platform(here.triple)
    if wanted != own:
        raise NativeError(f"the code is for {processor.triple}; this machine is {here.triple}: build it for this one")
    required = {feature[1:] for feature in processor.features if feature.startswith("+")}
    required.update(LEVELS.get(processor.name, ()))
    missing = sorted(required - {feature[1:] for feature in here.features if feature.startswith("+")})
    if missing:
        raise NativeError(
            f"the code is for {processor.name} and needs {', '.join(missing)}, which this processor ({here.name}) "
            "lacks: build it for this one"
        )
    if processor.name not in LEVELS and not processor.features and processor.name not in (here.name, "generic"):
        raise NativeError(
            f"the code is for {processor.name}, and nothing says which features that takes; this processor is "
            f"{here.name}: build it for this one"
        )


def _platform(triple: str) -> tuple[str, str]:
    """Architecture and operating system of a triple ``architecture-vendor-system-environment``."""
    parts = triple.split("-")
    return parts[0], parts[2] if len(parts) > 2 else ""
