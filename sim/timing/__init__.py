"""The machine's time without its values: how many cycles a program takes.

Each unit is stepped cycle by cycle as its RTL is, with counters in place of data, compiled by Numba. Sizes, depths and
stages are those of the RTL. What a value decides is only where accumulators are: micro-ops are read, nothing else.
"""

from .machine import Prediction, TimingSimulator

__all__ = ["Prediction", "TimingSimulator"]
