"""The simulator's process: registers, buffers, the memory's behaviour, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dovetail.isa.config import ConfigError, load_config
from dovetail.isa.instructions import Buffer, Unit
from dovetail.isa.program import Program
from dovetail.isa.registers import CONFIG_BASE, MAGIC, Cause, Control, Register, Status, config_registers
from dovetail.sim.rtl.build import Flavour, Options, build
from dovetail.sim.rtl.client import Settings, Simulator, SimulatorLost, SimulatorTimeout
from dovetail.sim.rtl.machine import Outcome, run_program

from .rtl_programs import INPUTS, OUTPUTS, copies, endless, loads, stuck

pytestmark = pytest.mark.rtl

TINY = load_config("tiny")
MEMORY = 1 << 20
PROGRAM = MEMORY - (1 << 16)
CHECKED = Options(Flavour.REGRESS)


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator(build(TINY, CHECKED), TINY, memory_bytes=MEMORY) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    shared.memory[:] = 0
    shared.reset(Settings())
    return shared


def run(simulator: Simulator, program: Program, **options: int) -> Outcome:
    words = np.frombuffer(program.encode(), np.uint8)
    simulator.memory[PROGRAM : PROGRAM + len(words)] = words
    return run_program(simulator, address=PROGRAM, length=len(program), **options)


def test_registers_tell_the_configuration(simulator: Simulator) -> None:
    assert simulator.read_register(Register.MAGIC) == MAGIC
    low, high = (simulator.read_register(r) for r in (Register.FINGERPRINT_LOW, Register.FINGERPRINT_HIGH))
    assert high << 32 | low == TINY.fingerprint
    fields = {address: simulator.read_register(address) for address in config_registers(TINY)}
    assert fields == {address: value for address, (_, value) in config_registers(TINY).items()}
    assert min(fields) == CONFIG_BASE
    simulator.write_register(Register.WATCHDOG, 12345)
    assert simulator.read_register(Register.WATCHDOG) == 12345


@pytest.mark.parametrize("buffer", list(Buffer))
def test_buffers_can_be_filled_and_dumped(simulator: Simulator, buffer: Buffer) -> None:
    data = np.random.default_rng(buffer).integers(0, 256, simulator.dump(buffer).shape, np.uint8)
    simulator.fill(buffer, data)
    assert (simulator.dump(buffer) == data).all()
    simulator.reset()
    assert (simulator.dump(buffer) == data).all(), "a reset keeps the buffers"


def test_a_load_puts_memory_into_the_buffer(simulator: Simulator) -> None:
    data = np.random.default_rng(1).integers(0, 256, (20, TINY.inp_bytes), np.uint8)
    simulator.memory[INPUTS : INPUTS + data.size] = data.reshape(-1)
    assert run(simulator, loads(TINY, 20)).status is Status.DONE
    assert (simulator.dump(Buffer.INP)[:20] == data).all()


def test_latency_is_paid_once_for_the_program_and_once_for_the_data(simulator: Simulator) -> None:
    cycles = {}
    for latency in (1, 30, 200):
        simulator.reset(Settings(latency=latency, bytes_per_cycle=8))
        cycles[latency] = run(simulator, loads(TINY, 2)).cycles
    assert cycles[30] - cycles[1] == 2 * 29
    assert cycles[200] - cycles[30] == 2 * 170


@pytest.mark.parametrize("bytes_per_cycle", [1, 2, 3, 4, 8])
def test_bandwidth_bounds_the_beats(simulator: Simulator, bytes_per_cycle: int) -> None:
    simulator.reset(Settings(latency=10, bytes_per_cycle=bytes_per_cycle))
    cycles = [run(simulator, loads(TINY, tiles, Buffer.WGT)).cycles for tiles in (8, 32)]
    expected = (32 - 8) * TINY.wgt_bytes / bytes_per_cycle
    assert cycles[1] - cycles[0] == pytest.approx(expected, abs=2)


def test_writes_draw_on_the_same_budget(simulator: Simulator) -> None:
    cycles = {}
    for bytes_per_cycle in (1, 16):
        simulator.reset(Settings(latency=10, bytes_per_cycle=bytes_per_cycle))
        cycles[bytes_per_cycle] = run(simulator, copies(TINY, 32)).cycles
    moved = 2 * 32 * TINY.acc_bytes
    assert cycles[1] >= moved
    assert cycles[16] < moved


def test_stalls_follow_the_seed_and_change_nothing_but_time(simulator: Simulator) -> None:
    data = np.random.default_rng(2).integers(0, 256, 32 * TINY.acc_bytes, np.uint8)
    cycles = []
    for seed in (1, 1, 2, 3):
        simulator.memory[:] = 0
        simulator.memory[INPUTS : INPUTS + data.size] = data
        simulator.reset(Settings(stall=0.5, seed=seed))
        cycles.append(run(simulator, copies(TINY, 32)).cycles)
        assert (simulator.memory[OUTPUTS : OUTPUTS + data.size] == data).all()
        assert not simulator.memory[OUTPUTS + data.size : PROGRAM].any()
    assert cycles[0] == cycles[1]
    assert len(set(cycles)) == 3


@pytest.mark.parametrize(
    ("begin", "cause", "unit", "index"),
    [
        (INPUTS, Cause.AXI_READ, Unit.LOAD, 0),
        (OUTPUTS, Cause.AXI_WRITE, Unit.STORE, 2),
        (PROGRAM, Cause.AXI_READ, Unit.FETCH, 0),
    ],
)
def test_an_error_response_stops_the_machine_and_says_where(
    simulator: Simulator, begin: int, cause: Cause, unit: Unit, index: int
) -> None:
    simulator.reset(Settings(errors=(begin + 8, begin + 16)))
    outcome = run(simulator, copies(TINY, 8))
    assert (outcome.status, outcome.cause, outcome.unit, outcome.index) == (Status.STOPPED, cause, unit, index)
    simulator.reset(Settings())
    assert run(simulator, copies(TINY, 8)).status is Status.DONE


def test_addresses_beyond_the_memory_answer_an_error(simulator: Simulator) -> None:
    program = loads(TINY, 4)
    simulator.write_register(Register.DRAM_BASE, 0)
    outcome = run_program(simulator, address=MEMORY, length=len(program))
    assert (outcome.status, outcome.cause, outcome.unit) == (Status.STOPPED, Cause.AXI_READ, Unit.FETCH)


def test_the_watchdog_ends_what_waits_for_ever(simulator: Simulator) -> None:
    outcome = run(simulator, stuck(TINY), watchdog=1000)
    assert (outcome.status, outcome.cause, outcome.unit) == (Status.STOPPED, Cause.WATCHDOG, Unit.COMPUTE)
    assert 1000 < outcome.cycles < 1500


def test_a_limit_of_cycles_ends_the_wait_and_resets(simulator: Simulator) -> None:
    outcome = run(simulator, stuck(TINY), max_cycles=5000)
    assert not outcome.finished
    assert outcome.status is Status.RUNNING
    assert simulator.read_register(Register.STATUS) == Status.IDLE
    assert run(simulator, loads(TINY, 4)).status is Status.DONE


def test_a_reset_in_the_middle_leaves_a_machine_that_works(simulator: Simulator) -> None:
    data = np.random.default_rng(3).integers(0, 256, 32 * TINY.acc_bytes, np.uint8)
    for after in range(0, 600, 37):
        run(simulator, copies(TINY, 32), max_cycles=after)
        simulator.memory[INPUTS : INPUTS + data.size] = data
        simulator.memory[OUTPUTS : OUTPUTS + data.size] = 0
        assert run(simulator, copies(TINY, 32)).status is Status.DONE
        assert (simulator.memory[OUTPUTS : OUTPUTS + data.size] == data).all()


def test_a_soft_reset_drains_what_is_in_flight(simulator: Simulator) -> None:
    program = copies(TINY, 32)
    run(simulator, loads(TINY, 4))
    simulator.reset(Settings(latency=300, stall=0.2))
    words = np.frombuffer(program.encode(), np.uint8)
    simulator.memory[PROGRAM : PROGRAM + len(words)] = words
    simulator.write_register(Register.PROGRAM, PROGRAM)
    simulator.write_register(Register.LENGTH, len(program))
    simulator.write_register(Register.CONTROL, Control.START)
    assert simulator.read_register(Register.STATUS) == Status.RUNNING
    simulator.write_register(Register.CONTROL, Control.RESET)
    assert simulator.read_register(Register.STATUS) == Status.DRAINING
    assert simulator.read_register(Register.LENGTH) == len(program)
    while simulator.read_register(Register.STATUS) != Status.IDLE:
        pass
    assert simulator.read_register(Register.LENGTH) == 0
    assert run(simulator, program).status is Status.DONE


def test_a_timeline_is_recorded_on_request(simulator: Simulator) -> None:
    assert run(simulator, copies(TINY, 8)).status is Status.DONE
    assert simulator.timeline() == []
    simulator.reset(Settings(timeline=True))
    outcome = run(simulator, copies(TINY, 8))
    changes = simulator.timeline()
    running = [change.cycle for change in changes if change.running]
    assert 0 <= changes[-1].cycle - running[0] - outcome.counters["cycles"] <= 4  # draining is not counted
    assert not changes[-1].running
    assert {level for change in changes for level in change.levels} == {0, 1}
    assert [change.cycle for change in changes] == sorted({change.cycle for change in changes})


def test_a_killed_simulator_is_reported_at_once() -> None:
    with Simulator(build(TINY, CHECKED), TINY, memory_bytes=MEMORY) as simulator:
        simulator.memory[PROGRAM : PROGRAM + 256] = np.frombuffer(endless(TINY).encode().ljust(256, b"\0"), np.uint8)
        threading.Timer(0.5, os.kill, (simulator.pid, signal.SIGKILL)).start()
        with pytest.raises(SimulatorLost, match=r"^the simulator was killed by signal 9 at cycle \d+$"):
            run_program(simulator, address=PROGRAM, length=len(endless(TINY)))
        with pytest.raises(SimulatorLost, match="closed"):
            simulator.read_register(Register.MAGIC)


def test_a_simulation_that_takes_too_long_is_ended() -> None:
    seen = []
    with Simulator(build(TINY, CHECKED), TINY, memory_bytes=MEMORY) as simulator:
        words = np.frombuffer(endless(TINY).encode(), np.uint8)
        simulator.memory[PROGRAM : PROGRAM + len(words)] = words
        with pytest.raises(SimulatorTimeout, match=r"did not answer within 1 s, at cycle \d+"):
            run_program(
                simulator,
                address=PROGRAM,
                length=len(endless(TINY)),
                timeout=1,
                progress=lambda what, done, total: seen.append((what, done)),
            )
        assert not Path(f"/proc/{simulator.pid}").exists()
    assert [what for what, _ in seen] == ["simulating"] * len(seen)
    assert 0 < seen[0][1] < seen[-1][1]


def test_an_interrupted_simulator_leaves_the_files_of_others_alone() -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with Simulator(build(TINY, CHECKED), TINY, memory_bytes=MEMORY) as simulator, contextlib.ExitStack() as opened:
        words = np.frombuffer(endless(TINY).encode(), np.uint8)
        simulator.memory[PROGRAM : PROGRAM + len(words)] = words
        with pytest.raises(KeyboardInterrupt):
            run_program(simulator, address=PROGRAM, length=len(endless(TINY)), progress=interrupt)
        others = [opened.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in range(16)]
        for file in others:
            file.write(b"theirs")
        for use in (simulator.reset, simulator.clear_timeline, simulator.timeline):
            with pytest.raises(SimulatorLost, match="^the simulator was closed$"):
                use()
        assert [os.pread(file.fileno(), 16, 0) for file in others] == [b"theirs"] * len(others)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latency": 0}, "latency must be between 1 and 65535, not 0"),
        ({"bytes_per_cycle": 0}, "bytes_per_cycle must be between 1 and 65535, not 0"),
        ({"stall": 1.0}, "stall must be at least 0 and less than 1, not 1.0"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        Settings(**values)  # type: ignore[arg-type]
