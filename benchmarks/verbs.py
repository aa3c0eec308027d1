"""The verbs that are compared, on any database: the data, what a contestant must be able to do, and kairos itself.

The series is a histogram of two intervals: ``minute``, coarse, of which 10,000 are kept, and ``hour`` by minute, which
is kept for good. A module for a database writes the same by hand and hands its contestants to `cases`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from benchmarks.harness import Case
from kairos import Timeseries

__all__ = ["MINUTES_KEPT", "NOW", "Histogram", "Kairos", "Point", "Scale", "Store", "cases"]

Point: TypeAlias = tuple[str, int, int]
"""(name, value, timestamp)."""
Histogram: TypeAlias = dict[float, int]

MINUTES_KEPT = 10_000
NOW = 1_700_000_040  # where a minute begins
INTERVALS: Mapping[str, Mapping[str, Any]] = {
    "minute": {"step": 60, "steps": MINUTES_KEPT},
    "hour": {"step": "1h", "resolution": 60},
}


class Store(Protocol):
    """A contestant. ``now`` is its clock, by which it decides what is visible."""

    now: int

    def bulk_insert(self, points: Iterable[Point]) -> None:
        """Add many points in one transaction."""

    def insert(self, name: str, value: int, timestamp: int) -> None:
        """Add a point, in a transaction of its own."""

    def get(self, name: str, timestamp: int) -> dict[int, Histogram]:
        """``{start: data}`` of one minute."""

    def series(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        """``{start: data}`` of minutes, empty ones included."""

    def condensed(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        """``{start: data}`` of hours, empty ones included."""

    def fine(self, name: str, start: int, end: int) -> dict[int, dict[int, Histogram]]:
        """``{start of the hour: {start of the minute: data}}``, empty hours included."""

    def iterate(self, name: str) -> Iterable[tuple[int, Histogram]]:
        """(start, data) of each minute from the first to the last."""

    def names(self) -> list[str]:
        """The names with visible data, sorted."""

    def properties(self, name: str) -> dict[str, dict[str, int]]:
        """``{interval: {'first': start, 'last': start}}``."""

    def delete(self, name: str) -> int:
        """Remove a name; how many visible cells it had."""

    def expire(self) -> int:
        """Remove what is past; how many cells that were."""

    def delete_all(self) -> None:
        """Remove everything."""

    def close(self) -> None:
        """Give back what is held."""


class Kairos:
    """kairos, on a URL."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self._series = Timeseries(url, type="histogram", intervals=INTERVALS, clock=lambda: self.now)

    def bulk_insert(self, points: Iterable[Point]) -> None:
        self._series.bulk_insert(points)

    def insert(self, name: str, value: int, timestamp: int) -> None:
        self._series.insert(name, value, timestamp)

    def get(self, name: str, timestamp: int) -> dict[int, Histogram]:
        return self._series.get(name, "minute", timestamp)

    def series(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        return self._series.series(name, "minute", start, end)

    def condensed(self, name: str, start: int, end: int) -> dict[int, Histogram]:
        return self._series.series(name, "hour", start, end, condense=True)

    def fine(self, name: str, start: int, end: int) -> dict[int, dict[int, Histogram]]:
        return self._series.series(name, "hour", start, end)

    def iterate(self, name: str) -> Iterable[tuple[int, Histogram]]:
        return self._series.iterate(name, "minute")

    def names(self) -> list[str]:
        return self._series.list()

    def properties(self, name: str) -> dict[str, dict[str, int]]:
        return self._series.properties(name)

    def delete(self, name: str) -> int:
        return self._series.delete(name)

    def expire(self) -> int:
        return self._series.expire()

    def delete_all(self) -> None:
        self._series.delete_all()

    def close(self) -> None:
        self._series.close()


@frozen(kw_only=True)
class Scale:
    """How much is done. ``few`` and ``many`` are numbers of distinct values: so many rows become of the points."""

    points: int = 30_000
    minutes: int = 500
    few: int = 10
    many: int = 1_000
    singles: int = 500
    names: int = 100

    @property
    def start(self) -> int:
        """When the first point is."""
        return NOW - self.minutes * 60

    def of(self, distinct: int, name: str = "delay") -> list[Point]:
        """The points, evenly over the minutes, in order of time."""
        values = random.Random(1)
        return [
            (name, values.randrange(distinct), self.start + index * self.minutes * 60 // self.points)
            for index in range(self.points)
        ]


def cases(scale: Scale) -> list[Case[Store]]:
    """What is timed. The aims: half of the speed, 0.4 of it for single inserts, 1.8 times the time of a series."""
    few, many = scale.of(scale.few), scale.of(scale.many)
    singles = scale.of(scale.few)[:: scale.points // scale.singles]
    names = [f"name {number:03}" for number in range(scale.names)]
    of_names = [(names[index % len(names)], value, time) for index, (_, value, time) in enumerate(few)]
    start, end = scale.start, NOW - 60
    some = range(start, NOW, 60)

    def ready(store: Store) -> None:
        """What is done once for each store, the schema and the compiling of statements, is behind it."""
        store.insert("made ready", 1, start)
        store.delete("made ready")
        store.expire()
        store.delete_all()

    def loaded(points: list[Point]) -> Callable[[Store], None]:
        def load(store: Store) -> None:
            ready(store)
            store.bulk_insert(points)

        return load

    def aged(store: Store) -> None:
        """All but the newest half of the minutes are past."""
        ready(store)
        store.bulk_insert(few)
        store.now = NOW + 60 * (MINUTES_KEPT - scale.minutes // 2)

    def everything(store: Store) -> Any:
        found = store.names()
        return found, [
            (store.properties(name), store.series(name, start, end), store.fine(name, start, end)) for name in found
        ]

    def each(items: Iterable[Any], do: Callable[[Store, Any], Any]) -> Callable[[Store], list[Any]]:
        return lambda store: [do(store, item) for item in items]

    buckets, points = f"{scale.minutes:,} buckets", f"{scale.points:,} points"
    return [
        Case(
            what=f"bulk_insert, {points}, {scale.few:,} values",
            load=ready,
            call=lambda store: store.bulk_insert(few),
            after=everything,
            aim=0.5,
        ),
        Case(
            what=f"bulk_insert, {points}, {scale.many:,} values",
            load=ready,
            call=lambda store: store.bulk_insert(many),
            after=everything,
            aim=0.5,
        ),
        Case(
            what=f"insert, {len(singles):,} single points",
            load=ready,
            call=each(singles, lambda store, point: store.insert(*point)),
            after=everything,
            aim=0.4,
        ),
        Case(
            what=f"series, {buckets}, {scale.few:,} values",
            load=loaded(few),
            call=lambda store: store.series("delay", start, end),
            aim=1 / 1.8,
        ),
        Case(
            what=f"series, {buckets}, {scale.many:,} values",
            load=loaded(many),
            call=lambda store: store.series("delay", start, end),
            aim=1 / 1.8,
        ),
        Case(
            what=f"series by minute, {buckets}",
            load=loaded(few),
            call=lambda store: store.fine("delay", start, end),
        ),
        Case(
            what=f"series by minute, condensed, {buckets}",
            load=loaded(few),
            call=lambda store: store.condensed("delay", start, end),
        ),
        Case(
            what=f"iterate, {buckets}",
            load=loaded(few),
            call=lambda store: list(store.iterate("delay")),
        ),
        Case(
            what=f"get, {len(some):,} times",
            load=loaded(few),
            call=each(some, lambda store, time: store.get("delay", time)),
        ),
        Case(
            what=f"list, {len(names):,} names, 10 times",
            load=loaded(of_names),
            call=each(range(10), lambda store, _: store.names()),
        ),
        Case(
            what=f"properties, {len(names):,} times",
            load=loaded(of_names),
            call=each(names, lambda store, name: store.properties(name)),
        ),
        Case(
            what=f"delete, {buckets}",
            load=loaded(few),
            call=lambda store: store.delete("delay"),
            after=everything,
        ),
        Case(what=f"expire, half of {buckets}", load=aged, call=lambda store: store.expire(), after=everything),
        Case(
            what=f"delete_all, {len(names):,} names",
            load=loaded(of_names),
            call=lambda store: store.delete_all(),
            after=everything,
        ),
    ]
