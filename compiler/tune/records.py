"""What was measured, in one SQLite file: written by several processes at once, and whole whenever one is killed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dovetail.isa.container import replace_file

from .outcome import Outcome
from .record import FIELDS, Record, as_json, from_fields, from_line, now, plain
from .record_file import (
    RECORDS_VARIABLE,
    RecordsError,
    default_path,
    explained,
    open_to_read,
    open_to_write,
    writable,
)
from .task import Task

__all__ = ["Record", "Records", "RecordsError", "default_path"]

_TASK = tuple(field.name for field in fields(Task))
_SELECT = f"SELECT {', '.join(FIELDS)} FROM record AS found"
_OF_TASK = " AND ".join(f"{name} = ?" for name in _TASK)
_INSERT = f"INSERT OR IGNORE INTO record ({', '.join(FIELDS)}, digest) VALUES ({', '.join('?' * len(FIELDS))}, ?)"
_SAME = " AND ".join(f"other.{name} = found.{name}" for name in (*_TASK, "knobs"))
_WRONG = f"SELECT 1 FROM record AS other WHERE {_SAME} AND status = 'wrong'"
_AGAIN = f"SELECT 1 FROM record AS other WHERE {_SAME} AND other.device = found.device"
_AGAIN += " AND other.versions = found.versions AND status = 'ok' AND (other.at, other.id) > (found.at, found.id)"


class Records:
    """The records in a file, a context manager; of one thread.

    A record that was added is there for everyone, at once and after this process is killed; after a power cut the last
    ones may be missing.

    Parameters
    ----------
    path:
        The file; created if it is missing.
    read_only:
        Change nothing; a file that is missing has no records. Where the file or its folder is not ours to write, this
        is so by itself, if there is a file.

    Attributes
    ----------
    read_only:
        Whether nothing can be added.

    Raises
    ------
    RecordsError:
        The file is not of this kind, of another version, damaged, or can neither be read nor created. Methods raise it
        too, when the file is damaged later, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path).absolute()
        self.read_only = read_only or (self.path.is_file() and not writable(self.path))
        with explained(self.path):
            self._database = (open_to_read if self.read_only else open_to_write)(self.path)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        task: Task,
        knobs: Mapping[str, Any],
        outcome: Outcome,
        *,
        device: str,
        versions: Mapping[str, str],
        seed: int | None = None,
        trial: int | None = None,
    ) -> Record:
        """Write an outcome; it is in the file when this returns.

        Raises
        ------
        TypeError, ValueError:
            The knobs are not of JSON's types.
        """
        record = Record(
            task=task,
            knobs=knobs,
            outcome=replace(outcome, message=plain(outcome.message)),
            device=device,
            at=now(),
            versions=versions,
            seed=seed,
            trial=trial,
        )
        self._insert([record])
        return record

    def best(
        self, task: Task, *, versions: Mapping[str, str] | None = None, simulators: Sequence[str] = ()
    ) -> Record | None:
        """The record of least cost, of those of real devices if there are any; None without one.

        A schedule that was ever found to be wrong does not count. Of one that was measured again, on the same device by
        the same versions, the last measurement does.

        Parameters
        ----------
        versions:
            Only what was measured by these counts; programs that are not named may be of any version.
        simulators:
            The devices that are not real.
        """
        real_first = f"device IN ({', '.join('?' * len(simulators))})"
        condition = f"WHERE {_OF_TASK} AND status = 'ok' AND NOT EXISTS ({_WRONG}) AND NOT EXISTS ({_AGAIN})"
        condition += f" ORDER BY {real_first}, cost, at, id"
        found = self._select(condition if versions else f"{condition} LIMIT 1", (*astuple(task), *simulators))
        return next((record for record in found if record.is_of(versions or {})), None)

    def of(self, task: Task) -> list[Record]:
        """All records of a task, in the order in which they were written."""
        return self._select(f"WHERE {_OF_TASK} ORDER BY id", astuple(task))

    def tasks(self) -> list[Task]:
        """What there are records of, in the order of their fields."""
        names = ", ".join(_TASK)
        query = f"SELECT DISTINCT {names} FROM record ORDER BY {names}"
        with explained(self.path):
            return [Task(**dict(zip(_TASK, row, strict=True))) for row in self._database.execute(query)]

    def export_lines(self, path: str | os.PathLike[str]) -> int:
        """Write all records to a file, one in a line as JSON; how many there are."""
        found = self._select("ORDER BY id", ())
        try:
            replace_file(path, "".join(f"{record.as_line()}\n" for record in found).encode())
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
        return len(found)

    def import_lines(self, path: str | os.PathLike[str]) -> int:
        """Add what `export_lines` wrote, all or nothing; how many of them were not here before."""
        found = []
        try:
            with Path(path).open("rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        if line.strip():
                            found.append(from_line(line.decode()))
                    except ValueError as error:
                        raise RecordsError(f"{path}, line {number}: {error}; nothing was imported") from None
        except OSError as error:
            raise RecordsError(f"{path}: {error.strerror or error}") from None
        return self._insert(found)

    def _insert(self, records: Sequence[Record]) -> int:
        """Write records in one transaction; how many were not there yet."""
        rows = [_row(record) for record in records]
        if self.read_only:
            raise RecordsError(f"{self.path} can only be read here; set {RECORDS_VARIABLE} to another file")
        with explained(self.path), self._database:  # which commits, or takes all back
            self._database.execute("BEGIN IMMEDIATE")
            return sum(self._database.execute(_INSERT, row).rowcount for row in rows)

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Record]:
        with explained(self.path):
            rows = self._database.execute(f"{_SELECT} {condition}", values).fetchall()
        try:
            return [_record(row) for row in rows]
        except ValueError as error:
            raise RecordsError(f"{self.path} is damaged: {error}; move it away") from None


def _row(record: Record) -> tuple[object, ...]:
    line = record.as_line()
    content = json.loads(line)
    content |= {name: as_json(content[name]) for name in ("knobs", "versions")}
    return (*(content[name] for name in FIELDS), hashlib.sha256(line.encode()).digest())


def _record(row: Sequence[Any]) -> Record:
    content = dict(zip(FIELDS, row, strict=True))
    return from_fields(content | {name: json.loads(content[name]) for name in ("knobs", "versions")})
