"""A cache of buckets that are closed: nothing is inserted into the past, so what they hold stays as it is."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Mapping
from copy import copy
from inspect import isawaitable
from threading import Lock
from typing import Any

from attrs import define, evolve, field

from kairos import HookContext, hookimpl
from kairos.plans import Query, Rows

__all__ = ["ClosedBuckets"]

Key = tuple[str, str, int, bool]
Cells = Mapping[int | None, Any]


@define(eq=False, kw_only=True)
class ClosedBuckets:
    """A plugin for one Timeseries, ``plugins=[ClosedBuckets(grace=300)]``: a bucket that ended ``grace`` seconds ago or
    earlier is read from the store once. ``size`` is how many buckets are kept, the ones used last.

    Use it where nobody writes into the past: a late insert or a delete is not seen in a bucket that is kept, until
    `clear`. A call with a ``fetch`` of its own is never answered from here. Threads may share it.
    """

    grace: float = 0
    size: int = 100_000
    clock: Callable[[], float] = time.time
    _kept: OrderedDict[Key, Cells] = field(factory=OrderedDict, init=False)
    _lock: Any = field(factory=Lock, init=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    @hookimpl(wrapper=True)
    def fetch(self, context: HookContext) -> Generator[None, Any, Any]:
        """Ask the store only for what is not here."""
        chosen = yield
        return chosen if chosen is None or context.by_keyword else lambda query: self._read(query, chosen)

    def _read(self, query: Query, fetch: Callable[[Query], Any]) -> Any:
        closed = self._closed(query)
        found, missing = self._look_up(query, closed)
        if missing is None:
            return found
        result = fetch(evolve(query, first=missing))
        if isawaitable(result):
            return self._later(query, closed, found, missing, result)
        return self._merged(query, closed, found, missing, result)

    async def _later(self, query: Query, closed: set[int], found: Rows, missing: int, result: Awaitable[Rows]) -> Rows:
        return self._merged(query, closed, found, missing, await result)

    def _closed(self, query: Query) -> set[int]:
        """The buckets of the range that end before now, with the grace that late writers have."""
        step, limit = query.interval.step, self.clock() - self.grace
        return {bucket for bucket in query.buckets if step.start(step.shift(bucket, 1)) <= limit}

    def _look_up(self, query: Query, closed: set[int]) -> tuple[Rows, int | None]:
        """What is here, up to the first bucket that is not here for every name; that bucket, None if there is none."""
        found: Rows = {name: {} for name in query.names}
        with self._lock:
            for bucket in query.buckets:
                keys = [self._key(query, name, bucket) for name in query.names]
                if bucket not in closed or not all(key in self._kept for key in keys):
                    return found, bucket
                for key in keys:
                    self._kept.move_to_end(key)
                    if cells := self._kept[key]:
                        found[key[0]][bucket] = _copied(cells)
        return found, None

    def _merged(self, query: Query, closed: set[int], found: Rows, missing: int, result: Rows) -> Rows:
        """Keep what was read of closed buckets, from the one that was missing on, and give all of the range."""
        with self._lock:
            for name in query.names:
                read = result.get(name) or {}
                for bucket in query.buckets:
                    if bucket >= missing and bucket in closed:
                        self._kept[self._key(query, name, bucket)] = _copied(read.get(bucket) or {})
                found[name] |= read
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)
        return found

    @staticmethod
    def _key(query: Query, name: str, bucket: int) -> Key:
        return name, query.interval.name, bucket, query.interval.resolution is None


def _copied(cells: Cells) -> dict[int | None, Any]:
    """The containers of a bucket, copied: a reader may change what it is given."""
    return {part: copy(data) for part, data in cells.items()}
