"""The whole machine behind an AXI memory and an AXI4-Lite host that are not ours."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
import numpy as np

from dovetail.hw.axi import AxiId
from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import DRAM_ADDRESS_BITS
from dovetail.isa.instructions import Alu, AluOp, AluSource, Buffer, Finish, Gemm, Instruction, Load, Store, Sync, Unit
from dovetail.isa.program import INSTRUCTION_BYTES
from dovetail.isa.registers import MAGIC, Cause, Control, Counter, Register, Status, config_registers, counter_address
from dovetail.sim.functional import FunctionalSimulator
from dovetail.sim.fuzz import FuzzCase, random_program

from .machine import Job, Machine
from .simulate import CONFIG_VARIABLE, configuration
from .transfers import transfers
from .words import illegal_word

CONFIG = configuration(os.environ.get(CONFIG_VARIABLE, "tiny"))
LATENCY = 40
FINISHED = (Status.DONE, Cause.NONE)
SENTINEL = 0x5A


def random_case(size: int) -> FuzzCase:
    return random_program(CONFIG, random.getrandbits(32), size)


def encode(program: list[Instruction]) -> list[int]:
    return [instruction.encode(CONFIG) for instruction in program]


def job_of(case: FuzzCase) -> Job:
    return Job.place(encode(list(case.program.instructions)), case.image)


def expected(case: FuzzCase) -> bytes:
    memory = case.image.copy()
    FunctionalSimulator(CONFIG, memory).run(case.program.instructions)
    return memory.tobytes()


async def start_bench(dut: Any, eagerness: float = 0.7) -> Machine:
    machine = Machine(dut, CONFIG, eagerness=eagerness, latency=random.choice([0, LATENCY]))
    await machine.begin()
    return machine


async def run_correctly(machine: Machine, size: int = 8) -> None:
    """A whole random program, right to the last byte."""
    machine.memory.set_bad()
    case = random_case(size)
    job = job_of(case)
    await machine.launch(job)
    await machine.interrupted()
    assert (await machine.outcome())[:2] == FINISHED
    assert machine.memory_of(job) == expected(case)
    await machine.acknowledge()


@cocotb.test()
async def registers_say_what_machine_this_is(dut: Any) -> None:
    machine = await start_bench(dut)
    assert await machine.read(Register.MAGIC) == MAGIC
    halves = [await machine.read(r) for r in (Register.FINGERPRINT_LOW, Register.FINGERPRINT_HIGH)]
    assert halves[0] | halves[1] << 32 == CONFIG.fingerprint
    for address, (_, value) in config_registers(CONFIG).items():
        assert await machine.read(address) == value
    writable = {
        Register.PROGRAM: 0xFFFF_FFF0,
        Register.LENGTH: 0x00FF_FFFF,
        Register.WATCHDOG: 0xFFFF_FFFF,
        Register.DRAM_BASE: 0xFFFF_F000,
    }
    values = {register: random.getrandbits(32) for register in writable}
    for register, value in values.items():
        await machine.write(register, value)
    for register, mask in writable.items():
        assert await machine.read(register) == values[register] & mask
    await machine.write(Register.STATUS, 0xFFFF_FFFF)
    assert await machine.read(Register.CONTROL) == await machine.read(Register.STATUS) == 0
    await machine.write(Register.CONTROL, Control.RESET)
    for register in writable:
        assert await machine.read(register) == 0


@cocotb.test()
@cocotb.parametrize(eagerness=[0.4, 1.0])
async def programs_leave_the_memory_that_the_functional_simulator_leaves(dut: Any, eagerness: float) -> None:
    machine = await start_bench(dut, eagerness)
    for _ in range(3):
        case = random_case(25)
        job = job_of(case)
        await machine.launch(job)
        await machine.interrupted()
        assert (await machine.outcome())[:2] == FINISHED
        assert machine.memory_of(job) == expected(case)
        await check_counters(machine, list(case.program.instructions))
        await machine.acknowledge()


async def check_counters(machine: Machine, program: list[Instruction]) -> None:
    counters = {counter: await machine.counter(counter) for counter in Counter}
    assert counters[Counter.CYCLES] == machine.running - 2, "in the last two cycles it only finds the bus at rest"
    assert counters[Counter.INSTRUCTIONS] == len(program) - 1
    assert counters[Counter.GEMM] == sum(x.outer * x.inner * x.uop_count for x in program if isinstance(x, Gemm))
    alu = [x for x in program if isinstance(x, Alu)]
    two_slots = {id(x) for x in alu if x.source is AluSource.ACC or x.op in (AluOp.SHR, AluOp.SHL)}
    assert counters[Counter.ALU] == sum(x.outer * x.inner * x.uop_count * (1 + (id(x) in two_slots)) for x in alu)
    assert counters[Counter.READ_BEATS] == machine.beats["r"]
    assert counters[Counter.WRITE_BEATS] == machine.beats["w"]
    for unit in ("COMPUTE", "LOAD", "STORE"):
        spent = sum(count for counter, count in counters.items() if counter.name.startswith(unit))
        assert spent <= counters[Counter.CYCLES]
    written = sum(transfer.write for transfer in transfers(CONFIG, program))
    assert (counters[Counter.STORE_BUSY] > 0) == (written > 0)


@cocotb.test()
async def what_the_host_writes_is_ignored_unless_idle(dut: Any) -> None:
    machine = await start_bench(dut)
    case = random_case(25)
    job = job_of(case)
    await machine.launch(job)
    for register in (Register.PROGRAM, Register.LENGTH, Register.DRAM_BASE, Register.CONTROL, Register.CONTROL):
        for _ in range(random.randrange(100)):
            await machine.edge
        await machine.write(register, Control.START if register is Register.CONTROL else random.getrandbits(32))
    await machine.interrupted()
    assert machine.memory_of(job) == expected(case)
    await check_counters(machine, list(case.program.instructions))
    await machine.write(Register.CONTROL, Control.START)
    assert await machine.read(Register.STATUS) == Status.DONE
    for register, value in (
        (Register.PROGRAM, job.at),
        (Register.LENGTH, len(job.words)),
        (Register.DRAM_BASE, job.base),
    ):
        assert await machine.read(register) == value
    await machine.acknowledge()


@cocotb.test()
async def a_read_error_stops_the_machine_and_names_the_instruction(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(4):
        case = random_case(15)
        job = job_of(case)
        reads = [transfer for transfer in transfers(CONFIG, case.program.instructions) if not transfer.write]
        bad = random.choice(sorted(random.choice(reads).beats))
        at = (job.base + bad) % (1 << DRAM_ADDRESS_BITS)
        machine.memory.set_bad(reads=range(at, at + 1))
        await machine.launch(job)
        await machine.interrupted()
        status, cause, unit, index = await machine.outcome()
        assert (status, cause) == (Status.STOPPED, Cause.AXI_READ)
        assert index == next(t.index for t in reads if t.unit is unit and bad in t.beats)
        await machine.acknowledge()
        assert (await machine.outcome())[1:] == (cause, unit, index), "the error stays readable"
        await run_correctly(machine)


@cocotb.test()
async def a_write_error_stops_the_machine_and_names_the_instruction(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(4):
        writes: list[Any] = []
        while not writes:
            case = random_case(15)
            writes = [transfer for transfer in transfers(CONFIG, case.program.instructions) if transfer.write]
        job = job_of(case)
        bad = random.choice(sorted(random.choice(writes).bytes))
        at = (job.base + bad) % (1 << DRAM_ADDRESS_BITS)
        machine.memory.set_bad(writes=range(at, at + 1))
        await machine.launch(job)
        await machine.interrupted()
        first = next(transfer.index for transfer in writes if bad in transfer.bytes)
        assert await machine.outcome() == (Status.STOPPED, Cause.AXI_WRITE, Unit.STORE, first)
        await machine.acknowledge()
        await run_correctly(machine)


@cocotb.test()
async def a_read_error_in_the_program_is_fetchs(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(4):
        case = random_case(20)
        job = job_of(case)
        damaged = random.randrange(len(job.words))
        at = (job.base + job.at + damaged * INSTRUCTION_BYTES) % (1 << DRAM_ADDRESS_BITS)
        machine.memory.set_bad(reads=range(at, at + 1))
        await machine.launch(job)
        await machine.interrupted()
        status, cause, unit, index = await machine.outcome()
        assert (status, cause, unit) == (Status.STOPPED, Cause.AXI_READ, Unit.FETCH)
        assert index == damaged
        await machine.acknowledge()
        await run_correctly(machine)


@cocotb.test()
async def an_illegal_instruction_writes_nothing(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(12):
        case = random_case(12)
        program = list(case.program.instructions)
        at = random.randrange(len(program))
        words = encode(program)
        words[at] = illegal_word(CONFIG)
        job = Job.place(words, case.image)
        await machine.launch(job)
        await machine.interrupted()
        assert await machine.outcome() == (Status.STOPPED, Cause.ILLEGAL, Unit.FETCH, at)
        allowed = set[int]().union(*(t.bytes for t in transfers(CONFIG, program[:at]) if t.write))
        now = np.frombuffer(machine.memory_of(job), np.uint8)
        assert set(np.flatnonzero(now != case.image).tolist()) <= allowed
        await machine.acknowledge()


@cocotb.test()
async def an_illegal_store_leaves_its_target_alone(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(12):
        store = Store(format=random.choice([0, 1]), sram=0, dram=0x1000, cols=16, rows=2, stride=16)  # type: ignore[arg-type]
        layout = Store.layout(CONFIG)
        word = store.encode(CONFIG)
        flaw = random.choice([1 << random.randrange(layout.used_bits, 128), layout["dram"].insert(1)])
        words = [Sync(target=Unit.STORE).encode(CONFIG)] * random.randrange(3) + [word ^ flaw, word]
        job = Job.place([*words, Finish().encode(CONFIG)], np.full(0x3000, SENTINEL, np.uint8))
        await machine.launch(job)
        await machine.interrupted()
        assert await machine.outcome() == (Status.STOPPED, Cause.ILLEGAL, Unit.FETCH, len(words) - 2)
        assert set(machine.memory_of(job)) == {SENTINEL}
        await machine.acknowledge()


@cocotb.test()
async def a_program_without_finish_is_illegal_at_its_end(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(4):
        job = job_of(random_case(12))
        length = random.choice([0, 1, random.randrange(len(job.words)), len(job.words) - 1])
        await machine.launch(job, length=length)
        await machine.interrupted()
        assert await machine.outcome() == (Status.STOPPED, Cause.ILLEGAL, Unit.FETCH, length)
        await machine.acknowledge()


def deadlock(unit: Unit) -> tuple[Job, int]:
    """A program in which `unit` waits for a token that never comes, and the index of that instruction."""
    builder = ProgramBuilder(CONFIG)
    for _ in range(random.randrange(4)):
        builder.load(Buffer.INP, sram=0, dram=0, cols=4, rows=2, stride=4)
        builder.sync(Unit.COMPUTE)
        builder.sync(Unit.STORE)
    neighbours = {
        Unit.LOAD: [Unit.COMPUTE],
        Unit.COMPUTE: [Unit.LOAD, Unit.STORE],
        Unit.STORE: [Unit.COMPUTE],
    }
    waiting = builder.sync(unit, pop=random.choice(neighbours[unit]))
    for _ in range(random.randrange(CONFIG.queue_depth)):
        builder.sync(unit)
    builder.finish()
    return Job.place(encode(builder.instructions), np.zeros(0x1000, np.uint8)), waiting


@cocotb.test()
async def the_watchdog_stops_a_deadlock_and_says_who_waits(dut: Any) -> None:
    machine = await start_bench(dut)
    for unit in (Unit.LOAD, Unit.COMPUTE, Unit.STORE):
        for _ in range(2):
            job, waiting = deadlock(unit)
            patience = random.randrange(150, 400)
            await machine.launch(job, watchdog=patience)
            await machine.interrupted()
            assert await machine.outcome() == (Status.STOPPED, Cause.WATCHDOG, unit, waiting)
            assert await machine.counter(Counter.CYCLES) >= patience
            await machine.acknowledge()
            await run_correctly(machine)


@cocotb.test()
async def without_a_watchdog_a_deadlock_lasts_until_reset(dut: Any) -> None:
    machine = await start_bench(dut)
    await machine.launch(deadlock(Unit.COMPUTE)[0])
    for _ in range(2000):
        await machine.edge
    assert await machine.read(Register.STATUS) == Status.RUNNING
    await machine.write(Register.CONTROL, Control.RESET)
    await machine.until(lambda: not machine.observed.value)
    assert await machine.read(Register.STATUS) == Status.IDLE
    await run_correctly(machine)


@cocotb.test()
async def a_memory_that_does_not_answer_is_reported_and_waited_for(dut: Any) -> None:
    machine = await start_bench(dut, 1.0)
    patience = random.randrange(100, 300)
    loads: list[Instruction] = [Load(buffer=Buffer.INP, sram=0, dram=0, cols=8) for _ in range(50)]
    await machine.launch(Job.place(encode([*loads, Finish()]), np.zeros(0x1000, np.uint8)), watchdog=patience)
    await machine.until(lambda: dut.m_axi_arvalid.value and int(dut.m_axi_arid.value) == AxiId.LOAD)
    machine.memory.reads.r_channel.clear_pause_generator()
    machine.memory.reads.r_channel.pause = True
    waited = await machine.until(lambda: dut.irq.value)
    assert waited >= 2 * patience, "once for the program, and once more for the bus"
    assert await machine.read(Register.STATUS) == Status.DRAINING
    machine.memory.reads.r_channel.pause = False
    await machine.until(lambda: not machine.observed.value)
    await machine.interrupted()
    status, cause, unit, index = await machine.outcome()
    assert (status, cause, unit) == (Status.STOPPED, Cause.WATCHDOG, Unit.LOAD)
    assert index < len(loads)
    await machine.acknowledge()
    await run_correctly(machine)


@cocotb.test()
@cocotb.parametrize(eagerness=[0.4, 1.0])
async def reset_at_any_cycle_drains_and_leaves_nothing_behind(dut: Any, eagerness: float) -> None:
    machine = await start_bench(dut, eagerness)
    for _ in range(6):
        await machine.launch(job_of(random_case(20)), watchdog=50_000)
        for _ in range(random.choice([random.randrange(60), random.randrange(1500)])):
            await machine.edge
        await machine.write(Register.CONTROL, Control.RESET)
        await machine.until(lambda: not machine.observed.value)
        assert await machine.outcome() == (Status.IDLE, Cause.NONE, Unit(0), 0)
        assert not dut.irq.value
        for register in (Register.PROGRAM, Register.LENGTH, Register.WATCHDOG, Register.DRAM_BASE):
            assert await machine.read(register) == 0
        for counter in random.sample(list(Counter), 4):
            assert await machine.read(counter_address(counter)) == 0
        await run_correctly(machine)


@cocotb.test()
async def a_hard_reset_at_any_cycle_leaves_nothing_behind(dut: Any) -> None:
    machine = await start_bench(dut)
    for _ in range(3):
        await machine.launch(job_of(random_case(20)))
        for _ in range(random.randrange(1500)):
            await machine.edge
        await machine.begin()
        assert await machine.outcome() == (Status.IDLE, Cause.NONE, Unit(0), 0)
        await run_correctly(machine)
