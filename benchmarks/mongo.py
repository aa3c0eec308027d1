"""MongoDB: grouped upserts in one bulk_write, written by hand with PyMongo, the same without grouping, and kairos.

All keep documents of the same fields under the same indexes, on the same server: that of ``KAIROS_BENCH_MONGODB_URL``,
else the SecantusDB that comes with the lock, whose own Python takes most of the time of a write.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, TypeAlias

from attrs import frozen
from bson import DatetimeMS
from pymongo import IndexModel, MongoClient, UpdateOne

from benchmarks.harness import Case, Comparison, Figure, WrongAnswer, compare, started, stopwatch
from kairos import Timeseries

__all__ = ["Amount", "run"]

Point: TypeAlias = tuple[str, int, int]
Series: TypeAlias = dict[int, Any]

URL = "KAIROS_BENCH_MONGODB_URL"
KEPT = 10_000
INTERVALS: Mapping[str, Mapping[str, Any]] = {
    "minute": {"step": 60, "steps": KEPT},
    "hour": {"step": 3_600, "resolution": 60},
}
KEY = [("name", 1), ("interval", 1), ("i_time", 1), ("r_time", 1), ("chunk", 1)]


@frozen(kw_only=True)
class Amount:
    """How much is done."""

    points: int = 30_000
    minutes: int = 500
    singles: int = 200
    ungrouped: int = 3_000


class Kairos:
    """kairos, on a database of its own."""

    def __init__(self, client: MongoClient[Any], database: str, now: int) -> None:
        self._client, self._database = client, database
        self._series = Timeseries(client[database], type="series", intervals=INTERVALS, clock=lambda: now)

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
        self._client.drop_database(self._database)


class ByHand:
    """PyMongo alone, by someone who knows the two intervals and what kairos does well."""

    def __init__(self, client: MongoClient[Any], database: str) -> None:
        self._client, self._database = client, database
        self._collection = client[database]["delays"]
        expiry = IndexModel([("expires_at", 1)], expireAfterSeconds=0, sparse=True)
        self._collection.create_indexes([IndexModel(KEY, unique=True), expiry])

    def write(self, points: Iterable[Point]) -> None:
        grouped: dict[tuple[str, int], list[int]] = {}
        for name, value, timestamp in points:
            key = (name, timestamp // 60)
            if key in grouped:
                grouped[key].append(value)
            else:
                grouped[key] = [value]
        self._send([(name, minute, values) for (name, minute), values in grouped.items()])

    def insert(self, name: str, value: int, timestamp: int) -> None:
        self._send([(name, timestamp // 60, [value])])

    def _send(self, grouped: Sequence[tuple[str, int, list[int]]]) -> None:
        updates = []
        for name, minute, values in grouped:
            push = {"value": {"$each": values}}
            for interval, bucket, part in (("minute", minute, None), ("hour", minute // 60, minute)):
                where = {"name": name, "interval": interval, "i_time": bucket, "r_time": part, "chunk": 0}
                change: dict[str, Any] = {"$push": push}
                if part is None:
                    change["$set"] = {"expires_at": DatetimeMS((minute + KEPT) * 60_000)}
                updates.append(UpdateOne(where, change, upsert=True))
        self._collection.bulk_write(updates, ordered=False)

    def coarse(self, name: str, start: int, end: int) -> Series:
        first, last = start // 60, end // 60
        found: Series = {minute * 60: [] for minute in range(first, last + 1)}
        for document in self._find(name, "minute", first, last):
            found[document["i_time"] * 60] = document["value"]
        return found

    def fine(self, name: str, start: int, end: int) -> Series:
        first, last = start // 3_600, end // 3_600
        found: Series = {hour * 3_600: {} for hour in range(first, last + 1)}
        for document in self._find(name, "hour", first, last):
            found[document["i_time"] * 3_600][document["r_time"] * 60] = document["value"]
        return found

    def _find(self, name: str, interval: str, first: int, last: int) -> Iterable[Any]:
        where = {"name": name, "interval": interval, "i_time": {"$gte": first, "$lt": last + 1}}
        projection = {"_id": 0, "i_time": 1, "r_time": 1, "value": 1}
        return self._collection.find(where, projection, sort=KEY).to_list()

    def close(self) -> None:
        self._client.drop_database(self._database)


class Ungrouped(ByHand):
    """The same without grouping: two upserts per point."""

    def write(self, points: Iterable[Point]) -> None:
        self._send([(name, timestamp // 60, [value]) for name, value, timestamp in points])


@contextmanager
def _server() -> Iterator[str]:
    """The URL of the server to measure on."""
    if given := os.environ.get(URL):
        yield given
        return
    with started("secantus") as url:
        yield url


def run(amount: Amount, rounds: int) -> Iterator[Comparison | Figure]:
    """Writing in a batch and one by one, reading 500 buckets."""
    now = int(time.time()) // 3_600 * 3_600
    start, end = now - amount.minutes * 60, now - 60
    step = amount.minutes * 60 / amount.points
    points = [("delay", index % 997, start + int(index * step)) for index in range(amount.points)]
    numbers = count()
    with _server() as url, MongoClient[Any](url) as client:

        def name() -> str:
            return f"kairos_bench_{os.getpid()}_{next(numbers)}"

        makers = {
            "by hand": lambda: ByHand(client, name()),
            "kairos": lambda: Kairos(client, name(), now),
        }
        for case in _cases(amount, points, start, end):
            yield compare(case, makers, rounds)
        yield _beside_ungrouped(points[: amount.ungrouped], makers["kairos"], partial(Ungrouped, client), name)


def _cases(amount: Amount, points: Sequence[Point], start: int, end: int) -> list[Case[Any]]:
    def ready(store: Any) -> None:
        store.insert("made ready", 1, start)

    def loaded(store: Any) -> None:
        store.write(points)

    def everything(store: Any) -> Any:
        return store.coarse("delay", start, end), store.fine("delay", start, end)

    singles = points[:: len(points) // amount.singles]
    return [
        Case(
            what=f"bulk_insert, {amount.points:,} points, two intervals",
            load=ready,
            call=loaded,
            after=everything,
            aim=0.6,
        ),
        Case(
            what=f"insert, {len(singles):,} single points",
            load=ready,
            call=lambda store: [store.insert(*point) for point in singles],
            after=everything,
            aim=0.6,
        ),
        Case(
            what=f"series, {amount.minutes:,} buckets",
            load=loaded,
            call=lambda store: store.coarse("delay", start, end),
            aim=1 / 1.6,
        ),
        Case(
            what=f"series by minute, {amount.minutes:,} buckets",
            load=loaded,
            call=lambda store: store.fine("delay", start, end),
            aim=1 / 1.8,
        ),
    ]


def _beside_ungrouped(points: Sequence[Point], kairos: Any, ungrouped: Any, name: Any) -> Figure:
    """How much longer two upserts per point take; once, and with fewer points, for it takes minutes."""
    seconds, answers = [], []
    for make in (kairos, lambda: ungrouped(name())):
        store = make()
        store.insert("made ready", 1, points[0][2])
        lap, _ = stopwatch(lambda store=store: store.write(points))  # type: ignore[misc]
        seconds.append(lap.wall)
        answers.append(store.coarse("delay", points[0][2], points[-1][2]))
        store.close()
    if answers[0] != answers[1]:
        raise WrongAnswer("bulk_insert: ungrouped gives another answer than kairos")
    return Figure(
        what=f"bulk_insert of {len(points):,} points beside two upserts per point",
        value=seconds[0] / seconds[1],
        unit="of its time",
        limit=1 / 3,
        note=f"{seconds[0] * 1e3:,.0f} ms and {seconds[1] * 1e3:,.0f} ms",
    )
