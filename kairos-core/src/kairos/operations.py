"""The verbs as flows: make a plan, let the backend carry it out, shape the rows. Written once, for both colours.

The clock is read once per verb.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve

from kairos.backend import Flow
from kairos.errors import BackendError, InvalidValue
from kairos.grouping import Point
from kairos.pipeline import Stages, checked_rows
from kairos.planning import Planner, Reading
from kairos.plans import Batch, Rows, Selector
from kairos.timestamps import to_seconds
from kairos.values import show

__all__ = ["Operations", "Scan"]

# How many cells one window of `iterate` asks for: enough that round trips do not count, few enough to hold in memory.
_WINDOW = 10_000


@define(kw_only=True)
class Scan:
    """How far an `iterate` has come, in ordinals of buckets: the next one, and the one after the last."""

    reading: Reading
    position: int
    end: int
    size: int

    @property
    def done(self) -> bool:
        """Whether there is nothing left to read."""
        return self.position >= self.end


@define(eq=False)
class Operations:
    """What the verbs of one Timeseries do."""

    plan: Planner
    closed: bool = False
    _prepared: bool = False

    def insert(self, verb: str, points: Iterable[Point], intervals: Any, options: Mapping[str, Any]) -> Flow[Any]:
        """Group the points, and send what is not past as one batch."""
        plan = self._open_plan()
        chosen = plan.options(verb, options)
        if type(intervals) is not int:
            raise InvalidValue(f"intervals: expected an int, not {show(intervals)}")
        if abs(intervals) > plan.config.max_buckets:
            raise InvalidValue(f"intervals: {intervals} are more than max_buckets={plan.config.max_buckets}")
        cells, written = yield from plan.grouping.flow(points, now=plan.now(), extra=intervals)
        if cells:
            yield from self._prepare(writing=True)
            yield self._execute(plan.backend.write, Batch(cells=cells, options=chosen))
        return written

    def get(
        self, name: Any, interval: Any, timestamp: Any, stages: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Flow[dict[int, Any]]:
        """Read one bucket."""
        plan = self._open_plan()
        now, chosen = plan.now(), plan.interval(interval)
        bucket = chosen.step.bucket(now if timestamp is None else to_seconds(timestamp))
        reading = plan.reading("get", name, chosen, (bucket, bucket), stages=Stages(**stages), now=now, options=options)
        rows = yield from self._rows(reading)
        return dict(reading.pipeline.items(rows, bucket, bucket))

    def series(
        self,
        name: Any,
        interval: Any,
        ends: tuple[Any, Any, Any],
        stages: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> Flow[dict[int, Any]]:
        """Read a range of buckets; ``ends`` is (start, end, steps)."""
        plan = self._open_plan()
        now, chosen = plan.now(), plan.interval(interval)
        span = plan.span(chosen, *ends, now)
        reading = plan.reading("series", name, chosen, span, stages=Stages(**stages), now=now, options=options)
        rows = yield from self._rows(reading)
        return reading.pipeline.series(rows, *span)

    def iteration(self, name: Any, interval: Any, stages: Mapping[str, Any], options: Mapping[str, Any]) -> Reading:
        """Plan an `iterate`. Its range is not known yet: the bucket of now stands for it."""
        plan = self._open_plan()
        now, chosen = plan.now(), plan.interval(interval)
        bucket = chosen.step.bucket(now)
        return plan.reading(
            "iterate", name, chosen, (bucket, bucket), stages=Stages(**stages), now=now, options=options
        )

    def scan(self, reading: Reading) -> Flow[Scan]:
        """Find out where an `iterate` begins and ends."""
        query = reading.query
        size = max(1, _WINDOW // (query.interval.cells_per_bucket * len(query.names)))
        span = None
        if (yield from self._prepare(writing=False)):
            span = yield from self._bounds(reading, reading.cutoff)
        first, last = span or (0, -1)
        return Scan(reading=reading, position=first, end=last + 1, size=size)

    def advance(self, scan: Scan) -> Flow[Iterator[tuple[int, Any]]]:
        """Read the next window of an `iterate`; after an empty one, go on where there is data again."""
        step, pipeline = scan.reading.query.interval.step, scan.reading.pipeline
        first, stop = step.at(scan.position), min(scan.position + scan.size, scan.end)
        last = step.at(stop - 1)
        rows = yield from self._rows(evolve(scan.reading, query=evolve(scan.reading.query, first=first, last=last)))
        scan.position = stop
        if not any(rows.values()) and not scan.done:
            further = yield from self._bounds(scan.reading, step.at(stop))
            scan.position = scan.end if further is None else min(further[0], scan.end)
            if pipeline.is_whole:
                last = step.at(scan.position - 1)
        return pipeline.items(rows, first, last)

    def _bounds(self, reading: Reading, cutoff: int | None) -> Flow[tuple[int, int] | None]:
        """The ordinals of the first and the last bucket with data of any of the names, from a bucket on."""
        query = reading.query
        name, step = query.interval.name, query.interval.step
        bounds = yield self._execute(self.plan.backend.bounds, query.names, {name: cutoff}, query.options)
        found = [bounds[one][name] for one in query.names if name in bounds.get(one, {})]
        if not found:
            return None
        return step.ordinal(min(low for low, _ in found)), step.ordinal(max(high for _, high in found))

    def _rows(self, reading: Reading) -> Flow[Rows]:
        ready = yield from self._prepare(writing=False)
        query = reading.clipped()
        if query is None or not ready:
            return {}
        rows = yield reading.pipeline.fetch(query)
        return checked_rows(rows, query.names)

    def names(self, options: Mapping[str, Any]) -> Flow[Sequence[str]]:
        """The names with visible data, sorted."""
        plan = self._open_plan()
        cutoffs, chosen = plan.cutoffs(plan.now()), plan.options("list", options)
        if not (yield from self._prepare(writing=False)):
            return []
        return sorted((yield self._execute(plan.backend.names, cutoffs, chosen)))

    def properties(self, given: object, options: Mapping[str, Any]) -> Flow[dict[str, dict[str, int]]]:
        """The first and the last visible bucket of each interval."""
        plan = self._open_plan()
        name, cutoffs, chosen = plan.name(given), plan.cutoffs(plan.now()), plan.options("properties", options)
        if not (yield from self._prepare(writing=False)):
            return {}
        bounds = (yield self._execute(plan.backend.bounds, (name,), cutoffs, chosen)).get(name, {})
        return {
            key: {"first": one.step.start(bounds[key][0]), "last": one.step.start(bounds[key][1])}
            for key, one in plan.config.intervals.items()
            if key in bounds
        }

    def delete(self, name: object, interval: str | None, start: Any, end: Any, options: Mapping[str, Any]) -> Flow[int]:
        """Remove a name or a part of it."""
        removed: int = yield from self._remove(self._open_plan().deletion(name, interval, start, end, options))
        return removed

    def delete_all(self, options: Mapping[str, Any]) -> Flow[None]:
        """Remove the whole namespace."""
        yield from self._remove(Selector(name=None, options=self._open_plan().options("delete_all", options)))

    def _remove(self, selector: Selector) -> Flow[int]:
        if not (yield from self._prepare(writing=False)):
            return 0
        removed: int = yield self._execute(self.plan.backend.delete, selector)
        return removed

    def expire(self, name: object, limit: Any, options: Mapping[str, Any]) -> Flow[int]:
        """Reclaim what is past."""
        expiry = self._open_plan().expiry(name, limit, options)
        if not (yield from self._prepare(writing=False)):
            return 0
        removed: int = yield self._execute(self.plan.backend.expire, expiry)
        return removed

    def close(self) -> Flow[None]:
        """Close the backend, once."""
        if not self.closed:
            self.closed = True
            yield self._execute(self.plan.backend.close)
            self.plan.colour.close()

    def after_fork(self) -> None:
        """In the child: prepare again, on connections of its own."""
        self._prepared = False
        self.plan.colour.after_fork()
        self.plan.backend.after_fork()

    def check_open(self) -> None:
        """Raise a BackendError once it is closed: a verb would open the client again, and nobody would close it."""
        if self.closed:
            raise BackendError("this Timeseries is closed")

    def _open_plan(self) -> Planner:
        self.check_open()
        return self.plan

    def _prepare(self, *, writing: bool) -> Flow[bool]:
        self.check_open()
        if not self._prepared:
            self._prepared = yield self._execute(self.plan.backend.prepare, writing=writing)
        return self._prepared

    def _execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        return self.plan.colour.execute(verb, *args, **keywords)
