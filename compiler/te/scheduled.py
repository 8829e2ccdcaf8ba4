"""The stage that ``s[T]`` gives: its methods are steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .intrinsic import TensorIntrinsic
from .stage import Stage
from .tensor import Axis, ComputeOp

if TYPE_CHECKING:
    from .schedule import Schedule, StageLike


class ScheduledStage:
    """A stage of a schedule.

    Every method is a step; it raises `ScheduleError` if the stage cannot take it, with the axis and the reason.

    Attributes
    ----------
    stage:
        Its state, for reading.
    """

    def __init__(self, schedule: Schedule, stage: Stage) -> None:
        self._schedule = schedule
        self.stage = stage

    @property
    def op(self) -> ComputeOp:
        """What is computed now; ``op.axis`` and ``op.reduce_axis`` are the axes to begin with."""
        return self.stage.op

    @property
    def leaves(self) -> tuple[Axis, ...]:
        """The loops, outermost first."""
        return tuple(self.stage.leaves)

    def split(
        self, axis: Axis, factor: int | None = None, nparts: int | None = None, first: int | None = None
    ) -> tuple[Axis, Axis]:
        """Makes an outer loop over tiles of `axis`, and an inner one over a tile.

        Parameters
        ----------
        factor:
            Extent of the inner loop. It need not divide: the last tile is smaller then.
        nparts:
            Instead of `factor`: as few tiles as there are with ``factor = ceil(extent / nparts)``, at most `nparts`.
        first:
            Extent of the first tile, if it is to be smaller than the others.

        Returns
        -------
        The outer axis and the inner one, named after `axis` with an o or an i.
        """
        return self._perform("split", axis, factor, nparts, first)  # type: ignore[no-any-return]

    def tile(self, *axes_and_factors: Axis | int) -> tuple[Axis, ...]:
        """Splits any number of axes: ``tile(y, x, 8, 4)``.

        Returns
        -------
        All outer axes, then all inner ones. So are the loops, where the outermost of the axes was.
        """
        return self._perform("tile", *axes_and_factors)  # type: ignore[no-any-return]

    def fuse(self, *axes: Axis) -> Axis:
        """Makes one loop of neighbouring ones, given outermost first; all of data, or all of reduce axes."""
        return self._perform("fuse", *axes)  # type: ignore[no-any-return]

    def reorder(self, *axes: Axis) -> None:
        """Puts loops in the given order, in the places that they have together; all others stay."""
        self._perform("reorder", *axes)

    def vectorize(self, axis: Axis) -> None:
        """Executes a data loop of constant extent as lanes of vectors."""
        self._perform("vectorize", axis)

    def parallel(self, axis: Axis) -> None:
        """Executes a data loop by several threads, in any order."""
        self._perform("parallel", axis)

    def unroll(self, axis: Axis) -> None:
        """Writes out a loop of constant extent."""
        self._perform("unroll", axis)

    def bind(self, axis: Axis, thread: Axis) -> None:
        """Executes a data loop as the threads of a `thread_axis`, of the same extent if it has one."""
        self._perform("bind", axis, thread)

    def pragma(self, axis: Axis, key: str, value: bool | int | float | str = True) -> None:
        """Says something of a loop that only code generators understand."""
        self._perform("pragma", axis, key, value)

    def compute_at(self, target: StageLike, axis: Axis) -> None:
        """Computes, in the body of the loop `axis` of `target`, what is read there of this stage.

        All that reads this stage must be computed inside of that loop.
        """
        self._perform("compute_at", self._schedule.stage_of(target), axis)

    def compute_root(self) -> None:
        """Computes the stage in loops of its own, which is the default."""
        self._perform("compute_root")

    def compute_inline(self) -> None:
        """Computes the stage's elements wherever they are read; it is neither a reduction nor an output."""
        self._perform("compute_inline")

    def compute_whole(self, axis: Axis) -> None:
        """Computes an axis of the tensor from end to end, even where less is read: all tiles along it are full."""
        self._perform("compute_whole", axis)

    def set_scope(self, scope: str) -> None:
        """Puts the stage's result into a memory: ``global``, ``local``, ``shared`` or one of the target's."""
        self._perform("set_scope", scope)

    def ring_buffer(self, copies: int) -> None:
        """Gives the result's buffer copies that are used in turn, so that one is filled while another is read."""
        self._perform("ring_buffer", copies)

    def tensorize(self, axis: Axis, intrinsic: TensorIntrinsic) -> None:
        """Replaces the loop `axis` and all inside of it by an intrinsic; lowering checks that it computes the same."""
        self._perform("tensorize", axis, intrinsic)

    def __str__(self) -> str:
        return f"stage {self.stage.name}"

    def _perform(self, step: str, *args: Any) -> Any:
        return self._schedule.perform(step, self.stage, *args)
