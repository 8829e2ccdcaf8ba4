"""The SQLite file of the records: its tables, how it is opened, and what can be wrong with it."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dovetail.isa.cache import cache_dir

RECORDS_VARIABLE = "DOVETAIL_RECORDS"
APPLICATION = int.from_bytes(b"DvTl", "big")
"""Stands in the file's header, and says whose it is."""
SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
"""How long one waits for another who writes."""
_RETRY_SECONDS = 0.02
_TABLE = """
CREATE TABLE record (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    operator TEXT NOT NULL, workload TEXT NOT NULL, target TEXT NOT NULL, machine TEXT NOT NULL, memory TEXT NOT NULL,
    knobs TEXT NOT NULL,
    status TEXT NOT NULL, cost REAL, message TEXT NOT NULL, seconds REAL NOT NULL,
    device TEXT NOT NULL, at TEXT NOT NULL, versions TEXT NOT NULL, seed INTEGER, trial INTEGER
)
"""
_INDEX = "CREATE INDEX record_of_task ON record (operator, workload, target, machine, memory, knobs)"
_AWAY = f"set {RECORDS_VARIABLE} to another file"


class RecordsError(ValueError):
    """Records cannot be read or written. The message is one line: the file, what is wrong, and the way out."""


def default_path() -> Path:
    """``$DOVETAIL_RECORDS``, or ``tuning.sqlite`` in the cache folder."""
    chosen = os.environ.get(RECORDS_VARIABLE)
    return Path(chosen).expanduser() if chosen else cache_dir() / "tuning.sqlite"


def writable(path: Path) -> bool:
    """Whether a file is there that we may write, and beside it, where SQLite keeps its log."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite and the system as RecordsError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        why = "another process keeps it locked" if "locked" in str(error) else getattr(error, "strerror", None) or error
        raise RecordsError(f"{path} cannot serve as tuning records: {why}; move it away, or {_AWAY}") from None


def open_to_write(path: Path) -> sqlite3.Connection:
    """A connection to a file that is created if it is missing; errors are for `explained`.

    Raises
    ------
    RecordsError:
        The file is another program's, or of another version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = _connect(path, "mode=rwc")
    try:
        if _is_new(database, path):
            _create(database, path)
        # What a killed process had committed is the system's to write; only a power cut could take it.
        database.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        database.close()
        raise
    return database


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; to no records at all where there is no file. Errors as in `open_to_write`."""
    # Where SQLite may not write its index of the log, the file can be read as one that nobody changes meanwhile.
    for mode in ("mode=ro", "mode=ro&immutable=1") if path.exists() else ():
        database = _connect(path, mode)
        try:
            if not _is_new(database, path):
                return database
            database.close()
            break
        except BaseException as error:
            database.close()
            if not isinstance(error, sqlite3.OperationalError) or "immutable" in mode:
                raise
    database = sqlite3.connect(":memory:")
    database.execute(_TABLE)
    return database


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))  # SQLite's words depend on the mode
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _is_new(database: sqlite3.Connection, path: Path) -> bool:
    """Whether there is nothing in it yet."""
    database.execute("BEGIN")  # or another process could fill it between the questions
    try:
        return _is_empty(database, path)
    finally:
        database.execute("ROLLBACK")


def _is_empty(database: sqlite3.Connection, path: Path) -> bool:
    questions = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    kind, version, tables = (database.execute(question).fetchone()[0] for question in questions)
    if kind == version == tables == 0:
        return True
    if kind != APPLICATION:
        raise RecordsError(f"{path} is another program's database; {_AWAY}")
    if version != SCHEMA_VERSION:
        raise RecordsError(
            f"{path} has version {version} of the tables of tuning records, and this reads version {SCHEMA_VERSION}; "
            f"{_AWAY}, or export its records with the program that wrote it and import them"
        )
    return False


def _create(database: sqlite3.Connection, path: Path) -> None:
    _keep_a_log(database)
    database.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(database, path):  # another process may have been first
            database.execute(_TABLE)
            database.execute(_INDEX)
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _keep_a_log(database: sqlite3.Connection) -> None:
    """Let readers and a writer not wait for each other. SQLite itself does not wait for its turn to change this."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_SECONDS)
