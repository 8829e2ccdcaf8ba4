"""Records stay: with several writers, after any kill, and through export and import."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.compiler.tune.outcome import Outcome, Status
from dovetail.compiler.tune.records import Records, RecordsError, default_path
from dovetail.compiler.tune.task import Task

TASK = Task(
    operator="conv2d", workload="1,56,56,64,64,3,1,1", target="vdla", machine="0123456789abcdef", memory="64:16"
)
VERSIONS = {"dovetail": "1"}
KILLS = 50
SEED = 20261123
NOBODY = 65534

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8)
tasks = st.builds(Task, operator=texts, workload=texts, target=texts, machine=texts, memory=texts)
knobs = st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts | st.lists(st.integers()), max_size=4)
durations = st.floats(0, allow_infinity=False)
costs = st.floats(0, exclude_min=True, allow_infinity=False)
messages = st.text()  # anything at all, halves of characters too
outcomes = st.builds(Outcome, status=st.just(Status.OK), cost=costs, seconds=durations, message=messages) | st.builds(
    Outcome, status=st.sampled_from([s for s in Status if s is not Status.OK]), seconds=durations, message=messages
)


def ok(cost: float) -> Outcome:
    return Outcome(status=Status.OK, cost=cost)


def add(
    records: Records, number: int, outcome: Outcome, task: Task = TASK, versions: dict[str, str] = VERSIONS
) -> None:
    records.add(task, {"tile": number}, outcome, device="timing", versions=versions)


def fork(action: Callable[[], object]) -> int:
    """A process that does it and ends at once: what a test process holds is not closed on its behalf."""
    child = os.fork()
    if child:
        return child
    try:
        action()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def whole(path: Path) -> bool:
    with sqlite3.connect(path) as database:
        return [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(tasks, knobs, outcomes, st.none() | st.integers(0, 1 << 40)), max_size=6))
def test_what_was_added_comes_back_and_travels_as_lines(content: list[tuple[Task, dict, Outcome, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, lines, again = (Path(folder) / name for name in ("a", "lines", "again"))
        with Records(path) as records, Records(Path(folder) / "b") as other:
            added = [
                records.add(task, some, outcome, device="rtl", versions=VERSIONS, seed=seed, trial=seed)
                for task, some, outcome, seed in content
            ]
            for task in {task for task, *_ in content}:
                assert records.of(task) == [record for record in added if record.task == task]
            assert set(records.tasks()) == {task for task, *_ in content}
            assert records.export_lines(lines) == len(added)
            assert other.import_lines(lines) == len(added)
            assert other.import_lines(lines) == 0
            other.export_lines(again)
            assert again.read_bytes() == lines.read_bytes()
        for line in lines.read_text().splitlines():
            assert isinstance(json.loads(line), dict)


def test_the_best_is_the_cheapest_that_was_right(tmp_path: Path) -> None:
    with Records(tmp_path / "records") as records:
        assert records.best(TASK) is None
        for number, cost in enumerate((30.0, 20.0, 10.0, 20.0)):
            add(records, number, ok(cost))
        for status in Status:
            if status is not Status.OK:
                add(records, 9, Outcome(status=status))
        for other in ({"machine": "f"}, {"memory": "300:2"}, {"workload": "1"}):
            add(records, 5, ok(1.0), replace(TASK, **other))
        best = records.best(TASK)
        assert best is not None and (best.knobs, best.outcome.cost) == ({"tile": 2}, 10.0)
        add(records, 2, Outcome(status=Status.WRONG))
        best = records.best(TASK)
        assert best is not None and best.knobs == {"tile": 1}, (
            "what is wrong later does not count, the first of equals does"
        )
        add(records, 9, ok(1.0))
        best = records.best(TASK)
        assert best is not None and best.knobs == {"tile": 1}, "nor what was wrong before"


def test_the_last_measurement_of_a_schedule_is_the_one_that_counts(tmp_path: Path) -> None:
    with Records(tmp_path / "records") as records:
        for number, cost in ((0, 10.0), (1, 20.0), (0, 30.0)):
            add(records, number, ok(cost))
        add(records, 1, Outcome(status=Status.TIMEOUT))
        add(records, 1, ok(40.0), versions={"dovetail": "another"})
        best = records.best(TASK)
        assert best is not None and (best.knobs, best.outcome.cost) == ({"tile": 1}, 20.0)


def test_what_a_board_measured_goes_before_what_was_simulated(tmp_path: Path) -> None:
    with Records(tmp_path / "records") as records:
        for device, cost in (("timing", 10.0), ("ulx3s-85f", 30.0), ("ulx3s-85f", 20.0), ("rtl", 5.0)):
            records.add(TASK, {"tile": cost}, ok(cost), device=device, versions=VERSIONS)
        best = records.best(TASK, simulators=("rtl", "timing"))
        assert best is not None and (best.device, best.outcome.cost) == ("ulx3s-85f", 20.0)


@pytest.mark.parametrize("cost", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cost_is_finite_and_above_0(cost: float) -> None:
    with pytest.raises(ValueError, match="a cost must be finite and above 0"):
        ok(cost)


def test_the_best_of_some_versions(tmp_path: Path) -> None:
    with Records(tmp_path / "records") as records:
        add(records, 0, ok(10.0), versions={"dovetail": "1", "python": "3.11"})
        add(records, 1, ok(20.0), versions={"dovetail": "2", "python": "3.11"})
        found = [records.best(TASK, versions=only) for only in ({"dovetail": "2"}, {"python": "3.11"}, {"gcc": "12"})]
        assert [record and record.knobs["tile"] for record in found] == [1, 0, None]


def test_a_writer_killed_at_any_moment_loses_nothing_that_it_reported(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    print("seed", SEED)
    path = tmp_path / "records"
    reported: list[int] = []
    for kill in range(KILLS):
        if kill % 10 == 0:  # some are killed while they create the file
            path, reported = tmp_path / f"records-{kill}", []
        reader, writer = os.pipe()

        def write(first: int = kill * 1000000, path: Path = path, pipe: int = writer) -> None:
            with Records(path) as records:
                for number in range(first, first + 1000000):
                    add(records, number, ok(1.0 + number))
                    os.write(pipe, f"{number}\n".encode())

        child = fork(write)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            time.sleep(rng.uniform(0, 0.01 if kill % 10 == 0 else 0.08))
            os.kill(child, signal.SIGKILL)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it wrote until it was killed"
            reported += [int(line) for line in pipe.read().split()]
        with Records(path) as records:
            found = [record.knobs["tile"] for record in records.of(TASK)]
        assert set(reported) <= set(found)
        assert len(found) == len(set(found)) <= len(reported) + kill % 10 + 1, "each kill leaves at most one unreported"
        assert whole(path)
    assert reported, "some lived long enough to write"


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path, count = tmp_path / "records", 300

    def write(first: int) -> None:
        with Records(path) as records:
            for number in range(first, first + count):
                add(records, number, ok(1.0))

    children = [fork(lambda first=first: write(first)) for first in (0, count)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    with Records(path) as records:
        assert Counter(record.knobs["tile"] for record in records.of(TASK)) == Counter(range(2 * count))
    assert whole(path)


def test_a_reader_sees_what_another_process_adds(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with Records(path) as writer, Records(path, read_only=True) as reader:
        add(writer, 0, ok(1.0))
        assert len(reader.of(TASK)) == 1
        with pytest.raises(RecordsError, match="can only be read here; set DOVETAIL_RECORDS to another file"):
            add(reader, 1, ok(1.0))


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with Records(tmp_path / "none" / "records", read_only=True) as records:
        assert records.best(TASK) is None and records.tasks() == []
    assert not list(tmp_path.iterdir())


def test_records_of_another_user_are_read() -> None:
    """In a folder that is not ours to write, SQLite cannot keep its files beside the records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        with Records(path) as records:
            add(records, 0, ok(1.0))
        path.chmod(0o444)
        Path(folder).chmod(0o555)

        def read() -> None:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            with Records(path) as records:
                assert records.read_only and len(records.of(TASK)) == 1

        assert os.waitpid(fork(read), 0)[1] == 0
        Path(folder).chmod(0o755)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (title)")


def of_the_future(path: Path) -> None:
    Records(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")


def torn(path: Path) -> None:
    with Records(path) as records:
        for number in range(200):
            add(records, number, ok(1.0))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("once upon a time\n" * 100), "file is not a database; move it away"),
        (foreign, "is another program's database"),
        (of_the_future, "has version 2 of the tables of tuning records, and this reads version 1"),
        (torn, "malformed; move it away"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_a_file_that_holds_no_records(
    tmp_path: Path, make: Callable[[Path], object], says: str, read_only: bool
) -> None:
    path = tmp_path / "records"
    make(path)
    with pytest.raises(RecordsError, match=says) as caught:
        Records(path, read_only=read_only).of(TASK)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    assert "DOVETAIL_RECORDS" in str(caught.value)


def line(**changes: object) -> str:
    content = {
        **{"operator": "o", "workload": "w", "target": "cpu", "machine": "m", "memory": "", "knobs": {}, "cost": 1.0},
        **{"status": "ok", "message": "", "seconds": 1, "device": "cpu", "at": "2026-11-23T10:00:00+01:00"},
        **{"versions": {}, "seed": None, "trial": 3},
    }
    return json.dumps({name: value for name, value in (content | changes).items() if value != "absent"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100000, "not JSON"),
        ("\udc80", "codec can't decode"),
        ("[]", "not a JSON object"),
        (line(knobs="absent"), "'knobs' is missing"),
        (line(colour=1), "unknown field 'colour'"),
        (line(knobs=[]), "'knobs' must be an object"),
        (line(status="fine"), "'status' must be one of ok, wrong"),
        (line(status=[]), "'status' must be one of ok, wrong"),
        (line(cost=float("nan")), "'cost' must be a number above 0 or null"),
        *((line(cost=cost), "'cost' must be a number above 0 or null") for cost in (0, -1.0)),
        (line(cost=None), "a cost exactly when it is ok"),
        (line(cost=True), "'cost' must be a number above 0 or null"),
        (line(at="yesterday"), "'at' must be a time with its zone"),
        (line(at="2026-11-23T10:00:00"), "'at' must be a time with its zone"),
        (line(versions={"a": 1}), "'versions' must be an object of texts"),
        (line(operator=1), "'operator' must be a line of text"),
        (line(trial=1 << 70), "'trial' must be a whole number"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_imported(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "lines"
    path.write_bytes(f"{line()}\n\n{text}\n{line(trial=4)}\n".encode(errors="surrogateescape"))
    with Records(tmp_path / "records") as records:
        with pytest.raises(RecordsError, match=says) as caught:
            records.import_lines(path)
        assert str(caught.value).startswith(f"{path}, line 3: ") and "\n" not in str(caught.value)
        assert records.tasks() == []


def test_the_same_record_in_other_words_is_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text(f"{line()}\n{line(cost=1, at='2026-11-23T09:00:00Z')}\n{line(trial=4)}\n")
    with Records(tmp_path / "records") as records:
        assert records.import_lines(path) == 2
        with pytest.raises(RecordsError, match="No such file"):
            records.import_lines(tmp_path / "none")


def test_where_records_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    monkeypatch.delenv("DOVETAIL_RECORDS", raising=False)
    assert default_path() == tmp_path / "tuning.sqlite"
    monkeypatch.setenv("DOVETAIL_RECORDS", str(tmp_path / "mine"))
    assert default_path() == tmp_path / "mine"
