"""A model of a board behind a pseudo-terminal, which is a serial port to pyserial."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty

from .model import BoardModel


class PtyBoard:
    """A context manager; the board answers in a thread until the end, or until `cut_after` bytes came from the host."""

    def __init__(self, model: BoardModel, *, cut_after: int | None = None) -> None:
        self.model, self.left = model, cut_after
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        self.stop, self.stopped = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> PtyBoard:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.stopped)
        self.thread.join(timeout=10)
        os.close(self.stop)

    def serve(self) -> None:
        try:
            while self.stop not in (ready := select.select([self.master, self.stop], [], [], 1)[0]):
                data = b""
                with contextlib.suppress(OSError):  # as long as nobody has opened the port
                    data = os.read(self.master, 4096) if ready else b""
                if self.left is not None:
                    self.left -= len(data)
                    if self.left < 0:
                        return
                answer = self.model.receive(data)
                while answer:
                    answer = answer[os.write(self.master, answer) :]
                if ready and not data:
                    select.select([self.stop], [], [], 0.01)
        finally:
            os.close(self.master)
