"""Inner loops as an intrinsic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dovetail.compiler.te.intrinsic import TensorIntrinsic
from dovetail.compiler.te.stage import Split
from dovetail.compiler.te.tensor import Axis, AxisKind, ComputeOp, Reduce, Tensor, TensorRead
from dovetail.compiler.tir.expr import Const, Expr, Load, Var
from dovetail.compiler.tir.stmt import Buffer, Invoke, Operand, Stmt, seq
from dovetail.compiler.tir.structure import substitute

from .domain import Check, Domain, Loop
from .errors import TensorizeError
from .facts import is_one
from .matching import Pairs, difference, pairings
from .operands import MismatchError, indexed_by, operand

_MAX_PAIRINGS = 64


@dataclass(frozen=True)
class TensorizedNest:
    """The intrinsic and what it works on."""

    intrinsic: TensorIntrinsic
    output: Operand
    inputs: tuple[Operand, ...]
    where: str

    def compute(self, complete: bool) -> Stmt:
        """What the inner loops compute.

        Parameters
        ----------
        complete:
            They are all of the reduction, or there is none.
        """
        intrinsic = self.intrinsic
        if complete and intrinsic.whole is not None:
            return Invoke(intrinsic.whole, (self.output,), self.inputs)
        if intrinsic.update is None or intrinsic.reset is None:
            raise TensorizeError(
                f"{self.where}: loops outside of it reduce as well, but {intrinsic.name} has no reset and update; "
                f"move all reduce loops into it"
            )
        update = Invoke(intrinsic.update, (self.output,), self.inputs)
        return seq(self.reset({}), update) if complete else update

    def reset(self, renamed: Mapping[Var, Expr]) -> Stmt:
        """Sets the output to the identity of the reduction, where loops have the variables `renamed`."""
        if self.intrinsic.reset is None:
            return self.compute(complete=False)
        return substitute(Invoke(self.intrinsic.reset, (self.output,)), renamed)


def tensorized(
    domain: Domain,
    body: Expr,
    target: Load,
    element: Callable[[TensorRead], Load],
    unguarded: Sequence[Check],
) -> TensorizedNest:
    """The intrinsic that replaces a stage's inner loops.

    Parameters
    ----------
    body:
        The stage's, as it was declared.
    target:
        The element that it computes.
    element:
        What a read of it loads.
    unguarded:
        Checks that the inner loops would need.

    Raises
    ------
    TensorizeError:
        The loops compute something else: which loop, buffer, type or extent differs, and how.
    """
    stage = domain.stage
    assert stage.tensorized is not None
    start, intrinsic = stage.tensorized
    where = f"{stage.name}.tensorize({start}, {intrinsic.name})"
    loops = domain.loops[stage.leaves.index(start) :]
    for check in unguarded:
        raise TensorizeError(f"{where}: {_imperfection(domain, check)}")
    for loop in loops:
        if not isinstance(loop.extent, Const):
            raise TensorizeError(f"{where}: loop {loop.leaf} has the extent {loop.extent}, which is not a number")
    matcher = _Matcher(intrinsic, where, domain, loops, target, element)
    reasons: list[str] = []
    for number, pairs in enumerate(pairings(_source(intrinsic, body, where), _source_of(body))):
        if number == _MAX_PAIRINGS:
            break
        try:
            return matcher.match(pairs)
        except MismatchError as mismatch:
            reasons.append(str(mismatch))
    if not reasons:
        assert isinstance(intrinsic.output.op, ComputeOp)
        reasons = [difference(_source_of(intrinsic.output.op.body), _source_of(body), operand_names(intrinsic))]
    raise TensorizeError(f"{where}: {reasons[0]}")


def _imperfection(domain: Domain, check: Check) -> str:
    """Why the tiles of an axis are not all whole."""
    split = domain.parents.get(check.axis)
    if not isinstance(split, Split):
        return (
            f"{check.axis} has the extent {check.limit}, which is not a number; split it by the tile's "
            f"extent, and pad the tensor to a multiple of that"
        )
    return (
        f"{check.axis} has the extent {check.limit}, which is no multiple of {split.factor}, that of {split.inner}; "
        f"pad it to one, or split by a factor that divides it"
    )


def _source_of(body: Expr) -> Expr:
    return body.source if isinstance(body, Reduce) else body


def _source(intrinsic: TensorIntrinsic, body: Expr, where: str) -> Expr:
    """The intrinsic's expression below its reduction, which must be the same as that of `body`."""
    assert isinstance(intrinsic.output.op, ComputeOp)
    pattern = intrinsic.output.op.body
    one, other = _reduction(body), _reduction(pattern)
    if one != other:
        raise TensorizeError(f"{where}: the stage {one}, the intrinsic {other}")
    return _source_of(pattern)


def _reduction(body: Expr) -> str:
    if isinstance(body, Reduce):
        return f"reduces by {body.op.value} of {body.dtype} from {body.identity} on"
    return "does not reduce"


def operand_names(intrinsic: TensorIntrinsic) -> dict[Tensor, str]:
    """How messages call an intrinsic's operands."""
    tensors = (intrinsic.output, *intrinsic.inputs)
    return {tensor: f"operand {tensor.name}" for tensor in tensors}


@dataclass(frozen=True)
class _Matcher:
    intrinsic: TensorIntrinsic
    where: str
    domain: Domain
    loops: Sequence[Loop]
    target: Load
    element: Callable[[TensorRead], Load]

    def match(self, pairs: Pairs) -> TensorizedNest:
        """The nest, if some assignment of loops to axes makes every operand fit.

        Raises
        ------
        MismatchError:
            None does.
        """
        elements = {self.intrinsic.output: self.target}
        indices: dict[Tensor, tuple[Axis, ...]] = {self.intrinsic.output: self._op.axis}
        for pattern, read in pairs.items():
            element = self.element(read)
            if elements.setdefault(pattern.tensor, element) != element:
                raise MismatchError(f"operand {pattern.tensor.name} would be two elements of {read.tensor.name}")
            axes = self._axes_of(pattern)
            if indices.setdefault(pattern.tensor, axes) != axes:
                raise MismatchError(f"{self.intrinsic.name} reads {pattern.tensor.name} in two ways")
        if self._op.dtype != self.target.dtype:
            raise MismatchError(
                f"{self.target.buffer.name} is {self.target.dtype}, operand {self._op.name} {self._op.dtype}"
            )
        for tensor, element in elements.items():
            self._check_scope(tensor, element.buffer)
        numbers = {
            loop.var: loop.extent
            for loop in self.loops
            if loop.var is not None and isinstance(loop.extent, Const) and not is_one(loop.extent)
        }
        first: MismatchError | None = None
        for assigned in self._assignments(elements, indices, numbers):
            try:
                operands = {
                    tensor: operand(element, indices[tensor], assigned, numbers, self.domain.facts)
                    for tensor, element in elements.items()
                }
            except MismatchError as mismatch:
                first = first or mismatch
                continue
            inputs = tuple(operands[tensor] for tensor in self.intrinsic.inputs)
            return TensorizedNest(self.intrinsic, operands[self.intrinsic.output], inputs, self.where)
        raise first or MismatchError("no loop is left to be an axis of the intrinsic")

    @property
    def _op(self) -> ComputeOp:
        assert isinstance(self.intrinsic.output.op, ComputeOp)
        return self.intrinsic.output.op

    def _axes_of(self, pattern: TensorRead) -> tuple[Axis, ...]:
        axes = {axis.var: axis for axis in (*self._op.axis, *self._op.reduce_axis)}
        found = [axes[index] for index in pattern.indices if isinstance(index, Var) and index in axes]
        if len(found) != len(pattern.indices):
            raise MismatchError(
                f"{self.intrinsic.name} reads {pattern.tensor.name} at {pattern}; only plain axes can be matched"
            )
        return tuple(found)

    def _check_scope(self, tensor: Tensor, buffer: Buffer) -> None:
        allowed = self.intrinsic.scopes.get(tensor)
        if allowed is not None and buffer.scope not in allowed:
            raise MismatchError(
                f"{buffer.name} lies in {buffer.scope}, operand {tensor.name} in {' or '.join(allowed)}"
            )

    def _assignments(
        self,
        elements: Mapping[Tensor, Load],
        indices: Mapping[Tensor, tuple[Axis, ...]],
        extents: Mapping[Var, Const],
    ) -> Iterator[dict[Axis, Var | None]]:
        """Loops for the intrinsic's axes: of the same kind and extent, and used by the same operands."""
        uses = {tensor: indexed_by(element, extents) for tensor, element in elements.items()}
        kinds = {loop.var: loop.leaf.kind for loop in self.loops if loop.var is not None}
        axes = (*self._op.axis, *self._op.reduce_axis)
        candidates: dict[Axis, list[Var | None]] = {}
        for axis in axes:
            users = {tensor for tensor in elements if axis in indices[tensor]}
            similar = [
                var
                for var in extents
                if kinds[var] is axis.kind and {tensor for tensor in elements if var in uses[tensor]} == users
            ]
            candidates[axis] = [var for var in similar if extents[var] == axis.extent]
            if axis.extent == Const(1):
                candidates[axis].append(None)
            if not candidates[axis]:
                raise MismatchError(self._missing(axis, similar, extents, users))
        complete = False
        for choice in _choices(list(axes), candidates, {}):
            left = [var for var in extents if var not in choice.values()]
            complete = complete or not left
            if not left:
                yield choice
        if not complete:
            raise MismatchError(self._left_over(candidates, extents, kinds))

    def _missing(self, axis: Axis, similar: Sequence[Var], extents: Mapping[Var, Const], users: set[Tensor]) -> str:
        kind = "reduce axis" if axis.kind is AxisKind.REDUCE else "axis"
        wanted = f"{kind} {axis} of {self.intrinsic.name}"
        if similar:
            return f"loop {similar[0]} has the extent {extents[similar[0]]}, {wanted} {axis.extent}"
        names = " and ".join(
            tensor.name for tensor in (*self.intrinsic.inputs, self.intrinsic.output) if tensor in users
        )
        loops = ", ".join(f"{loop.leaf} ({loop.extent})" for loop in self.loops)
        return f"no loop is {wanted}, of extent {axis.extent}, which indexes {names} alone; the loops are {loops}"

    def _left_over(
        self, candidates: Mapping[Axis, list[Var | None]], extents: Mapping[Var, Const], kinds: Mapping[Var, AxisKind]
    ) -> str:
        taken = {var for choices in candidates.values() for var in choices}
        left = next((var for var in extents if var not in taken), next(iter(extents)))
        return (
            f"loop {left} (a {kinds[left].value} loop of extent {extents[left]}) is no axis of {self.intrinsic.name}; "
            f"reorder it outwards"
        )


def _choices(
    axes: Sequence[Axis], candidates: Mapping[Axis, Sequence[Var | None]], chosen: dict[Axis, Var | None]
) -> Iterator[dict[Axis, Var | None]]:
    if not axes:
        yield chosen
        return
    for var in candidates[axes[0]]:
        if var is None or var not in chosen.values():
            yield from _choices(axes[1:], candidates, {**chosen, axes[0]: var})
