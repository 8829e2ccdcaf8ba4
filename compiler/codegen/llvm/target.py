"""Processors to compile for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import llvmlite.binding as llvm

from dovetail.isa.native import processor

from .errors import CodegenError


@dataclass(frozen=True)
class CpuTarget:
    """A processor, as LLVM names it.

    Attributes
    ----------
    features:
        LLVM's names of instruction set extensions, each with a sign: ``+avx512f``.
    vector_bits:
        The width of vectors to prefer.
    """

    name: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()
    vector_bits: int = 128

    @property
    def is_host(self) -> bool:
        return self.name == "host"

    def has(self, feature: str) -> bool:
        return f"+{feature}" in self.features

    @property
    def attributes(self) -> str:
        """The attributes of every function."""
        return f'nounwind "prefer-vector-width"="{self.vector_bits}"'

    def machine(self) -> llvm.TargetMachine:
        """LLVM's code generator for it; position-independent."""
        if self.is_host:
            return processor.host_machine()
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        features = ",".join(self.features)
        options = {"abiname": "lp64d"} if self.triple.startswith("riscv64") else {}
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=features, opt=3, reloc="pic", codemodel="default", **options
        )


@lru_cache(maxsize=1)
def host() -> CpuTarget:
    """This machine's processor."""
    own = processor.host()
    wide = {"+avx512f": 512, "+avx2": 256}
    bits = next((bits for feature, bits in wide.items() if feature in own.features), 128)
    return CpuTarget("host", own.triple, own.name, own.features, bits)


TARGETS = {
    "x86-64": CpuTarget("x86-64", "x86_64-unknown-linux-gnu", "x86-64-v3", (), 256),
    "aarch64": CpuTarget("aarch64", "aarch64-unknown-linux-gnu", "generic", ("+neon", "+dotprod")),
    "riscv64": CpuTarget("riscv64", "riscv64-unknown-linux-gnu", "generic-rv64", ("+m", "+a", "+f", "+d", "+c")),
}
"""Processors for which objects can be emitted on any machine, by name."""


def resolve(target: str | CpuTarget) -> CpuTarget:
    """The processor called `target`: ``host`` or one of `TARGETS`.

    Raises
    ------
    CodegenError:
        There is none of that name.
    """
    if isinstance(target, CpuTarget):
        return target
    if target == "host":
        return host()
    if target not in TARGETS:
        raise CodegenError(f"no CPU target {target!r}; use one of host, {', '.join(TARGETS)}")
    return TARGETS[target]
