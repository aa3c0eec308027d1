"""The in-process backend: dictionaries behind a lock. The reference for what the others must answer.

``memory://`` opens a store of its own, ``memory://name`` one that the process shares under this name; a `MemoryStore`
can be passed as the client. Nothing is kept when the process ends, and another process sees nothing.

A custom fetch is called as ``fetch(cells, name, interval, i_start, i_end)`` once per name: ``cells`` is what a read
would give, ``{bucket: {resolution bucket or None: data}}``; ``i_end`` is None for ``get``. It returns the same form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Any, ClassVar, Self

from attrs import define, field, frozen

from kairos.backend import Backend, Capabilities, Shape, StoreConfig
from kairos.config import structure
from kairos.errors import ConfigurationError, CountOverflow
from kairos.plans import Aggregate, Batch, Bounds, Cell, Cutoffs, Expiry, Query, Rows, Selector
from kairos.values import INT64_MAX, INT64_MIN, exact_sum, snapshot

__all__ = ["MemoryBackend", "MemoryStore"]

Buckets = dict[int, dict[int | None, "_Slot"]]
Space = dict[str, dict[str, Buckets]]


@define
class _Slot:
    """One cell as it is stored."""

    data: Any
    expires_at: int | None


@define(eq=False)
class MemoryStore:
    """The data of any number of Timeseries: one space per (prefix, type)."""

    lock: threading.Lock = field(factory=threading.Lock, repr=False)
    spaces: dict[tuple[str, str], Space] = field(factory=dict, repr=False)


@frozen
class _NoOptions:
    """This backend has no keywords of its own."""


class MemoryBackend(Backend):
    """A backend on a `MemoryStore`; its verbs neither block nor wait, so it serves both colours."""

    capabilities = Capabilities(atomic_batch=True, multi_process=False, aggregates=frozenset(Aggregate))
    _shared: ClassVar[dict[str, MemoryStore]] = {}

    def __init__(self, store: MemoryStore, config: StoreConfig) -> None:
        structure(_NoOptions, config.options)
        structure(_NoOptions, config.client_config, "client_config")
        self.value_type = self.resolve_value_type(config.value_type)
        self._store = store
        self._shape = config.shape
        self._key = (config.prefix, config.type)
        # A value of another type than "any" is immutable by its type.
        self._copy: Callable[[Any], Any] | None = snapshot if self.value_type.name == "any" else None

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:  # noqa: ARG003 - serves both
        if isinstance(target, MemoryStore):
            return cls(target, config)
        if not (isinstance(target, str) and "://" in target):
            raise ConfigurationError("client: expected a MemoryStore or a URL memory:// or memory://name")
        name, _, options = target.partition("://")[2].partition("?")
        if options:
            raise ConfigurationError(f"client: memory:// has no option {options.partition('=')[0]!r}, nor any other")
        return cls(cls._shared.setdefault(name, MemoryStore()) if name else MemoryStore(), config)

    @property
    def owns_client(self) -> bool:
        return False

    def prepare(self, *, writing: bool) -> bool:  # noqa: ARG002 - there is no schema
        return True

    def write(self, batch: Batch) -> None:
        with self._store.lock:
            space = self._store.spaces.setdefault(self._key, {})
            if self._shape is Shape.COUNTER:
                _check_counts(space, batch.cells)
            add = _ADD[self._shape]
            for name, interval, bucket, resolution, payload, expires_at in batch.cells:
                row = space.setdefault(name, {}).setdefault(interval, {}).setdefault(bucket, {})
                slot = row.get(resolution)
                if slot is None:
                    row[resolution] = _Slot(_NEW[self._shape](payload), expires_at)
                else:
                    slot.data = add(slot.data, payload)
                    slot.expires_at = expires_at

    def read(self, query: Query) -> Rows:
        with self._store.lock:
            space = self._store.spaces.get(self._key, {})
            return {name: self._rows(space.get(name, {}).get(query.interval.name, {}), query) for name in query.names}

    def _rows(self, buckets: Buckets, query: Query) -> dict[int, dict[int | None, Any]]:
        data = partial(_aggregated, query.aggregates) if query.aggregates else self._data
        return {
            bucket: {
                resolution: data(slot.data)
                for resolution, slot in sorted(buckets[bucket].items(), key=lambda item: (item[0] is not None, item[0]))
            }
            for bucket in _within(buckets, query)
        }

    def _data(self, stored: Any) -> Any:
        if self._copy is not None:
            if self._shape is Shape.LIST:
                return [self._copy(value) for value in stored]
            if self._shape is Shape.REGISTER:
                return self._copy(stored)
        return _READ[self._shape](stored)

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Rows]:
        def read(query: Query) -> Rows:
            end = None if query.single else query.last
            name_of = query.interval.name
            rows = self.read(query)
            return {name: fetch(rows[name], name, name_of, query.first, end) for name in query.names}

        return read

    def names(self, cutoffs: Cutoffs, options: Any = None) -> Sequence[str]:  # noqa: ARG002 - none of its own
        with self._store.lock:
            space = self._store.spaces.get(self._key, {})
            return [
                name
                for name, intervals in space.items()
                if any(_visible(intervals.get(interval, {}), cutoff) for interval, cutoff in cutoffs.items())
            ]

    def bounds(self, names: Sequence[str], cutoffs: Cutoffs, options: Any = None) -> Bounds:  # noqa: ARG002
        found: Bounds = {}
        with self._store.lock:
            space = self._store.spaces.get(self._key, {})
            for name in names:
                for interval, cutoff in cutoffs.items():
                    if visible := _visible(space.get(name, {}).get(interval, {}), cutoff):
                        found.setdefault(name, {})[interval] = (min(visible), max(visible))
        return found

    def delete(self, selector: Selector) -> int:
        with self._store.lock:
            if selector.name is None:
                self._store.spaces.pop(self._key, None)
                return 0
            intervals = self._store.spaces.get(self._key, {}).get(selector.name, {})
            removed = 0
            for interval in list(intervals):
                spans = selector.spans
                if spans is not None and interval not in spans:
                    continue
                first, last = (None, None) if spans is None else spans[interval]
                cutoff = selector.cutoffs.get(interval)
                for bucket in [bucket for bucket in intervals[interval] if _inside(bucket, first, last)]:
                    cells = intervals[interval].pop(bucket)
                    if interval in selector.cutoffs and _inside(bucket, cutoff, None):
                        removed += len(cells)
            self._prune(selector.name)
            return removed

    def expire(self, expiry: Expiry) -> int:
        with self._store.lock:
            space = self._store.spaces.get(self._key, {})
            names = list(space) if expiry.name is None else [expiry.name]
            removed = 0
            for name in names:
                for buckets, bucket, resolution in list(_past(space.get(name, {}), expiry)):
                    if removed == expiry.limit:
                        break
                    del buckets[bucket][resolution]
                    removed += 1
                    if not buckets[bucket]:
                        del buckets[bucket]
                self._prune(name)
            return removed

    def _prune(self, name: str) -> None:
        """Drop what a delete has emptied, so that the store shrinks with its data."""
        space = self._store.spaces.get(self._key, {})
        intervals = space.get(name, {})
        for interval in [interval for interval, buckets in intervals.items() if not buckets]:
            del intervals[interval]
        if not intervals:
            space.pop(name, None)

    def close(self) -> None:
        return None

    def after_fork(self) -> None:
        self._store.lock = threading.Lock()


def _inside(bucket: int, first: int | None, last: int | None) -> bool:
    return (first is None or bucket >= first) and (last is None or bucket <= last)


def _within(buckets: Buckets, query: Query) -> list[int]:
    """The stored buckets of a query's range, ascending, looked for in whichever of the two is smaller."""
    asked = query.buckets
    if len(asked) <= len(buckets):
        return [bucket for bucket in asked if bucket in buckets]
    return sorted(bucket for bucket in buckets if query.first <= bucket <= query.last)


def _visible(buckets: Buckets, cutoff: int | None) -> list[int]:
    return [bucket for bucket in buckets if _inside(bucket, cutoff, None)]


def _past(intervals: Mapping[str, Buckets], expiry: Expiry) -> Iterator[tuple[Buckets, int, int | None]]:
    for interval, buckets in intervals.items():
        for bucket, cells in buckets.items():
            for resolution, slot in cells.items():
                if interval in expiry.cutoffs:
                    past = not _inside(bucket, expiry.cutoffs[interval], None)
                else:
                    past = slot.expires_at is not None and slot.expires_at <= expiry.now
                if past:
                    yield buckets, bucket, resolution


def _check_counts(space: Space, cells: Sequence[Cell]) -> None:
    """Refuse the batch before any of it is added, if a count would leave 64 bits."""
    for name, interval, bucket, resolution, payload, _ in cells:
        slot = space.get(name, {}).get(interval, {}).get(bucket, {}).get(resolution)
        ints, floats = _add_counter((0, 0.0) if slot is None else slot.data, payload)
        if not (INT64_MIN <= ints <= INT64_MAX and isfinite(floats)):
            raise CountOverflow(f"count {name!r} in interval {interval!r} would be past 64 bits")


def _add_counter(old: tuple[int, float], new: float) -> tuple[int, float]:
    """A counter is kept as the exact sum of its ints and the sum of its floats."""
    ints, floats = old
    return (ints + new, floats) if isinstance(new, int) else (ints, floats + new)


def _add_counters(old: dict[Any, int], new: Mapping[Any, int]) -> dict[Any, int]:
    for value, n in new.items():
        old[value] = old.get(value, 0) + n
    return old


def _add_list(old: list[Any], new: Sequence[Any]) -> list[Any]:
    old.extend(new)
    return old


def _add_set(old: set[Any], new: set[Any]) -> set[Any]:
    old |= new
    return old


_ADD: Mapping[Shape, Callable[[Any, Any], Any]] = {
    Shape.LIST: _add_list,
    Shape.COUNTERS: _add_counters,
    Shape.COUNTER: _add_counter,
    Shape.REGISTER: lambda old, new: new,  # noqa: ARG005 - a register keeps what came last
    Shape.SET: _add_set,
}
_NEW: Mapping[Shape, Callable[[Any], Any]] = {
    Shape.LIST: list,
    Shape.COUNTERS: dict,
    Shape.COUNTER: lambda payload: _add_counter((0, 0.0), payload),
    Shape.REGISTER: lambda value: value,
    Shape.SET: set,
}
_READ: Mapping[Shape, Callable[[Any], Any]] = {
    Shape.LIST: list,
    Shape.COUNTERS: dict,
    Shape.COUNTER: lambda sums: exact_sum(*sums) if sums[1] else sums[0],
    Shape.REGISTER: lambda value: value,
    Shape.SET: set,
}


def _aggregated(wanted: Sequence[Aggregate], stored: Any) -> tuple[Any, ...]:
    return tuple(_AGGREGATE[one](stored) for one in wanted)


def _sum(stored: Any) -> Any:
    return sum(value * n for value, n in stored.items()) if isinstance(stored, dict) else sum(stored)


_AGGREGATE: Mapping[Aggregate, Callable[[Any], Any]] = {
    Aggregate.COUNT: lambda stored: sum(stored.values()) if isinstance(stored, dict) else len(stored),
    Aggregate.SUM: _sum,
    Aggregate.MIN: min,
    Aggregate.MAX: max,
}
