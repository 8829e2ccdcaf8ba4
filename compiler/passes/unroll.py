"""Writes out the loops of kind `UNROLLED`."""

from __future__ import annotations

import dataclasses

from dovetail.compiler.tir.expr import Const
from dovetail.compiler.tir.stmt import For, LoopKind, Program, Stmt, seq
from dovetail.compiler.tir.structure import Rewriter, renewed, substitute


def unroll(program: Program) -> Program:
    """`program` with the body of each unrolled loop written once for each iteration.

    A loop whose extent is not a number becomes serial.
    """
    return dataclasses.replace(program, body=_Unroll()(program.body))


class _Unroll(Rewriter):
    def visit_for(self, loop: For) -> Stmt:
        inner = self.rebuild(loop)
        if inner.kind is not LoopKind.UNROLLED:
            return inner
        if not isinstance(inner.extent, Const):
            return dataclasses.replace(inner, kind=LoopKind.SERIAL)
        turns = range(int(inner.extent.value))
        bodies = (substitute(inner.body, {inner.var: Const(turn, inner.var.type)}) for turn in turns)
        return seq(*(body if turn == 0 else renewed(body) for turn, body in enumerate(bodies)))
