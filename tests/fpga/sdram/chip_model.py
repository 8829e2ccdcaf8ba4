"""A model of an SDR SDRAM chip, written from the data sheets: what it stores, what it drives, and what it forbids."""

from __future__ import annotations

from dataclasses import dataclass, field

from dovetail.fpga.sdram.chips import SdramChip

NEVER = -1e12
ROUNDING = 1e-6
T_RAS_MAX = 100_000.0
REFRESH_JITTER = 400.0


class ProtocolError(AssertionError):
    """The chip was given what its data sheet forbids."""


@dataclass(frozen=True)
class Pins:
    """The chip's inputs at a rising edge of its clock; `dq` is None when nobody drives it from outside."""

    cke: int
    cs_n: int
    ras_n: int
    cas_n: int
    we_n: int
    ba: int
    a: int
    dqm: int
    dq: int | None


@dataclass
class Bank:
    row: int | None = None
    activated: float = NEVER
    precharged: float = NEVER
    written: float = NEVER
    written_clock: int = -1000


@dataclass
class ChipModel:
    """A chip at a clock of `period` ns. `clock` is called at each rising edge, in order of time."""

    chip: SdramChip
    period: float
    cells: dict[tuple[int, int, int], int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.banks = [Bank() for _ in range(self.chip.banks)]
        self.edge = -1
        self.latency: int | None = None
        self.powered: float | None = None
        self.precharged_all = False
        self.refreshed, self.mode_set, self.activated = NEVER, NEVER, NEVER
        self.activated_clock = self.mode_clock = -1000
        self.refreshes_due_from = NEVER
        self.refreshes = 0
        self.outputs: dict[int, int] = {}
        self.masks: dict[int, int] = {}
        self.driven: list[tuple[float, float, float, float, int]] = []

    def forbid(self, broken: bool, rule: str) -> None:
        if broken:
            raise ProtocolError(f"{rule}, at {self.now:.1f} ns (clock {self.edge})")

    def apart(self, since: float, least: float, name: str, since_clock: int = -1000, clocks: int = 0) -> None:
        self.forbid(self.now - since < least - ROUNDING, f"{name}: {self.now - since:.1f} ns, not {least:g}")
        self.forbid(self.edge - since_clock < clocks, f"{name}: {self.edge - since_clock} clocks, not {clocks}")

    def clock(self, now: float, pins: Pins) -> None:
        self.now = now
        self.edge += 1
        if not pins.cke:
            self.forbid(self.powered is not None, "CKE falls")
            return
        if self.powered is None:
            self.powered = now
        self.masks[self.edge] = pins.dqm
        self.masks.pop(self.edge - 8, None)
        if not pins.cs_n:
            self.command(pins)
        if self.latency is not None:
            late = now - self.refreshes_due_from - (self.refreshes + 1) * self.chip.t_refresh
            self.forbid(late > REFRESH_JITTER, f"refresh {self.refreshes + 1} is {late:.0f} ns late")
        for bank in self.banks:
            self.forbid(bank.row is not None and now - bank.activated > T_RAS_MAX, "tRAS(max)")
        self.drive(now)

    def command(self, pins: Pins) -> None:
        code = (pins.ras_n, pins.cas_n, pins.we_n)
        if code == (1, 1, 1):
            return
        self.apart(self.powered or 0.0, self.chip.t_power_up, "power-up")
        self.apart(self.refreshed, self.chip.t_rfc, "tRFC")
        self.apart(self.mode_set, self.chip.t_mrd, "tMRD", self.mode_clock, self.chip.mrd_clocks)
        handlers = {
            (0, 1, 1): self.activate,
            (1, 0, 1): self.read,
            (1, 0, 0): self.write,
            (0, 1, 0): self.precharge,
            (0, 0, 1): self.refresh,
            (0, 0, 0): self.set_mode,
        }
        self.forbid(code not in handlers, f"no command {code}")
        handlers[code](pins, self.banks[pins.ba])
        name = handlers[code].__name__
        self.counts[name] = self.counts.get(name, 0) + 1

    def activate(self, pins: Pins, bank: Bank) -> None:
        self.forbid(self.latency is None, "ACTIVATE before the chip is initialised")
        self.forbid(bank.row is not None, "ACTIVATE of an open bank")
        self.apart(bank.precharged, self.chip.t_rp, "tRP")
        self.apart(bank.activated, self.chip.t_rc, "tRC")
        self.apart(self.activated, self.chip.t_rrd, "tRRD", self.activated_clock, self.chip.rrd_clocks)
        bank.row, bank.activated = pins.a, self.now
        self.activated, self.activated_clock = self.now, self.edge

    def column(self, pins: Pins, bank: Bank) -> tuple[int, int, int]:
        self.forbid(bank.row is None, "READ or WRITE of a closed bank")
        self.forbid(bool(pins.a & 1 << 10), "automatic precharge")
        self.apart(bank.activated, self.chip.t_rcd, "tRCD")
        column = pins.a & 0x3FF | (pins.a >> 11) << 10
        self.forbid(column >> self.chip.column_bits != 0, f"no column {column}")
        assert bank.row is not None
        return pins.ba, bank.row, column

    def read(self, pins: Pins, bank: Bank) -> None:
        self.forbid(pins.dq is not None, "dq is driven at a READ")
        assert self.latency is not None
        self.outputs[self.edge + self.latency - 1] = self.cells.get(self.column(pins, bank), 0)

    def write(self, pins: Pins, bank: Bank) -> None:
        cell = self.column(pins, bank)
        self.forbid(pins.dq is None, "WRITE without data")
        assert pins.dq is not None
        mask = sum(0xFF << 8 * k for k in range(self.chip.data_bits // 8) if not pins.dqm >> k & 1)
        self.cells[cell] = self.cells.get(cell, 0) & ~mask | pins.dq & mask
        bank.written, bank.written_clock = self.now, self.edge

    def precharge(self, pins: Pins, bank: Bank) -> None:
        everything = bool(pins.a & 1 << 10)
        for closed in self.banks if everything else [bank]:
            if closed.row is not None:
                self.apart(closed.activated, self.chip.t_ras, "tRAS")
                self.apart(closed.written, self.chip.t_wr, "tWR", closed.written_clock, self.chip.wr_clocks)
            closed.row, closed.precharged = None, self.now
        self.precharged_all |= everything

    def idle(self, name: str) -> None:
        self.forbid(not self.precharged_all, f"{name} before PRECHARGE of all banks")
        for bank in self.banks:
            self.forbid(bank.row is not None, f"{name} with an open bank")
            self.apart(bank.precharged, self.chip.t_rp, "tRP")

    def refresh(self, pins: Pins, bank: Bank) -> None:
        self.idle("REFRESH")
        self.refreshed = self.now
        self.refreshes += 1

    def set_mode(self, pins: Pins, bank: Bank) -> None:
        self.idle("mode register")
        self.forbid(self.refreshes < self.chip.power_up_refreshes, f"mode register after {self.refreshes} REFRESH")
        latency = pins.a >> 4 & 7
        self.forbid(pins.ba != 0 or pins.a != latency << 4, f"unexpected mode {pins.a:#x}")
        allowed = dict(self.chip.t_ck).get(latency)
        self.forbid(allowed is None or self.period < allowed, f"CAS latency {latency} at {self.period:.1f} ns")
        self.latency = latency
        self.refreshes_due_from, self.refreshes = self.now, 0
        self.mode_set, self.mode_clock = self.now, self.edge

    def drive(self, now: float) -> None:
        value = self.outputs.pop(self.edge, None)
        if value is not None:
            # DQM acts on the data of the clock two after it, which begins to be driven at the clock after it.
            hidden = self.masks.get(self.edge - 1, 0)
            self.forbid(hidden != 0, "DQM hides data that is read")
            end = now + self.period
            self.driven.append((now, now + self.chip.t_ac, end + self.chip.t_oh, end + self.chip.t_hz, value))
            del self.driven[:-8]

    def drives(self, start: float, end: float) -> bool:
        """Whether the chip may drive `dq` at some time between two."""
        return any(first < end and start < last for first, _, _, last, _ in self.driven)

    def dq(self, now: float) -> int | None:
        """What the chip is sure to drive; None if nothing is sure."""
        for _, valid, until, _, value in reversed(self.driven):
            if valid <= now <= until:
                return value
        return None
