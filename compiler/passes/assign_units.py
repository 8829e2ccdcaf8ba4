"""Decide which unit of the accelerator executes each statement."""

from __future__ import annotations

from dataclasses import replace

from dovetail.compiler.tir.stmt import GLOBAL, Copy, Invoke, Program
from dovetail.compiler.tir.structure import Node, transform
from dovetail.isa.instructions import Unit


def assign_units(program: Program) -> Program:
    """Copies to a memory on the chip go to load, copies from one to store, primitives to the unit that they name."""

    def change(node: Node) -> Node | None:
        match node:
            case Copy(unit=None) if node.dst.buffer.scope != GLOBAL:
                return replace(node, unit=Unit.LOAD)
            case Copy(unit=None) if node.src.buffer.scope != GLOBAL:
                return replace(node, unit=Unit.STORE)
            case Invoke(unit=None):
                return replace(node, unit=node.primitive.unit)
        return None

    return transform(program, change)
