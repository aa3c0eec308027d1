"""The verbs, written once as flows; `kairos.timeseries` runs them in two colours.

A verb is: make a plan (pure), let the backend carry it out, shape the rows (pure). The clock is read once per verb.
"""

from __future__ import annotations

import os
import time
import warnings
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import evolve

from kairos.backend import Backend, Capabilities, Flow
from kairos.config import SeriesConfig
from kairos.errors import BackendError, InvalidValue
from kairos.grouping import Point, points_of
from kairos.pipeline import Stages
from kairos.planning import Planner, Reading
from kairos.plans import Batch, Cutoffs, Expiry, Rows, Selector
from kairos.timestamps import to_seconds
from kairos.values import show

__all__ = ["Verbs"]

WrittenT = TypeVar("WrittenT")
RowsT = TypeVar("RowsT")
NamesT = TypeVar("NamesT")
PropertiesT = TypeVar("PropertiesT")
NumberT = TypeVar("NumberT")
NoneT = TypeVar("NoneT")
ItemsT = TypeVar("ItemsT")

# How many cells one window of `iterate` asks for: enough that round trips do not count, few enough to hold in memory.
_WINDOW = 10_000
_ONE = object()  # the value that a count takes where none is given: None would hide a caller's mistake

_open: weakref.WeakSet[Any] = weakref.WeakSet()


def _after_fork() -> None:
    for timeseries in list(_open):
        timeseries._after_fork()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)


class Verbs(Generic[WrittenT, RowsT, NamesT, PropertiesT, NumberT, NoneT, ItemsT]):
    """A time series of one type in a store. The type parameters are what the verbs return in either colour."""

    _asynchronous: bool

    def __init__(
        self,
        client: Any,
        *,
        type: str = "series",
        intervals: Mapping[str, Mapping[str, Any]],
        read_func: Callable[[Any], Any] | None = None,
        write_func: Callable[[Any], Any] | None = None,
        prefix: str = "",
        value_type: Any = None,
        clock: Callable[[], float] = time.time,
        max_buckets: int = 1_000_000,
        plugins: Iterable[object] = (),
        client_config: Mapping[str, Any] | None = None,
        create: bool = True,
        **options: Any,
    ) -> None:
        self._closed = True  # until there is something to close
        config = SeriesConfig.make(
            type=type,
            intervals=intervals,
            read_func=read_func,
            write_func=write_func,
            prefix=prefix,
            clock=clock,
            max_buckets=max_buckets,
        )
        self._plan = Planner.open(
            client,
            config,
            asynchronous=self._asynchronous,
            plugins=plugins,
            value_type=value_type,
            client_config=client_config,
            create=create,
            options=options,
        )
        self.backend: Backend = self._plan.backend
        self._prepared = False
        self._closed = False
        _open.add(self)

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self.backend.capabilities

    def __repr__(self) -> str:
        intervals = ", ".join(self._plan.config.intervals)
        kind, backend = self._plan.config.kind.name, type(self.backend).__name__
        return f"<{type(self).__name__} type={kind} intervals={intervals} backend={backend}>"

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and self.backend.owns_client:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def _planner(self) -> Planner:
        if self._closed:
            raise BackendError(f"{self!r} is closed")
        return self._plan

    @abstractmethod
    def _run(self, flow: Flow[Any]) -> Any:
        """Carry out a flow of this class."""

    @abstractmethod
    def _execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Carry out a verb of the backend: its value, or an awaitable of it."""

    @abstractmethod
    def _iterate(self, reading: Reading) -> Any:
        """Read one window after the other and give its items."""

    def insert(
        self, name: str, value: Any = _ONE, timestamp: Any = None, intervals: int = 0, **options: Any
    ) -> WrittenT:
        """Add a value, or the members of a list, to the bucket of ``timestamp`` (default: now) in every interval.

        ``value`` may be left out for a count, which then grows by 1. ``intervals=n`` also writes to the n following
        intervals (negative: preceding). Returns `Written`. Raises InvalidValue (a ValueError) for a bad name, value or
        timestamp before anything is written, and BackendError if the store fails.
        """
        if value is _ONE:
            if self._plan.config.kind.name != "count":
                raise InvalidValue(f"{self._plan.config.kind.name} {name!r}: a value is required")
            value = 1
        return self._run(self._insert("insert", [(name, value, timestamp)], intervals, options))

    def bulk_insert(
        self,
        inserts: Mapping[Any, Mapping[str, Any]] | Iterable[tuple[str, Any, Any]],
        intervals: int = 0,
        **options: Any,
    ) -> WrittenT:
        """Add many points as one batch: ``{timestamp or None: {name: [values]}}`` or (name, value, timestamp)s.

        The order of the batch is the order of a series. Points are grouped first, so a bucket is written once however
        many points fall into it. Returns `Written`; raises as `insert`.
        """
        return self._run(self._insert("bulk_insert", points_of(inserts), intervals, options))

    def _insert(self, verb: str, points: Iterable[Point], intervals: int, options: Mapping[str, Any]) -> Flow[Any]:
        plan = self._planner()
        chosen = plan.options(verb, options)
        if type(intervals) is not int:
            raise InvalidValue(f"intervals: expected an int, not {show(intervals)}")
        cells, written = plan.grouping.group(points, now=plan.now(), extra=intervals)
        if cells:
            yield from self._prepare(writing=True)
            yield self._execute(self.backend.write, Batch(cells=cells, options=chosen))
        return written

    def get(
        self,
        name: Any,
        interval: str,
        timestamp: Any = None,
        *,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = False,
        join_rows: Any = None,
        transform: Any = None,
        condensed: Any = None,
        **options: Any,
    ) -> RowsT:
        """The data of one bucket, that of ``timestamp`` (default: now), as ``{timestamp: data}``.

        Coarse or with ``condense``: one entry, with the empty value where there is no data. Else one entry per
        resolution bucket that holds data. ``name`` may be a list, tuple or set of names, which are joined.
        """
        stages = Stages(
            fetch=fetch,
            process_row=process_row,
            condense=_condense(condense, condensed),
            join_rows=join_rows,
            transform=transform,
        )
        plan = self._planner()
        now, chosen = plan.now(), plan.interval(interval)
        bucket = chosen.step.bucket(now if timestamp is None else to_seconds(timestamp))
        reading = plan.reading(
            "get", name, chosen, (bucket, bucket), stages=stages, now=now, execute=self._execute, options=options
        )
        return self._run(self._get(reading))

    def series(
        self,
        name: Any,
        interval: str,
        start: Any = None,
        end: Any = None,
        steps: int | None = None,
        *,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = False,
        join_rows: Any = None,
        collapse: Any = False,
        transform: Any = None,
        condensed: Any = None,
        **options: Any,
    ) -> RowsT:
        """The data of a range of buckets, as ``{interval timestamp: data}``, ascending, empty buckets included.

        With ``start`` and ``end``: the buckets from the one that holds ``start`` to the one that holds ``end``. With
        one of them, or none (then up to now): ``steps`` buckets, by default as many as the configuration has, else 1.
        In a fine interval that is not condensed, data is ``{resolution timestamp: data}`` of what is there.
        ``collapse`` gives one entry for the whole range. More than ``max_buckets`` buckets are an InvalidValue.
        """
        stages = Stages(
            fetch=fetch,
            process_row=process_row,
            condense=_condense(condense, condensed),
            join_rows=join_rows,
            collapse=collapse,
            transform=transform,
        )
        plan = self._planner()
        now, chosen = plan.now(), plan.interval(interval)
        span = plan.span(chosen, start, end, steps, now)
        reading = plan.reading(
            "series", name, chosen, span, stages=stages, now=now, execute=self._execute, options=options
        )
        return self._run(self._series(reading))

    def iterate(
        self,
        name: Any,
        interval: str,
        *,
        fetch: Any = None,
        process_row: Any = None,
        condense: Any = False,
        join_rows: Any = None,
        transform: Any = None,
        condensed: Any = None,
        **options: Any,
    ) -> ItemsT:
        """The items of `get` for every bucket from the first to the last with visible data, as (timestamp, data).

        Reads in windows: neither one request per bucket nor everything in memory, and no connection is held between two
        items. What is visible is decided when it starts. There is no limit to the number of buckets.
        """
        stages = Stages(
            fetch=fetch,
            process_row=process_row,
            condense=_condense(condense, condensed),
            join_rows=join_rows,
            transform=transform,
        )
        plan = self._planner()
        now, chosen = plan.now(), plan.interval(interval)
        bucket = chosen.step.bucket(now)  # the range is not known yet
        reading = plan.reading(
            "iterate", name, chosen, (bucket, bucket), stages=stages, now=now, execute=self._execute, options=options
        )
        return self._iterate(reading)

    def _get(self, reading: Reading) -> Flow[dict[int, Any]]:
        rows = yield from self._rows(reading)
        return dict(reading.pipeline.items(rows, reading.query.first, reading.query.last))

    def _series(self, reading: Reading) -> Flow[dict[int, Any]]:
        rows = yield from self._rows(reading)
        return reading.pipeline.series(rows, reading.query.first, reading.query.last)

    def _rows(self, reading: Reading) -> Flow[Rows]:
        query = reading.clipped()
        if query is None or not (yield from self._prepare(writing=False)):
            return {}
        rows: Rows = yield reading.pipeline.fetch(query)
        return rows

    def _windows(self, reading: Reading) -> Flow[Iterator[Reading]]:
        """`iterate`: the readings to make one after the other, none if there is no data."""
        query = reading.query
        step, name = query.interval.step, query.interval.name
        if not (yield from self._prepare(writing=False)):
            return iter(())
        bounds = yield self._execute(self.backend.bounds, query.names, {name: reading.cutoff}, query.options)
        found = [bounds[one][name] for one in query.names if name in bounds.get(one, {})]
        if not found:
            return iter(())
        first, last = min(low for low, _ in found), max(high for _, high in found)
        size = max(1, _WINDOW // (query.interval.cells_per_bucket * len(query.names)))
        return (
            evolve(reading, query=evolve(query, first=step.at(start), last=step.at(min(start + size, end) - 1)))
            for end in (step.ordinal(last) + 1,)
            for start in range(step.ordinal(first), end, size)
        )

    def list(self, **options: Any) -> NamesT:
        """The names with visible data in a configured interval, sorted."""
        plan = self._planner()
        return self._run(self._list(plan.cutoffs(plan.now()), plan.options("list", options)))

    def _list(self, cutoffs: Cutoffs, options: Any) -> Flow[Sequence[str]]:
        if not (yield from self._prepare(writing=False)):
            return []
        return sorted((yield self._execute(self.backend.names, cutoffs, options)))

    def properties(self, name: str, **options: Any) -> PropertiesT:
        """``{interval: {'first': timestamp, 'last': timestamp}}``: the starts of the first and the last bucket with
        visible data, without intervals that have none.
        """
        plan = self._planner()
        chosen = plan.options("properties", options)
        return self._run(self._properties(plan.name(name), plan.cutoffs(plan.now()), chosen))

    def _properties(self, name: str, cutoffs: Cutoffs, options: Any) -> Flow[dict[str, dict[str, int]]]:
        if not (yield from self._prepare(writing=False)):
            return {}
        bounds = (yield self._execute(self.backend.bounds, (name,), cutoffs, options)).get(name, {})
        found = {}
        for interval, chosen in self._plan.config.intervals.items():
            if interval in bounds:
                first, last = bounds[interval]
                found[interval] = {"first": chosen.step.start(first), "last": chosen.step.start(last)}
        return found

    def delete(
        self, name: str, *, interval: str | None = None, start: Any = None, end: Any = None, **options: Any
    ) -> NumberT:
        """Remove a name, or only its buckets in ``interval`` and from that of ``start`` to that of ``end``.

        Returns how many cells of the configured intervals were visible when it began. A narrowed delete raises
        UnsupportedOperation where the backend cannot do it.
        """
        return self._run(self._delete(self._planner().deletion(name, interval, start, end, options)))

    def delete_all(self, **options: Any) -> NoneT:
        """Remove everything of this prefix and type, in all intervals."""
        selector = Selector(name=None, options=self._planner().options("delete_all", options))
        return self._run(self._delete(selector))

    def _delete(self, selector: Selector) -> Flow[int | None]:
        removed: int = 0
        if (yield from self._prepare(writing=False)):
            removed = yield self._execute(self.backend.delete, selector)
        return None if selector.name is None else removed

    def expire(self, name: str | None = None, *, limit: int | None = None, **options: Any) -> NumberT:
        """Reclaim what is past, of one name or of all; at most ``limit`` cells. Returns how many cells it removed.

        For stores that do not expire by themselves; where the server does, UnsupportedOperation.
        """
        return self._run(self._expire(self._planner().expiry(name, limit, options)))

    def _expire(self, expiry: Expiry) -> Flow[int]:
        if not (yield from self._prepare(writing=False)):
            return 0
        removed: int = yield self._execute(self.backend.expire, expiry)
        return removed

    def close(self) -> NoneT:
        """Close what was opened from a URL; a client of yours stays open. More than once is no error."""
        return self._run(self._close())

    def _after_fork(self) -> None:
        self._prepared = False
        self.backend.after_fork()

    def _close(self) -> Flow[None]:
        if not self._closed:
            self._closed = True
            _open.discard(self)
            yield self._execute(self.backend.close)

    def _prepare(self, *, writing: bool) -> Flow[bool]:
        if not self._prepared:
            self._prepared = yield self._execute(self.backend.prepare, writing=writing)
        return self._prepared


def _condense(condense: Any, condensed: Any) -> Any:
    if condensed is None:
        return condense
    warnings.warn("condensed= is deprecated, use condense=", DeprecationWarning, stacklevel=3)
    return condensed
