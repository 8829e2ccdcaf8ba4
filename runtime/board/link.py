"""Requests and their answers over a line that loses and damages bytes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dovetail.isa.link import (
    CRC_BYTES,
    TAG_BITS,
    WINDOW_REQUESTS,
    Answer,
    Identity,
    LinkOp,
    LinkStatus,
    Request,
    frame,
)
from dovetail.runtime.errors import DeviceError, DeviceLost

from .frames import Decoder
from .transport import Transport, TransportLost

NO_TAG = 0
"""The tag of answers to damaged frames; no request has it."""
ROUND_TRIPS = 3
"""That are measured."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """When to send again and when to give up.

    Attributes
    ----------
    first_seconds:
        The time-out while no round trip is measured.
    least_seconds:
        No time-out is shorter: the host may have been busy with something else.
    margin:
        A time-out over the time that the request should take.
    retries:
        Time-outs in a row without any answer, each twice as long as the one before, until the board is given up.
    damages:
        Damaged frames in a row, in any direction, without any answer to a request, until the line is given up.
    """

    first_seconds: float = 0.25
    least_seconds: float = 0.1
    margin: float = 4.0
    retries: int = 5
    damages: int = 32


@dataclass(frozen=True)
class Ask:
    """A request without its tag.

    Attributes
    ----------
    answer_bytes:
        Size of the answer's payload.
    take:
        Called once with that payload.
    """

    op: LinkOp
    address: int
    length: int
    answer_bytes: int
    take: Callable[[bytes], None]
    payload: bytes = b""


@dataclass
class Statistics:
    """What became of frames: sent, sent again, time-outs, and damaged ones that the board and the host saw."""

    sent: int = 0
    resent: int = 0
    timeouts: int = 0
    damaged_requests: int = 0
    damaged_answers: int = 0


@dataclass
class _Pending:
    ask: Ask
    frame: bytes
    sends: int = 0

    @property
    def line_bytes(self) -> int:
        """Of the request and of its answer."""
        return len(self.frame) + len(frame(bytes(Answer.FORMAT.size + self.ask.answer_bytes)))


class Link:
    """A board at the end of a line.

    Answers come in the order of the requests. So an answer that was sent for after others, and comes before theirs,
    means that those were lost on one of the two ways: they are sent again. Requests to memory give the same again;
    a register write with its old tag is not executed again, and no two of them are unanswered.

    Parameters
    ----------
    clock:
        Seconds, as of `time.monotonic`.
    """

    def __init__(
        self, transport: Transport, *, patience: Patience | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.statistics = Statistics()
        self.round_trip: float | None = None
        """Seconds that `LinkOp.IDENTIFY` takes; None as long as that is not measured."""
        self._transport, self._patience, self._clock = transport, patience or Patience(), clock
        self._decoder = Decoder()
        self._lock = threading.RLock()
        self._tag = random.randrange(1 << TAG_BITS)
        self._register_tag = NO_TAG
        self._slack = 1.0
        """What time-outs are multiplied with, because the last ones passed."""

    @property
    def name(self) -> str:
        return self._transport.name

    def identify(self) -> Identity:
        """Ask who is there, and measure the round trip. Also brings host and board to an equal view of the line.

        Raises
        ------
        DeviceLost:
            Nobody answers.
        """
        measured: list[float] = []
        for _ in range(ROUND_TRIPS):
            timeouts, begin = self.statistics.timeouts, self._clock()
            payload = self.ask(LinkOp.IDENTIFY, answer_bytes=Identity.FORMAT.size)
            if timeouts == self.statistics.timeouts:
                measured.append(self._clock() - begin)
        if measured:
            self.round_trip = max(measured)
        return Identity.decode(payload)

    def ask(
        self, op: LinkOp, address: int = 0, length: int = 0, *, payload: bytes = b"", answer_bytes: int = 0
    ) -> bytes:
        """One request; its answer's payload. Raises as `exchange` does."""
        answers: list[bytes] = []
        self.exchange([Ask(op, address, length, answer_bytes, answers.append, payload)])
        return answers[0]

    def exchange(self, asks: Iterable[Ask]) -> None:
        """Send requests, several at a time, and return when all are answered. They must not depend on one another.

        Raises
        ------
        DeviceLost:
            The line is gone, or nothing comes through any more.
        DeviceError:
            The board refuses a request.
        """
        with self._lock:
            try:
                _Exchange(self, asks).run()
            except TransportLost as error:
                raise DeviceLost(f"{self.name}: {error}; connect the board and open it again") from None

    def close(self) -> None:
        self._transport.close()


class _Exchange:
    """One call of `Link.exchange`."""

    def __init__(self, link: Link, asks: Iterable[Ask]) -> None:
        self._link, self._asks = link, iter(asks)
        self._patience, self._clock, self._statistics = link._patience, link._clock, link.statistics
        self._waiting: dict[int, _Pending] = {}
        """Unanswered requests by tag, in the order in which they were last sent."""
        self._since = 0.0
        """When the oldest of them began to be what the board does next, as far as can be seen."""
        self._timeouts = self._damages = 0
        """In a row, since a request was answered."""

    def run(self) -> None:
        link = self._link
        self._since = self._clock()
        while self._send_more():
            left = self._since + self._allowed() - self._clock()
            if left <= 0:
                self._timed_out()
                continue
            for contents in link._decoder.feed(link._transport.read(left)):
                self._arrived(contents)

    def _send_more(self) -> bool:
        """Fill the window; whether anything is unanswered."""
        while len(self._waiting) < WINDOW_REQUESTS and (ask := next(self._asks, None)) is not None:
            tag = self._new_tag()
            if ask.op is LinkOp.WRITE_REGISTER:
                self._link._register_tag = tag
            request = Request(ask.op, tag, ask.address, ask.length)
            if not self._waiting:
                self._since = self._clock()
            self._waiting[tag] = _Pending(ask, frame(request.encode() + ask.payload))
            self._send(tag)
        return bool(self._waiting)

    def _new_tag(self) -> int:
        """The next, but not that of the last register write, which the board would not execute again."""
        link = self._link
        while True:
            link._tag = (link._tag + 1) % (1 << TAG_BITS)
            if link._tag not in (NO_TAG, link._register_tag):
                return link._tag

    def _send(self, tag: int) -> None:
        """Send a request, again or for the first time; it becomes the youngest."""
        pending = self._waiting[tag] = self._waiting.pop(tag)
        self._statistics.sent += 1
        self._statistics.resent += pending.sends > 0
        pending.sends += 1
        self._link._transport.write(pending.frame)

    def _allowed(self) -> float:
        """Seconds that the oldest request may take."""
        link, patience = self._link, self._patience
        oldest = next(iter(self._waiting.values()))
        seconds = patience.first_seconds
        if link.round_trip is not None:
            share = oldest.line_bytes / IDENTIFY_LINE_BYTES
            seconds = max(patience.least_seconds, patience.margin * share * link.round_trip)
        return seconds * link._slack

    def _timed_out(self) -> None:
        """Send everything again: when only some is lost, an answer shows that earlier."""
        self._statistics.timeouts += 1
        self._timeouts += 1
        if self._timeouts > self._patience.retries:
            self._link._slack = 1.0
            raise DeviceLost(
                f"{self._link.name}: the board does not answer: asked {self._timeouts} times; "
                "check the cable and that the board is programmed"
            )
        self._link._slack *= 2
        for tag in list(self._waiting):
            self._send(tag)
        self._since = self._clock()

    def _arrived(self, contents: bytes | None) -> None:
        if contents is None or len(contents) < Answer.FORMAT.size:
            self._statistics.damaged_answers += 1
            self._damaged()
            return
        answer = Answer(*Answer.FORMAT.unpack_from(contents))
        if answer.status == LinkStatus.DAMAGED:
            self._statistics.damaged_requests += 1
            self._damaged()
            return
        self._answered(answer, contents[Answer.FORMAT.size :])

    def _answered(self, answer: Answer, payload: bytes) -> None:
        pending = self._waiting.get(answer.tag)
        if pending is None or answer.op != pending.ask.op:
            return
        if answer.status != LinkStatus.OK:
            raise self._refused(pending.ask, answer.status)
        if len(payload) != pending.ask.answer_bytes:
            return
        tags = list(self._waiting)
        lost = tags[: tags.index(answer.tag)]
        del self._waiting[answer.tag]
        self._since = self._clock()
        self._timeouts = self._damages = 0
        self._link._slack = max(1.0, self._link._slack / 2)
        for tag in lost:
            self._send(tag)
        pending.ask.take(payload)

    def _damaged(self) -> None:
        """Send again what was probably in the frame, or what that was the answer to: the oldest."""
        self._damages += 1
        if self._damages > self._patience.damages:
            raise DeviceLost(
                f"{self._link.name}: {self._damages} frames in a row arrived damaged; "
                "check the cable, and that nothing else uses the port"
            )
        if self._waiting:
            self._send(next(iter(self._waiting)))
            self._since = self._clock()

    def _refused(self, ask: Ask, status: int) -> DeviceError:
        known = status in LinkStatus._value2member_map_
        how = LinkStatus(status).name.lower() if known else f"status {status}"
        what = ask.op.name.lower().replace("_", " ")
        return DeviceError(f"{self._link.name}: the board refused to {what} at {ask.address:#x}: {how}")


IDENTIFY_LINE_BYTES = Request.FORMAT.size + Answer.FORMAT.size + Identity.FORMAT.size + 2 * (CRC_BYTES + 2)
"""Of the request and the answer whose round trip is measured."""
