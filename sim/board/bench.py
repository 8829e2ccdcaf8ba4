"""Runs inside the simulator as a cocotb test: says that it has begun, and keeps the statistics."""

from __future__ import annotations

import os
import socket

import cocotb
from cocotb.handle import HierarchyObject, LogicObject
from cocotb.triggers import ValueChange
from cocotb.utils import get_sim_time

from dovetail.sim.board.statistics import COUNTERS, STATISTICS_VARIABLE, Statistics
from dovetail.sim.rtl.control import SOCKET_VARIABLE


@cocotb.test()
async def watch(dut: HierarchyObject) -> None:
    """Watch until the simulation ends: a rule is violated, or the client is gone."""
    file = int(os.environ[STATISTICS_VARIABLE])
    due = dut.due
    assert isinstance(due, LogicObject)
    with socket.socket(fileno=int(os.environ[SOCKET_VARIABLE])) as client:
        client.sendall(b"\0")
        while True:
            await ValueChange(due)
            counts = {name: int(getattr(dut, name).value) for name in COUNTERS}
            Statistics(nanoseconds=round(get_sim_time("ns")), **counts).save(file)
