"""SQLite: the best code that we can write by hand, the same through SQLAlchemy, and kairos.

All three keep the same rows: the same keys, WITHOUT ROWID, in a file in WAL mode, ``synchronous`` as SQLite has it.
The hand-written code knows its two intervals, so it groups points once for both, and it counts on what it knows: for
instance that a sum of an hour may be computed by the database.
"""

from __future__ import annotations

import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.harness import Comparison, compare
from benchmarks.verbs import MINUTES_KEPT, NOW, Histogram, Kairos, Point, Scale, Store, cases

__all__ = ["SQL", "Core", "Execute", "HandWritten", "Row", "run"]

Row = Sequence[Any]
Execute = Callable[[str, Row], Any]

WAL = "PRAGMA journal_mode=WAL"
SCHEMA = """
CREATE TABLE delays (
    prefix VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, interval VARCHAR(255) NOT NULL,
    i_time BIGINT NOT NULL, r_time BIGINT NOT NULL, value DOUBLE NOT NULL,
    n BIGINT NOT NULL CHECK (typeof(n) = 'integer'), expires_at BIGINT,
    PRIMARY KEY (prefix, name, interval, i_time, r_time, value)
) WITHOUT ROWID"""
UPSERT = """
INSERT INTO delays VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (prefix, name, interval, i_time, r_time, value) DO UPDATE SET n = n + excluded.n"""
OF_NAME = "prefix = '' AND name = ?"
OF_MINUTE = f"{OF_NAME} AND interval = 'minute'"
OF_HOUR = f"{OF_NAME} AND interval = 'hour'"
GET = f"SELECT value, n FROM delays WHERE {OF_MINUTE} AND i_time = ?"
SERIES = f"SELECT i_time, value, n FROM delays WHERE {OF_MINUTE} AND i_time BETWEEN ? AND ?"
FINE = f"SELECT i_time, r_time, value, n FROM delays WHERE {OF_HOUR} AND i_time BETWEEN ? AND ?"
CONDENSED = f"""
SELECT i_time, value, sum(n) FROM delays WHERE {OF_HOUR} AND i_time BETWEEN ? AND ? GROUP BY i_time, value"""
BOUNDS = f"""
SELECT (SELECT min(i_time) FROM delays WHERE {OF_MINUTE} AND i_time >= ?),
       (SELECT max(i_time) FROM delays WHERE {OF_MINUTE} AND i_time >= ?),
       (SELECT min(i_time) FROM delays WHERE {OF_HOUR}), (SELECT max(i_time) FROM delays WHERE {OF_HOUR})"""
# From name to name by the index: DISTINCT would read every row.
NAMES = """
WITH RECURSIVE names(name) AS (
    SELECT min(name) FROM delays WHERE prefix = ''
    UNION ALL
    SELECT (SELECT min(name) FROM delays WHERE prefix = '' AND name > names.name) FROM names WHERE name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL AND (
    EXISTS (SELECT 1 FROM delays d WHERE prefix = '' AND d.name = names.name AND interval = 'hour')
    OR EXISTS (SELECT 1 FROM delays d WHERE prefix = '' AND d.name = names.name AND interval = 'minute' AND i_time >= ?)
)"""
CELLS = "SELECT count(*) FROM (SELECT 1 FROM delays WHERE {} GROUP BY name, interval, i_time, r_time) AS cells"
OLD = "prefix = '' AND interval = 'minute' AND i_time < ?"


class SQL(ABC):
    """What the two have in common, which is all but how a statement is sent."""

    now = NOW

    @abstractmethod
    def _read(self, sql: str, *parameters: Any) -> Iterable[Any]:
        """The rows of a query."""

    @abstractmethod
    def _write(self, sql: str, rows: list[Row]) -> None:
        """One statement for many rows, as one transaction."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Execute]:
        """Several statements as one transaction."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    @property
    def _cutoff(self) -> int:
        return self.now // 60 - MINUTES_KEPT + 1

    def bulk_insert(self, points: Iterable[Point]) -> None:
        found: dict[tuple[str, int, int], int] = {}
        for name, value, timestamp in points:
            key = (name, timestamp // 60, value)
            found[key] = found.get(key, 0) + 1
        rows: list[Row] = [
            ("", name, "minute", minute, -1, value, n, (minute + MINUTES_KEPT) * 60)
            for (name, minute, value), n in found.items()
        ]
        rows += [("", name, "hour", minute // 60, minute, value, n, None) for (name, minute, value), n in found.items()]
        self._write(UPSERT, rows)

    def insert(self, name: str, value: int, timestamp: int) -> None:
        minute = timestamp // 60
        coarse = ("", name, "minute", minute, -1, value, 1, (minute + MINUTES_KEPT) * 60)
        self._write(UPSERT, [coarse, ("", name, "hour", minute // 60, minute, value, 1, None)])

    def get(self, name: str, timestamp: int) -> dict[int, Histogram]:
        minute = timestamp // 60
        rows = self._read(GET, name, minute) if minute >= self._cutoff else ()
        return {minute * 60: {value: n for value, n in rows}}  # noqa: C416 - dict() does not take rows of SQLAlchemy

    def series(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        first, last = start // 60, end // 60
        found: dict[int, Histogram] = {minute * 60: {} for minute in range(first, last + 1)}
        for minute, value, n in self._read(SERIES, name, max(first, self._cutoff), last):
            found[minute * 60][value] = n
        return found

    def condensed(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        first, last = start // 3_600, end // 3_600
        found: dict[int, Histogram] = {hour * 3_600: {} for hour in range(first, last + 1)}
        for hour, value, n in self._read(CONDENSED, name, first, last):
            found[hour * 3_600][value] = n
        return found

    def fine(self, name: str, start: int, end: int) -> dict[int, dict[int, Histogram]]:
        first, last = start // 3_600, end // 3_600
        found: dict[int, dict[int, Histogram]] = {hour * 3_600: {} for hour in range(first, last + 1)}
        for hour, minute, value, n in self._read(FINE, name, first, last):
            within = found[hour * 3_600]
            if minute * 60 in within:
                within[minute * 60][value] = n
            else:
                within[minute * 60] = {value: n}
        return found

    def iterate(self, name: str) -> Iterable[tuple[int, Histogram]]:
        found = self.properties(name).get("minute")
        return self.series(name, found["first"], found["last"]).items() if found else ()

    def names(self) -> list[str]:
        return [name for (name,) in self._read(NAMES, self._cutoff)]

    def properties(self, name: str) -> dict[str, dict[str, int]]:
        ((first, last, first_hour, last_hour),) = self._read(BOUNDS, name, self._cutoff, name, self._cutoff, name, name)
        found = {}
        if first is not None:
            found["minute"] = {"first": first * 60, "last": last * 60}
        if first_hour is not None:
            found["hour"] = {"first": first_hour * 3_600, "last": last_hour * 3_600}
        return found

    def delete(self, name: str) -> int:
        with self._transaction() as execute:
            visible = f"{OF_NAME} AND (interval = 'hour' OR i_time >= ?)"
            removed: int = execute(CELLS.format(visible), (name, self._cutoff)).fetchone()[0]
            execute(f"DELETE FROM delays WHERE {OF_NAME}", (name,))
        return removed

    def expire(self) -> int:
        with self._transaction() as execute:
            removed: int = execute(CELLS.format(OLD), (self._cutoff,)).fetchone()[0]
            execute(f"DELETE FROM delays WHERE {OLD}", (self._cutoff,))
        return removed

    def delete_all(self) -> None:
        with self._transaction() as execute:
            execute("DELETE FROM delays WHERE prefix = ''", ())


class HandWritten(SQL):
    """The sqlite3 module alone."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file)
        self._db.execute(WAL)
        self._db.execute(SCHEMA)

    def _read(self, sql: str, *parameters: Any) -> Iterable[Any]:
        return self._db.execute(sql, parameters)

    def _write(self, sql: str, rows: list[Row]) -> None:
        with self._db:
            self._db.executemany(sql, rows)

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db.execute

    def close(self) -> None:
        self._db.close()


class Core(SQL):
    """SQLAlchemy Core, by its fastest way: the driver's own SQL and plain tuples through a pooled Connection."""

    def __init__(self, file: Path) -> None:
        self._engine = sa.create_engine(f"sqlite:///{file}")
        sa.event.listen(self._engine, "connect", lambda connection, _: connection.execute(WAL))
        with self._engine.begin() as connection:
            connection.exec_driver_sql(SCHEMA)

    def _read(self, sql: str, *parameters: Any) -> Iterable[Any]:
        with self._engine.connect() as connection:
            return connection.exec_driver_sql(sql, parameters).all()

    def _write(self, sql: str, rows: list[Row]) -> None:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(sql, rows)

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._engine.begin() as connection:
            yield connection.exec_driver_sql

    def close(self) -> None:
        self._engine.dispose()


def run(scale: Scale, rounds: int) -> Iterator[Comparison]:
    """Each verb, one after the other."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        numbers = count()

        def new(make: Callable[[Path], Store]) -> Store:
            return make(Path(folder, f"{next(numbers)}.sqlite"))

        makers = {
            "by hand": partial(new, HandWritten),
            "Core": partial(new, Core),
            "kairos": partial(new, lambda file: Kairos(f"sqlite:///{file.as_posix()}")),
        }
        for case in cases(scale):
            yield compare(case, makers, rounds)
