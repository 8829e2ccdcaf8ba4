"""The passes of each target, in order, by the names of the stages that they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dovetail.compiler.tir.stmt import Program

Pass = Callable[[Program], Program]
Stages = Mapping[str, tuple[Pass, ...]]


def generic_stages() -> Stages:
    """The first stages of every target: what `print` shows of a lowered program."""
    from dovetail.compiler.passes.drop_unit_axes import drop_unit_axes
    from dovetail.compiler.passes.simplify import simplify
    from dovetail.compiler.passes.threads import insert_barriers

    return {"simplified": (simplify, drop_unit_axes), "barriers": (insert_barriers,)}


def cpu_stages() -> Stages:
    """From a lowered program to one that the LLVM code generator takes."""
    from dovetail.compiler.passes.vectorize import vectorize

    return {**generic_stages(), "vectors": (vectorize,)}


def accelerator_stages() -> Stages:
    """From a lowered program to one that the accelerator's code generator takes."""
    from dovetail.compiler.passes.assign_units import assign_units
    from dovetail.compiler.passes.inject_copies import inject_copies
    from dovetail.compiler.passes.insert_tokens import insert_tokens
    from dovetail.compiler.passes.lower_vthreads import lower_vthreads
    from dovetail.compiler.passes.map_vectors import map_vectors
    from dovetail.compiler.passes.ring_buffers import ring_buffers
    from dovetail.compiler.passes.simplify import simplify

    return {
        **generic_stages(),
        "copies": (inject_copies,),
        "vectors": (map_vectors,),
        "units": (assign_units,),
        "rings": (ring_buffers,),
        "tokens": (insert_tokens,),
        "threads": (lower_vthreads, simplify),
    }


def run_stages(program: Program, stages: Stages) -> Iterator[tuple[str, Program]]:
    """The name of each stage and the program after it."""
    for name, passes in stages.items():
        for one in passes:
            program = one(program)
        yield name, program


def run_all(program: Program, stages: Stages) -> Program:
    """The program after the last stage."""
    *_, (_, last) = [("", program), *run_stages(program, stages)]
    return last
