"""Which unit executes what."""

from __future__ import annotations

from dovetail.compiler.passes.assign_units import assign_units
from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import Buffer, Copy, Invoke, Program, seq
from dovetail.compiler.vdla import ACC_BUFFER
from dovetail.compiler.vdla.primitives import fill, requantise
from dovetail.isa.instructions import Unit
from tests.compiler.passes.unit_programs import allocate, on_chip, operand, whole


def test_loads_go_to_load_stores_to_store_and_primitives_to_the_unit_that_they_name() -> None:
    a, c, e = (Buffer(name, (Const(8),), "int8") for name in "ACE")
    al, cl = on_chip("AL", 8), on_chip("CL", 8, scope=ACC_BUFFER)
    body = seq(
        Copy(whole(al), whole(a)),
        Invoke(fill(), (operand(cl),)),
        Copy(whole(c), whole(cl)),
        Invoke(requantise(("acc",)), (operand(c),), (operand(cl),)),
        Copy(whole(e), whole(a)),
        Copy(whole(a), whole(al), unit=Unit.COMPUTE),
    )
    program = assign_units(Program("main", (a, c, e), allocate([al, cl], body)))
    assert str(program).splitlines()[2:] == [
        "ld.dma_copy2d(AL, A)",
        "ex.fill_zero(CL)",
        "st.dma_copy2d(C, CL)",
        "st.requantise(C, CL)",
        "vdla.dma_copy2d(E, A)",
        "ex.dma_copy2d(A, AL)",
    ]
    assert assign_units(program) == program
