"""Distances in time that the model takes from the machine, measured on its RTL."""

from __future__ import annotations

START = 40
"""Cycles from the start of a program to the first request of the load unit."""
TOKEN = 8
"""Cycles from the end of a unit's work to the start of its neighbour's that waits for it."""
ISSUE = 2
"""Cycles that an instruction takes of its unit beside its work."""
ANSWER = 14
"""Cycles of a write or a parameter read beside the memory's latency and the data."""
BURST = 8
"""Cycles from a burst's last data to the next one's request, when all that may be are in flight."""
QUEUE = 0.4
"""Of the data that loads ask for at once, the share that a read of parameters waits for while they do."""
