"""Commands that compile take recorded schedules, and say so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .console import note


@contextmanager
def recorded_schedules(untuned: bool) -> Iterator[None]:
    """Within, what is compiled takes the best schedules that were recorded; at the end a note says how many.

    Parameters
    ----------
    untuned:
        Take none.
    """
    if untuned:
        yield
        return
    from dovetail.compiler.tune.records import default_path
    from dovetail.tuning.recorded import recorded_schedules

    with recorded_schedules() as lookup:
        try:
            yield
        finally:
            if lookup.taken:
                count = len(lookup.taken)
                what = "one schedule is" if count == 1 else f"{count} schedules are"
                note(f"{what} taken from {default_path()}; --untuned leaves the choice to the model")
