"""What the host in the simulator does in a script, done from here through a board's registers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from dovetail.isa.progress import Progress
from dovetail.isa.registers import Control, Counter, Register, Status, counter_address
from dovetail.runtime.errors import DeviceLost, DeviceTimeout
from dovetail.sim.rtl.control import Step

from .connection import Connection

FIRST_POLL_SECONDS = 0.0005
LAST_POLL_SECONDS = 0.02
"""From poll to poll the pause becomes longer."""
REPORT_SECONDS = 0.2
"""Between two reports of progress."""
REST_SECONDS = 2.0
"""A machine comes to rest in far less, if its memory answers."""
REST_ROUND_TRIPS = 20


class RegisterHost:
    """Does the steps of `run_program` on a board; see `sim.rtl.machine.Host`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run_script(
        self,
        steps: Sequence[tuple[Step, int, int]],
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> list[int]:
        """Do steps (kind, address, value) and return the result of each.

        Parameters
        ----------
        timeout:
            Seconds that the machine may take.

        Raises
        ------
        DeviceTimeout:
            It takes longer; it was brought to rest.
        DeviceLost:
            The board is gone, or does not come to rest.
        """
        return [self._step(*step, timeout, progress) for step in steps]

    def rest(self) -> None:
        """Stop what runs, so that the machine is idle. Raises `DeviceLost` when it does not become so."""
        self._connection.write_register(Register.CONTROL, Control.RESET)
        end = time.monotonic() + self._rest_seconds
        while (status := self._status()) is not Status.IDLE:
            if time.monotonic() > end:
                raise DeviceLost(
                    f"{self._connection.name}: the machine does not come to rest, it is {status.name.lower()}: "
                    "program the board again"
                )
            time.sleep(LAST_POLL_SECONDS)

    def require_rest(self) -> None:
        """`rest`, unless the machine is idle."""
        if self._status() is not Status.IDLE:
            self.rest()

    def _step(self, step: Step, address: int, value: int, timeout: float | None, progress: Progress | None) -> int:
        match step:
            case Step.WRITE:
                self._connection.write_register(address, value)
                return 0
            case Step.READ:
                return self._connection.read_register(address)
            case Step.RESET:
                self.rest()
                return 0
            case Step.WAIT:
                try:
                    self._wait(timeout, progress)
                except DeviceLost:
                    raise
                except BaseException:
                    with contextlib.suppress(DeviceLost):
                        self.rest()
                    raise
                return 0
        raise ValueError(f"step {step.name} needs a simulator")

    def _wait(self, timeout: float | None, progress: Progress | None) -> None:
        begin = reported = time.monotonic()
        pause, draining = FIRST_POLL_SECONDS, None
        while (status := self._status()) not in (Status.DONE, Status.STOPPED):
            now = time.monotonic()
            if status is Status.IDLE:
                raise DeviceLost(f"{self._connection.name}: the program is gone from the machine: was the board reset?")
            if status is Status.DRAINING:
                draining = draining or now
                if now > draining + self._rest_seconds:
                    return
            if timeout is not None and now > begin + timeout:
                raise DeviceTimeout(
                    f"{self._connection.name}: the program did not end within {timeout:g} s; it was stopped: "
                    "give the run more time"
                )
            if progress is not None and now > reported + REPORT_SECONDS:
                reported = now
                progress("running", self._connection.read_register(counter_address(Counter.CYCLES)), 0)
            left = pause if timeout is None else min(pause, begin + timeout - now)
            time.sleep(max(0.0, left))
            pause = min(2 * pause, LAST_POLL_SECONDS)

    @property
    def _rest_seconds(self) -> float:
        return max(REST_SECONDS, REST_ROUND_TRIPS * self._connection.round_trip)

    def _status(self) -> Status:
        value = self._connection.read_register(Register.STATUS)
        if value not in Status._value2member_map_:
            raise DeviceLost(
                f"{self._connection.name}: register STATUS reads {value:#x}, which no machine of ours does"
            )
        return Status(value)
