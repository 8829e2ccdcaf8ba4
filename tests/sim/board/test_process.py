"""A simulated board's process: its port, its rest, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dovetail.sim.board.build import build, connections
from dovetail.sim.board.process import BoardLost, BoardViolation, SimulatedBoard
from dovetail.sim.rtl.compilation import BuildError
from tests.sim.board.sdram_script import CHIP

pytestmark = pytest.mark.rtl

VERILOG = (Path(__file__).parent / "echo.v").read_text()
BAUD = 1_000_000
SECONDS = 20.0
FATAL = b"\0"
"""See echo.v."""


@pytest.fixture(scope="module")
def executable() -> Path:
    return build(VERILOG, CHIP, clock_hz=25_000_000, baud=BAUD)


@pytest.fixture
def board(executable: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(executable) as simulation:
        yield simulation


@pytest.fixture
def port(board: SimulatedBoard) -> Iterator[int]:
    file = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
    yield file
    os.close(file)


def receive(port: int, count: int) -> bytes:
    data, end = b"", time.monotonic() + SECONDS
    while len(data) < count and select.select([port], [], [], max(0.0, end - time.monotonic()))[0]:
        if not (more := os.read(port, count - len(data))):
            break
        data += more
    return data


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_bytes_go_through_the_pins_and_back_for_one_client_after_the_other(board: SimulatedBoard) -> None:
    data = bytes(range(1, 256))
    for _ in range(2):
        port = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        os.write(port, data)
        assert receive(port, len(data)) == data
        os.close(port)
    assert wait_for(lambda: board.statistics().bytes_out == 2 * len(data))
    assert board.statistics().framing_errors == 0
    assert board.statistics().led == 1


def test_a_board_on_which_nothing_happens_takes_no_processor_time(board: SimulatedBoard, port: int) -> None:
    os.write(port, b"a")
    assert receive(port, 1) == b"a"
    time.sleep(0.5)
    before = processor_seconds(board.pid)
    time.sleep(0.5)
    assert processor_seconds(board.pid) - before <= 0.02
    os.write(port, b"b")
    assert receive(port, 1) == b"b"


def test_a_violation_ends_the_simulation_with_one_line(executable: Path) -> None:
    with pytest.raises(BoardViolation) as violation:
        with SimulatedBoard(executable) as board:
            port = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
            os.write(port, FATAL)
            board.wait(SECONDS)
    os.close(port)
    text = str(violation.value)
    assert text.startswith("SDRAM initialisation: ACTIVATE before the chip is initialised, bank 2, row 99, at ")
    assert "\n" not in text


def test_what_fails_because_of_a_violation_is_told_as_the_violation(executable: Path) -> None:
    with pytest.raises(BoardViolation, match="^SDRAM initialisation: ACTIVATE"):
        with SimulatedBoard(executable) as board:
            port = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
            os.write(port, FATAL)
            try:
                assert receive(port, 1000) == b""
            finally:
                os.close(port)


def test_nothing_is_left_of_a_closed_board(executable: Path) -> None:
    files = os.listdir("/proc/self/fd")
    board = SimulatedBoard(executable)
    port, pid = board.port, board.pid
    board.close()
    board.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(port).exists()
    assert os.listdir("/proc/self/fd") == files
    with pytest.raises(BoardLost, match="closed"):
        board.check()


def test_a_simulator_that_is_killed_is_told(executable: Path) -> None:
    with SimulatedBoard(executable) as board:
        os.kill(board.pid, signal.SIGKILL)
        with pytest.raises(BoardLost, match="was killed by signal 9"):
            board.wait(SECONDS)


def test_a_simulator_ends_when_its_client_is_killed(executable: Path) -> None:
    text = f"""if True:
        import os, signal
        from pathlib import Path
        from dovetail.sim.board.process import SimulatedBoard
        board = SimulatedBoard(Path({str(executable)!r}))
        print(board.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=SECONDS)
    pid = int(done.stdout)
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("module top(", "module other("), "the Verilog has no module top"),
        (("uart_0__tx__io", "uart_1__tx__io"), "the top has no pin uart_0__tx__io; the simulated board needs"),
        (
            ("module top(", "module top(button_0__io, "),
            "the simulated board has nothing that drives pin button_0__io of the top",
        ),
    ],
)
def test_a_top_that_does_not_fit_the_board_is_refused(change: tuple[str, str], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        connections(VERILOG.replace(*change))
