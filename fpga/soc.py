"""The system on chip: accelerator, memory controller and the host's link, whatever the device they are built on."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from dovetail.hw.accelerator import Accelerator
from dovetail.hw.skid import SkidBuffer
from dovetail.isa.config import Config, ConfigError, clog2

from .boards import Board
from .interconnect import AxiJoin
from .link.server import LinkServer
from .link.uart import BYTE_BITS, MIN_DIVISOR, UartRx, UartTx
from .sdram.chips import SdramChip
from .sdram.controller import SdramController
from .sdram.pads import SdramPads

BAUD_TOLERANCE = 0.015
"""By which the two ends of the serial line may differ. Ten bits are sampled from one edge on, so half a bit is 5 % for
both ends together, less the receiver's uncertainty of a clock and the slopes of the line."""
HEARTBEAT_HZ = 1
GLOW_HZ = 16
"""A light shows an event for between one and two of these periods."""


def uart_divisor(board: Board) -> int:
    """Clocks of the system in a bit of the board's serial line.

    Raises
    ------
    ConfigError:
        The rate that comes of it is further from the line's than `BAUD_TOLERANCE`.
    """
    divisor = max(MIN_DIVISOR, round(board.system_hz / board.baud))
    error = board.system_hz / divisor / board.baud - 1
    if abs(error) > BAUD_TOLERANCE:
        raise ConfigError(
            f"{board.name}: {board.baud} baud of {board.system_hz} Hz is off by {error:+.1%}, at most "
            f"{BAUD_TOLERANCE:.1%} will do; change the board's system_hz or baud"
        )
    return divisor


def memory_chip(board: Board) -> SdramChip:
    """The board's memory chip.

    Raises
    ------
    ConfigError:
        There is none, or it cannot run at `board.system_hz`.
    """
    if board.sdram is None:
        raise ConfigError(f"{board.name} has no SDRAM for a controller of its own")
    try:
        board.sdram.at(board.system_hz)
    except ValueError as error:
        raise ConfigError(f"{board.name}: {error}; change the board's system_hz") from None
    return board.sdram


class Lights(wiring.Signature):
    """What the board's lights show.

    Members
    -------
    heartbeat: Out(1)
        The clock runs.
    activity: Out(1)
        A request of the host is executed.
    damaged: Out(1)
        A frame arrived damaged.
    running: Out(1)
        The accelerator executes a program.
    refused: Out(1)
        The memory answered a transfer with an error.
    ready: Out(1)
        The memory is initialised.
    """

    def __init__(self) -> None:
        super().__init__({name: Out(1) for name in ("heartbeat", "activity", "damaged", "running", "refused", "ready")})


class Glow(wiring.Component):
    """A light that shows an `event` of a cycle until at least one `tick` and at most two have passed.

    Members
    -------
    tick: In(1)
    event: In(1)
    light: Out(1)
    """

    tick: In(1)
    event: In(1)
    light: Out(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        recent = Signal()
        with m.If(self.tick):
            m.d.sync += [recent.eq(0), self.light.eq(recent)]
        with m.If(self.event):
            m.d.sync += [recent.eq(1), self.light.eq(1)]
        return m


class Soc(wiring.Component):
    """The whole machine between a serial line and a memory chip, in one clock domain.

    Members
    -------
    rx: In(1)
        The host's line; asynchronous.
    tx: Out(1)
    sdram: Out(SdramPads)
        Of `board.sdram`.
    lights: Out(Lights)

    Raises
    ------
    ConfigError:
        As of `memory_chip` and `uart_divisor`.
    """

    def __init__(self, config: Config, board: Board) -> None:
        self.config = config
        self.board = board
        self.chip = memory_chip(board)
        self.divisor = uart_divisor(board)
        super().__init__({"rx": In(1), "tx": Out(1), "sdram": Out(SdramPads(self.chip)), "lights": Out(Lights())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, board = self.config, self.board
        m.submodules.accelerator = accelerator = Accelerator(config)
        m.submodules.memory = memory = SdramController(config, self.chip, board.system_hz)
        m.submodules.join = join = AxiJoin(config)
        m.submodules.link = link = LinkServer(config, memory_bytes=board.memory_bytes, clock_hz=board.system_hz)
        m.submodules.receiver = receiver = UartRx(self.divisor)
        m.submodules.transmitter = transmitter = UartTx(self.divisor)
        m.submodules.sent = sent = SkidBuffer(unsigned(BYTE_BITS))

        m.d.comb += [receiver.pin.eq(self.rx), self.tx.eq(transmitter.pin)]
        connect(m, receiver.bytes, link.rx)
        connect(m, link.tx, sent.input)
        connect(m, sent.output, transmitter.bytes)
        connect(m, link.ctl, accelerator.ctl)
        connect(m, link.axi, join.link)
        connect(m, accelerator.axi, join.accelerator)
        connect(m, join.memory, memory.axi)
        connect(m, memory.pads, flipped(self.sdram))

        period = board.system_hz // GLOW_HZ
        elapsed = Signal(range(period))
        beats = Signal(clog2(GLOW_HZ // HEARTBEAT_HZ))
        tick = Signal()
        m.d.comb += tick.eq(elapsed == period - 1)
        m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(tick):
            m.d.sync += [elapsed.eq(0), beats.eq(beats + 1)]
        answers = join.memory
        events = {
            "activity": link.activity,
            "damaged": link.damaged,
            "refused": (answers.r.valid & answers.r.payload.resp[-1]) | (answers.b.valid & answers.b.payload.resp[-1]),
        }
        for name, event in events.items():
            m.submodules[name] = glow = Glow()
            m.d.comb += [glow.tick.eq(tick), glow.event.eq(event), getattr(self.lights, name).eq(glow.light)]
        m.d.comb += [
            self.lights.heartbeat.eq(beats[-1]),
            self.lights.running.eq(accelerator.obs.running),
            self.lights.ready.eq(memory.ready),
        ]
        return m
