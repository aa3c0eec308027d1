"""From a verb's arguments to a checked plan. Pure but for one reading of the clock; raises before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, fields, frozen

from kairos.backend import Backend
from kairos.config import SeriesConfig, structure
from kairos.errors import InvalidValue, UnknownInterval, UnsupportedOperation
from kairos.flows import Colour
from kairos.grouping import Grouping
from kairos.hookspecs import HookContext
from kairos.pipeline import Pipeline, Stages, resolve
from kairos.plans import Expiry, Interval, Query, Selector, Span
from kairos.plugins import Plugins
from kairos.timestamps import to_seconds
from kairos.values import check_name, is_positive_int, show

__all__ = ["Planner", "Reading"]


@frozen(kw_only=True)
class Reading:
    """A reading call, planned: what to ask for (``query``, unclipped), how to shape it, and what is visible."""

    query: Query
    pipeline: Pipeline
    cutoff: int | None

    def clipped(self) -> Query | None:
        """The query within what is visible; None if nothing of it is."""
        if self.cutoff is None or self.cutoff <= self.query.first:
            return self.query
        return evolve(self.query, first=self.cutoff) if self.cutoff <= self.query.last else None


@frozen(kw_only=True)
class Planner:
    """Plans the verbs of one Timeseries."""

    config: SeriesConfig
    backend: Backend
    scheme: str
    plugins: Plugins
    grouping: Grouping
    colour: Colour

    def now(self) -> int:
        """The clock, in whole seconds."""
        reading = self.config.clock()
        try:
            return to_seconds(reading)
        except InvalidValue as error:
            raise InvalidValue(f"clock: {error}") from None

    def cutoffs(self, now: int) -> dict[str, int | None]:
        """The first visible bucket of every configured interval."""
        return {name: interval.cutoff(now) for name, interval in self.config.intervals.items()}

    def interval(self, name: object) -> Interval:
        """A configured interval, or `UnknownInterval`."""
        found = self.config.intervals.get(name) if isinstance(name, str) else None
        if found is None:
            known = ", ".join(self.config.intervals)
            raise UnknownInterval(f"unknown interval {show(name)}; configured are {known}")
        return found

    def name(self, given: object) -> str:
        """The name of a series, checked."""
        return check_name(given, "name", self.backend.capabilities.max_name_bytes)

    def names(self, given: Any) -> tuple[str, ...]:
        """The names of a reading call, each once: a set has no order, so it is sorted (semantics 4.6)."""
        if not isinstance(given, (list, tuple, set, frozenset)):
            return (self.name(given),)
        names = [self.name(name) for name in given]
        if not names:
            raise InvalidValue("name: an empty list names nothing")
        return tuple(dict.fromkeys(sorted(names) if isinstance(given, (set, frozenset)) else names))

    def options(self, verb: str, given: Mapping[str, Any]) -> Any:
        """The backend's own keywords of a verb, structured; a TypeError for those that it does not have."""
        cls = self.backend.options.get(verb)
        known = set() if cls is None else {attribute.name for attribute in fields(cls)}
        for key in given:
            if key not in known:
                raise TypeError(f"{verb}() got an unexpected keyword argument {key!r}")
        return None if cls is None else structure(cls, given, verb)

    def span(self, interval: Interval, start: Any, end: Any, steps: Any, now: int) -> tuple[int, int]:
        """The first and the last bucket of a `series` (semantics 4.2)."""
        if steps is not None:
            _positive("steps", steps)
        step, further = interval.step, (steps or interval.steps or 1) - 1
        low, high = _times(start, end)
        if low is None:
            last = step.bucket(now if high is None else high)
            first = step.shift(last, -further)
        else:
            first = step.bucket(low)
            last = step.shift(first, further) if high is None else step.bucket(high)
        if (n := step.count(first, last)) > self.config.max_buckets:
            raise InvalidValue(
                f"this range of {show(interval.name)} has {n} buckets, more than max_buckets="
                f"{self.config.max_buckets}; use iterate, or a coarser interval"
            )
        return first, last

    def reading(
        self,
        verb: str,
        name: Any,
        interval: Interval,
        span: tuple[int, int],
        *,
        stages: Stages,
        now: int,
        options: Mapping[str, Any],
    ) -> Reading:
        """A call of ``get``, ``series`` or ``iterate``, with every stage resolved."""

        def adapt(fetch: Callable[..., Any]) -> Callable[[Query], Any]:
            adapted = self.backend.adapt(fetch)
            return lambda asked: self.colour.execute(adapted, asked)

        query = Query(
            names=self.names(name),
            interval=interval,
            first=span[0],
            last=span[1],
            single=verb == "get",
            options=self.options(verb, options),
        )
        context = HookContext(
            query=query,
            kind=self.config.kind.name,
            scheme=self.scheme,
            asynchronous=self.colour.asynchronous,
            default=lambda asked: self.colour.execute(self.backend.read, asked),
            adapt=adapt,
        )
        pipeline = resolve(
            stages,
            context,
            joined=not isinstance(name, str),
            kind=self.config.kind,
            read_func=self.config.read_func,
            plugins=self.plugins,
            backend=self.backend,
        )
        if pipeline.aggregates:
            query = evolve(query, aggregates=pipeline.aggregates)
        return Reading(query=query, pipeline=pipeline, cutoff=interval.cutoff(now))

    def deletion(
        self, name: object, interval: str | None, start: Any, end: Any, options: Mapping[str, Any]
    ) -> Selector:
        """A ``delete``, whole or narrowed."""
        spans: dict[str, Span] | None = None
        if not (interval is None and start is None and end is None):
            if self.config.kind.shape not in self.backend.capabilities.narrow_delete:
                raise UnsupportedOperation(
                    f"a narrowed delete of a {self.config.kind.name} is not possible on {self.scheme}"
                )
            low, high = _times(start, end)
            among = self.config.intervals if interval is None else {interval: self.interval(interval)}
            spans = {
                key: (None if low is None else one.step.bucket(low), None if high is None else one.step.bucket(high))
                for key, one in among.items()
            }
        cutoffs = self.cutoffs(self.now())
        return Selector(name=self.name(name), spans=spans, cutoffs=cutoffs, options=self.options("delete", options))

    def expiry(self, name: object, limit: Any, options: Mapping[str, Any]) -> Expiry:
        """An ``expire``."""
        chosen = self.options("expire", options)
        if self.config.kind.shape in self.backend.capabilities.native_expiry:
            raise UnsupportedOperation(f"expire: the server of this {self.scheme} backend expires by itself")
        if limit is not None:
            _positive("limit", limit)
        now = self.now()
        return Expiry(
            name=None if name is None else self.name(name),
            now=now,
            cutoffs=self.cutoffs(now),
            limit=limit,
            options=chosen,
        )


def _positive(key: str, value: object) -> None:
    if not is_positive_int(value):
        raise InvalidValue(f"{key}: expected a positive int, not {show(value)}")


def _times(start: Any, end: Any) -> tuple[int | None, int | None]:
    low, high = (None if time is None else to_seconds(time) for time in (start, end))
    if low is not None and high is not None and (low > high or (low == high and _is_after(start, end))):
        raise InvalidValue(f"start {show(start)} is after end {show(end)}")
    return low, high


def _is_after(start: Any, end: Any) -> bool:
    """Whether one time is after another within the same second."""
    exact = [time.timestamp() if isinstance(time, datetime) else time for time in (start, end)]
    return bool(exact[0] > exact[1])
