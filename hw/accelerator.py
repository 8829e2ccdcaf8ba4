"""The accelerator: fetch, three units, their buffers and token queues, the bus port and the register block."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.isa.config import Config
from dovetail.isa.instructions import Queue
from dovetail.isa.registers import PROGRAM_INDEX_BITS, Activity, Counter

from .axi import AxiPort
from .buffer import BufferMemory
from .compute import ComputeUnit
from .control import Control
from .fetch import FetchUnit
from .interfaces import Axi4, Axi4Lite, dispatched, level_bits, load_lanes
from .load import LoadUnit
from .products import kept_weights
from .registers import RegisterBlock
from .store import StoreUnit
from .tokens import TokenQueue


class Observation(wiring.Signature):
    """What a timeline shows of the machine.

    Members
    -------
    running: Out(1)
        A program is being executed.
    load_activity, compute_activity, store_activity: Out(Activity)
    load_index, compute_index, store_index: Out
        The instruction that each unit is at.
    level_0 ... level_3: Out
        Tokens in each `Queue`.
    """

    def __init__(self, config: Config) -> None:
        members = {"running": Out(1)}
        for unit in ("load", "compute", "store"):
            members[f"{unit}_activity"] = Out(Activity)
            members[f"{unit}_index"] = Out(PROGRAM_INDEX_BITS)
        for queue in Queue:
            members[f"level_{queue.value}"] = Out(level_bits(config.token_depth))
        super().__init__(members)


class InstructionQueue(wiring.Component):
    """Dispatched instructions that wait for their unit, `depth` at most."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        signature = stream.Signature(dispatched())
        super().__init__({"input": In(signature), "output": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=dispatched().size, depth=self.depth)
        m.d.comb += [
            fifo.w_en.eq(self.input.valid),
            fifo.w_data.eq(self.input.payload),
            self.input.ready.eq(fifo.w_rdy),
            self.output.valid.eq(fifo.r_rdy),
            self.output.payload.eq(fifo.r_data),
            fifo.r_en.eq(self.output.ready),
        ]
        return m


class Accelerator(wiring.Component):
    """One accelerator of the given configuration.

    Members
    -------
    axi: Out(Axi4)
        Program and data.
    ctl: In(Axi4Lite)
        The register block, see `isa.registers`.
    irq: Out(1)
        The program is done or was stopped; until acknowledged.
    obs: Out(Observation)
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {"axi": Out(Axi4(config)), "ctl": In(Axi4Lite()), "irq": Out(1), "obs": Out(Observation(config))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.registers = registers = RegisterBlock(config)
        m.submodules.control = control = Control()
        connect(m, flipped(self.ctl), registers.bus)

        reset = ResetInserter(control.units_reset)
        m.submodules.port = port = reset(AxiPort(config))
        m.submodules.fetch = fetch = reset(FetchUnit(config))
        m.submodules.load = load = reset(LoadUnit(config))
        m.submodules.compute = compute = reset(ComputeUnit(config))
        m.submodules.store = store = reset(StoreUnit(config))
        queues = {}
        for name, source, unit in (
            ("load", fetch.load, load),
            ("compute", fetch.compute, compute),
            ("store", fetch.store, store),
        ):
            m.submodules[f"{name}_queue"] = queue = reset(InstructionQueue(config.queue_depth))
            connect(m, source, queue.input)
            connect(m, queue.output, unit.instructions)
            queues[name] = queue

        tokens = {}
        for queue_id, give, take in (
            (Queue.LOAD_TO_COMPUTE, load.to_compute, compute.from_load),
            (Queue.COMPUTE_TO_LOAD, compute.to_load, load.from_compute),
            (Queue.COMPUTE_TO_STORE, compute.to_store, store.from_compute),
            (Queue.STORE_TO_COMPUTE, store.to_compute, compute.from_store),
        ):
            m.submodules[queue_id.name.lower()] = queue = reset(TokenQueue(config.token_depth))
            connect(m, give, queue.give)
            connect(m, queue.take, take)
            tokens[queue_id] = queue

        connect(m, port.axi, flipped(self.axi))
        connect(m, fetch.read, port.fetch)
        connect(m, load.read, port.load)
        connect(m, store.read, port.store_read)
        connect(m, store.write, port.store_write)
        self._buffers(platform, m, load, compute, store)
        self._control(m, registers, control, port, fetch, load, compute, store, queues)

        m.d.comb += [
            self.irq.eq(control.irq),
            self.obs.running.eq(control.live),
        ]
        for name, unit in (("load", load), ("compute", compute), ("store", store)):
            m.d.comb += getattr(self.obs, f"{name}_activity").eq(unit.activity)
            m.d.comb += getattr(self.obs, f"{name}_index").eq(unit.index)
        for queue_id, queue in tokens.items():
            m.d.comb += getattr(self.obs, f"level_{queue_id.value}").eq(queue.level)
        return m

    def _buffers(self, platform: object, m: Module, load: LoadUnit, compute: ComputeUnit, store: StoreUnit) -> None:
        """The memories; of the accumulators' ports compute comes first."""
        config = self.config
        for name, depth, entry_bytes in (
            ("inp", config.inp_depth, config.inp_bytes),
            ("wgt", config.wgt_depth, config.wgt_bytes),
            ("uop", config.uop_depth, config.uop_bytes),
        ):
            lanes = load_lanes(config, entry_bytes)
            m.submodules[f"{name}_buffer"] = buffer = BufferMemory(depth=depth, entry_bits=entry_bytes * 8, lanes=lanes)
            written = getattr(load, name)
            entry = kept_weights(platform, written.data, config.block_in) if name == "wgt" else written.data
            m.d.comb += [
                buffer.write.en.eq(written.en),
                buffer.write.index.eq(written.index),
                buffer.write.data.eq(entry),
            ]
            connect(m, getattr(compute, f"{name}_read"), buffer.read)

        lanes = load_lanes(config, config.acc_bytes)
        m.submodules.acc_buffer = acc = BufferMemory(
            depth=config.acc_depth, entry_bits=config.acc_bytes * 8, lanes=lanes
        )
        m.d.comb += [
            load.acc_grant.eq(~compute.acc_writes_next),
            store.acc_grant.eq(~compute.acc_read.en),
            acc.read.en.eq(compute.acc_read.en | store.acc_request),
            acc.read.index.eq(store.acc_index),
            acc.write.en.eq(load.acc.en),
            acc.write.index.eq(load.acc.index),
            acc.write.data.eq(load.acc.data),
            compute.acc_read.data.eq(acc.read.data),
            store.acc_data.eq(acc.read.data),
        ]
        with m.If(compute.acc_read.en):
            m.d.comb += acc.read.index.eq(compute.acc_read.index)
        with m.If(compute.acc_write.en):
            m.d.comb += [
                acc.write.en.eq((1 << lanes) - 1),
                acc.write.index.eq(compute.acc_write.index),
                acc.write.data.eq(compute.acc_write.data),
            ]

    def _control(
        self,
        m: Module,
        registers: RegisterBlock,
        control: Control,
        port: AxiPort,
        fetch: FetchUnit,
        load: LoadUnit,
        compute: ComputeUnit,
        store: StoreUnit,
        queues: dict[str, InstructionQueue],
    ) -> None:
        units = {"load": load, "compute": compute, "store": store}
        active = {name: Signal(name=f"{name}_active") for name in units}
        for name, unit in units.items():
            m.d.comb += active[name].eq(queues[name].output.valid | ~unit.idle)
            m.d.comb += getattr(control, f"{name}_active").eq(active[name])
            m.d.comb += getattr(control, f"{name}_index").eq(unit.index)
        busy = Cat(unit.activity == Activity.BUSY for unit in units.values()).any()
        m.d.comb += [
            control.start.eq(registers.start),
            control.reset.eq(registers.reset),
            control.acknowledge.eq(registers.acknowledge),
            control.watchdog.eq(registers.watchdog),
            registers.clear.eq(control.clear),
            registers.status.eq(control.status),
            registers.cause.eq(control.cause),
            registers.error_unit.eq(control.error_unit),
            registers.error_index.eq(control.error_index),
            registers.counter_index.eq(control.counter_index),
            registers.counter.eq(control.counter),
            control.finished.eq(fetch.finished & ~Cat(active.values()).any()),
            control.progress.eq(
                port.read_beat | port.write_beat | (~control.abort & (busy | fetch.dispatching)),
            ),
            control.illegal.eq(fetch.illegal),
            control.fetch_fault.eq(fetch.fault),
            control.fetch_index.eq(fetch.index),
            control.load_fault.eq(load.fault),
            control.load_fault_index.eq(load.fault_index),
            control.store_fault.eq(store.fault),
            control.store_fault_write.eq(store.fault_write),
            control.store_fault_index.eq(store.fault_index),
            control.drained.eq(port.drained),
            port.abort.eq(control.abort),
            port.base.eq(registers.dram_base),
            fetch.start.eq(control.units_start),
            fetch.program.eq(registers.program),
            fetch.length.eq(registers.length),
        ]
        events = {
            Counter.CYCLES: 1,
            Counter.INSTRUCTIONS: fetch.dispatching,
            Counter.GEMM: compute.gemm_slot,
            Counter.ALU: compute.alu_slot,
            Counter.COMPUTE_WAIT_LOAD: compute.activity == Activity.WAIT_PREV,
            Counter.COMPUTE_WAIT_STORE: compute.activity == Activity.WAIT_NEXT,
            Counter.LOAD_BUSY: load.activity == Activity.BUSY,
            Counter.LOAD_WAIT_COMPUTE: load.activity == Activity.WAIT_NEXT,
            Counter.LOAD_WAIT_MEMORY: load.activity == Activity.WAIT_MEMORY,
            Counter.LOAD_WAIT_HAZARD: load.activity == Activity.WAIT_HAZARD,
            Counter.STORE_BUSY: store.activity == Activity.BUSY,
            Counter.STORE_WAIT_COMPUTE: store.activity == Activity.WAIT_PREV,
            Counter.STORE_WAIT_MEMORY: store.activity == Activity.WAIT_MEMORY,
            Counter.STORE_WAIT_HAZARD: store.activity == Activity.WAIT_HAZARD,
            Counter.READ_BEATS: port.read_beat,
            Counter.WRITE_BEATS: port.write_beat,
        }
        for counter in Counter:
            m.d.comb += control.events[counter].eq(events[counter])
