"""The device server: runs inside the simulator as a cocotb test, and starts one script for every byte that it is sent.

Scripts and results lie in the shared page (`control.Control`). While the server waits for its client, simulated time
stands still. When the client closes its end, the simulation ends.
"""

from __future__ import annotations

import os
import socket

import cocotb
from cocotb.handle import HierarchyObject, LogicObject
from cocotb.triggers import ValueChange

from dovetail.sim.rtl.control import SOCKET_VARIABLE


@cocotb.test()
async def serve(dut: HierarchyObject) -> None:
    """Serve until the client is gone."""
    with socket.socket(fileno=int(os.environ[SOCKET_VARIABLE])) as client:
        go, done = dut.go, dut.done
        assert isinstance(go, LogicObject) and isinstance(done, LogicObject)
        begun = 0
        client.sendall(b"\0")
        while client.recv(1):
            begun ^= 1
            go.value = begun
            await ValueChange(done)
            client.sendall(b"\0")
