"""Cassandra: the driver's execute_concurrent_with_args, written by hand with grouped points, and kairos.

Both use the same session and statements on tables of the same columns, cut into partitions of the same length, on the
same node: that of ``KAIROS_BENCH_CASSANDRA_URL``, else one that the servers of the conformance suite start. Each store
has a prefix of its own in these tables.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid1

from attrs import evolve, frozen
from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster, Session
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.query import BatchStatement, BatchType

from benchmarks.harness import Case, Comparison, compare, started
from kairos import Timeseries

__all__ = ["Amount", "run"]

Type: TypeAlias = Literal["count", "histogram", "series"]
Point: TypeAlias = tuple[str, int, int]
Series: TypeAlias = dict[int, Any]

URL = "KAIROS_BENCH_CASSANDRA_URL"
KEPT = 10_000
INTERVALS: Mapping[str, Mapping[str, Any]] = {
    "minute": {"step": 60, "steps": KEPT},
    "hour": {"step": 3_600, "resolution": 60},
}
KEYSPACE = "kairos_bench"
BATCH = 50  # rows: below the size from which a server warns
# How long a partition is, in seconds: about what kairos makes of these intervals.
STRETCH = {"count": 5_600_000, "histogram": 560_000, "series": 560_000}
_KEY = "prefix text, name text, interval text, generation bigint, start bigint, i_time bigint, r_time bigint"
_WHERE = "prefix = ? AND name = ? AND interval = ? AND generation = ? AND start = ?"
_COLUMNS: Mapping[Type, tuple[str, str]] = {  # beside the key: of the clustering key, and of the value
    "count": ("", "count counter"),
    "histogram": ("value bigint", "count counter"),
    "series": ("id timeuuid", "value bigint"),
}


@frozen(kw_only=True)
class Amount:
    """How much is done."""

    points: int = 10_000
    minutes: int = 500
    values: int = 10
    singles: int = 200


class ByHand:
    """The driver alone, by someone who knows the two intervals, the names and their partitions."""

    def __init__(self, session: Session, kind: Type, prefix: str) -> None:
        self._session, self._kind, self._prefix = session, kind, prefix
        further, value = _COLUMNS[kind]
        table, columns = f"{KEYSPACE}.by_hand_{kind}", ", ".join(filter(None, [_KEY, further, value]))
        order = ", ".join(["i_time", "r_time", *further.split()[:1]])
        session.execute(
            f"CREATE TABLE IF NOT EXISTS {table} "
            f"({columns}, PRIMARY KEY ((prefix, name, interval, generation, start), {order}))"
        )
        if kind == "series":
            names = "prefix, name, interval, generation, start, i_time, r_time, id, value"
            self._add = session.prepare(
                f"INSERT INTO {table} ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ? AND TIMESTAMP ?"
            )
        else:
            also = " AND value = ?" if kind == "histogram" else ""
            self._add = session.prepare(
                f"UPDATE {table} SET count = count + ? WHERE {_WHERE} AND i_time = ? AND r_time = ?{also}"
            )
        selected = {"count": "count", "histogram": "value, count", "series": "value"}[kind]
        self._read = session.prepare(
            f"SELECT i_time, r_time, {selected} FROM {table} WHERE {_WHERE} AND i_time >= ? AND i_time <= ?"
        )
        self._add.consistency_level = self._read.consistency_level = ConsistencyLevel.LOCAL_QUORUM

    def write(self, points: Iterable[Point]) -> None:
        grouped: dict[tuple[str, int], dict[int, int]] = {}
        listed: dict[tuple[str, int], list[int]] = {}
        for name, value, timestamp in points:
            key = (name, timestamp // 60)
            if self._kind == "series":
                listed.setdefault(key, []).append(value)
                continue
            member, number = (0, value) if self._kind == "count" else (value, 1)
            counts = grouped.setdefault(key, {})
            counts[member] = counts.get(member, 0) + number
        if self._kind == "series":
            self._send(self._rows(listed))
        else:
            self._send(self._counters(grouped))

    def insert(self, name: str, value: int, timestamp: int) -> None:
        self.write([(name, value, timestamp)])

    def _send(self, arguments: Iterable[Sequence[Any]]) -> None:
        execute_concurrent_with_args(self._session, self._add, list(arguments), concurrency=100)

    def _cells(self, name: str, minute: int) -> Iterator[tuple[tuple[Any, ...], int]]:
        """The key of a minute in both intervals, and for how many seconds it is kept."""
        now, time = int(NOW), minute * 60
        start = time - time % STRETCH[self._kind]
        yield (self._prefix, name, "minute", 0, start, minute, -1), (minute + KEPT) * 60 - now
        yield (self._prefix, name, "hour", 0, start, minute // 60, minute), 0

    def _counters(self, grouped: Mapping[tuple[str, int], Mapping[int, int]]) -> Iterator[Sequence[Any]]:
        for (name, minute), counts in grouped.items():
            for key, _ in self._cells(name, minute):
                for value, number in counts.items():
                    yield (number, *key, value) if self._kind == "histogram" else (number, *key)

    def _rows(self, listed: Mapping[tuple[str, int], Sequence[int]]) -> Iterator[Sequence[Any]]:
        timestamp = time.time_ns() // 1_000
        for (name, minute), values in listed.items():
            for key, ttl in self._cells(name, minute):
                for value in values:
                    yield (*key, uuid1(), value, ttl, timestamp)

    def coarse(self, name: str, start: int, end: int) -> Series:
        first, last = start // 60, end // 60
        found: Series = {minute * 60: self._empty() for minute in range(first, last + 1)}
        for minute, _, *data in self._rows_between(name, "minute", (start, end), (first, last)):
            self._put(found, minute * 60, data)
        return found

    def fine(self, name: str, start: int, end: int) -> Series:
        first, last = start // 3_600, end // 3_600
        found: Series = {hour * 3_600: {} for hour in range(first, last + 1)}
        for hour, minute, *data in self._rows_between(name, "hour", (first * 3_600, end), (first, last)):
            self._put(found[hour * 3_600], minute * 60, data)
        return found

    def _rows_between(
        self, name: str, interval: str, times: tuple[int, int], buckets: tuple[int, int]
    ) -> Iterator[Sequence[Any]]:
        stretch = STRETCH[self._kind]
        partitions = range(times[0] - times[0] % stretch, times[1] + 1, stretch)
        arguments = [(self._prefix, name, interval, 0, start, *buckets) for start in partitions]
        for answer in execute_concurrent_with_args(self._session, self._read, arguments):
            yield from answer.result_or_exc

    def _empty(self) -> Any:
        return {"count": 0, "histogram": {}, "series": []}[self._kind]

    def _put(self, found: Series, time: int, data: Sequence[Any]) -> None:
        if self._kind == "count":
            found[time] = data[0]
        elif self._kind == "histogram":
            found.setdefault(time, {})[data[0]] = data[1]
        else:
            found.setdefault(time, []).append(data[0])

    def close(self) -> None:
        """Leave the data: the next store has another prefix."""


class Batched(ByHand):
    """The same with the rows of a partition put together in batches, as kairos does."""

    def _send(self, arguments: Iterable[Sequence[Any]]) -> None:
        first = 0 if self._kind == "series" else 1  # where the key begins
        partitions: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
        for row in arguments:
            partitions.setdefault(tuple(row[first : first + 5]), []).append(row)
        kind = BatchType.UNLOGGED if self._kind == "series" else BatchType.COUNTER
        batches = []
        for rows in partitions.values():
            for start in range(0, len(rows), BATCH):
                batch = BatchStatement(kind, consistency_level=ConsistencyLevel.LOCAL_QUORUM)
                for row in rows[start : start + BATCH]:
                    batch.add(self._add, row)
                batches.append((batch, ()))
        execute_concurrent(self._session, batches, concurrency=100)


class Kairos:
    """kairos, on the session."""

    def __init__(self, session: Session, kind: Type, prefix: str) -> None:
        self._series = Timeseries(
            session, type=kind, prefix=prefix, intervals=INTERVALS, value_type=int, keyspace=KEYSPACE
        )

    def write(self, points: Iterable[Point]) -> None:
        self._series.bulk_insert(points)

    def insert(self, name: str, value: int, timestamp: int) -> None:
        self._series.insert(name, value, timestamp)

    def coarse(self, name: str, start: int, end: int) -> Series:
        return self._series.series(name, "minute", start, end)

    def fine(self, name: str, start: int, end: int) -> Series:
        return self._series.series(name, "hour", start, end)

    def close(self) -> None:
        self._series.close()


NOW = time.time()
# Those of a new installation.
SETTINGS = ['jvm=["-Xmx1g"]', 'commitlog_sync="periodic"', 'commitlog_sync_period="10000ms"']


@contextmanager
def _session() -> Iterator[Session | None]:
    """A session on the node to measure on, with an empty keyspace; None if there is no node."""
    with ExitStack() as stack:
        url = os.environ.get(URL) or stack.enter_context(started("cassandra", *SETTINGS))
        if not url:
            yield None
            return
        where = urlsplit(url)
        cluster = Cluster([where.hostname], port=where.port or 9042, protocol_version=5)
        stack.callback(cluster.shutdown)
        session = cluster.connect()
        session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
        session.execute(
            f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        )
        yield session


def run(amount: Amount, rounds: int) -> Iterator[Comparison]:
    """Writing in a batch and one by one, and reading 500 buckets, of three types; nothing where there is no node."""
    with _session() as session:
        if session is None:
            return
        kinds: Sequence[Type] = ("series", "histogram", "count")
        for kind in kinds:
            prefixes = (f"{kind}{number}" for number in count())

            def maker(contestant: Any, kind: Type = kind, prefixes: Iterator[str] = prefixes) -> Callable[[], Any]:
                return lambda: contestant(session, kind, next(prefixes))

            kairos = maker(Kairos)
            cases = _cases(amount, kind)
            for case in cases:
                yield compare(case, {"by hand": maker(ByHand), "kairos": kairos}, rounds)
            batched = evolve(cases[0], what=f"{cases[0].what}, beside batches", aim=None)
            yield compare(batched, {"by hand": maker(Batched), "kairos": kairos}, rounds)


def _cases(amount: Amount, kind: Type) -> list[Case[Any]]:
    now = int(NOW) // 3_600 * 3_600
    start, end = now - amount.minutes * 60, now - 60
    step = amount.minutes * 60 / amount.points
    points = [("delay", index * 7 % amount.values, start + int(index * step)) for index in range(amount.points)]

    def ready(store: Any) -> None:
        store.insert("made ready", 1, start)

    def loaded(store: Any) -> None:
        store.write(points)

    def everything(store: Any) -> Any:
        return store.coarse("delay", start, end), store.fine("delay", start, end)

    def singles(store: Any) -> None:
        for point in points[:: amount.points // amount.singles]:
            store.insert(*point)

    def coarse(store: Any) -> Series:
        found: Series = store.coarse("delay", start, end)
        return found

    def fine(store: Any) -> Series:
        found: Series = store.fine("delay", start, end)
        return found

    buckets = f"{amount.minutes:,} buckets"
    return [
        Case(
            what=f"bulk_insert, {kind}, {amount.points:,} points, {amount.values} values",
            load=ready,
            call=loaded,
            after=everything,
            aim=0.6,
        ),
        Case(what=f"insert, {kind}, {amount.singles:,} single points", load=ready, call=singles, after=everything),
        Case(what=f"series, {kind}, {buckets}", load=loaded, call=coarse, aim=1 / 1.6),
        Case(what=f"series by minute, {kind}, {buckets}", load=loaded, call=fine, aim=1 / 1.6),
    ]
