"""The process in which a worker calls functions: a script that needs nothing but Python, started by `runner`.

It is called with two open files: a connection, and a pipe that nobody ever writes to. The first message is the search
path for modules, each further one a pickled pair of function and argument. It answers each with `BEGUN`, when both are
there, and then with `DONE` and the pickled value or `FAILED` and a pickled pair of message and traceback.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection

BEGUN, DONE, FAILED = b"B", b"D", b"F"
IDLE_SECONDS = 300.0
"""After so long without a request, a process gives back what it holds."""
NEW_OBJECTS = 100_000
"""Cycles are looked for after so many: Python's 700 took a tenth of the time in which a large program is compiled."""


def main(connection: Connection, lifeline: int) -> None:
    _guard(connection, lifeline)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    faulthandler.enable()
    gc.set_threshold(NEW_OBJECTS)
    sys.path[:] = pickle.loads(connection.recv_bytes())
    while connection.poll(IDLE_SECONDS):
        try:
            answer = _answer(connection, connection.recv_bytes())
        except EOFError:
            break
        connection.send_bytes(answer)
    os.killpg(0, signal.SIGKILL)  # the guard too, and what the functions have started


def _guard(connection: Connection, lifeline: int) -> None:
    """Kill this group of processes when the worker is gone, whatever the functions do then."""
    if os.fork() == 0:
        connection.close()
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)
    os.close(lifeline)


def _answer(connection: Connection, request: bytes) -> bytes:
    try:
        function, argument = pickle.loads(request)
        connection.send_bytes(BEGUN)
        value = function(argument)
    except BaseException as error:
        return _failed(f"{type(error).__name__}: {error}", traceback.format_exc())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        file = io.BytesIO()
        file.write(DONE)
        pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        return file.getvalue()
    except BaseException as error:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return _failed(f"the result, a {name}, cannot be pickled: {error}", traceback.format_exc())


def _failed(message: str, detail: str) -> bytes:
    return FAILED + pickle.dumps((" ".join(message.split()), detail))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), int(sys.argv[2]))
