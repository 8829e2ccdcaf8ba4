"""A program's time burst by burst and instruction by instruction: an estimate, hundreds of times faster than the RTL.

Each unit goes through its instructions in order. When one begins follows from when others ended: dispatch, tokens,
places in queues. Only on the memory's bus does it matter who comes first, so that the unit whose next burst is the
earliest always goes next. Delays between the stages are those of the RTL; what is not followed cycle by cycle is how
reads and writes take turns on the bus, and who waits for a port of the accumulators.
"""

from .model import estimate

__all__ = ["estimate"]
"""The cycle in which all is done."""
