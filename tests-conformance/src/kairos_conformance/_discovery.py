"""Semantics 4.7 and 4.8: iterate, list and properties."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import Any

from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, T0, at, every_kind, holding
from kairos_conformance._store import ReadLog, Store

__all__ = ["DiscoveryTests"]


class DiscoveryTests(SuiteBase):
    """What is there."""

    @every_kind
    def test_iterate_gives_the_items_of_get(self, store: Store, kind: str) -> None:
        """`iterate` yields what `get` gives for every interval from the first with data to the last: every bucket of a
        coarse interval, the resolution buckets that hold data of a fine one, or its intervals if condensed (semantics
        4.7).

        Look at: `Backend.bounds`.
        """
        ts = store.open(kind, BOTH)
        ts.bulk_insert([("a", 1, T0 + 120), ("a", 2, T0 + 240), ("a", 3, T0 + 7260), ("b", 4, T0)])
        assert list(ts.iterate("a", "minute"))[:4] == [
            (T0 + 120, holding(kind, 1)),
            (T0 + 180, EMPTY[kind]),
            (T0 + 240, holding(kind, 2)),
            (T0 + 300, EMPTY[kind]),
        ]
        assert len(list(ts.iterate("a", "minute"))) == 120
        assert list(ts.iterate("a", "hour")) == [
            (T0 + 120, holding(kind, 1)),
            (T0 + 240, holding(kind, 2)),
            (T0 + 7260, holding(kind, 3)),
        ]
        assert list(ts.iterate("a", "hour", condense=True)) == [
            (T0, holding(kind, 1, 2)),
            (T0 + 3600, EMPTY[kind]),
            (T0 + 7200, holding(kind, 3)),
        ]
        assert [moment for moment, _ in ts.iterate(["a", "b"], "hour", condense=True)] == [T0, T0 + 3600, T0 + 7200]
        assert list(ts.iterate("c", "minute")) == list(ts.iterate(["c", "d"], "hour")) == []

    @every_kind
    def test_iterate_reads_in_windows(self, store: Store, kind: str) -> None:
        """However long the range, `iterate` makes few reads, each of a part, and begins before it has read all
        (semantics 4.7).

        Look at: a backend that reads more than its query asks for; else the other failures first.
        """
        reads = ReadLog()
        day, length = 86_400, 10
        ts = store.open(kind, {"day": {"step": day, "resolution": 60}}, plugins=[reads], max_buckets=100)
        ts.bulk_insert([("a", 1, T0), ("a", 2, T0 + 8 * day), ("a", 3, T0 + 10 * day - 60)])
        items = ts.iterate("a", "day", condense=True)
        assert next(items) == (T0, holding(kind, 1))
        assert len(reads.queries) == 1
        assert list(items) == [
            *((T0 + number * day, EMPTY[kind]) for number in range(1, 8)),
            (T0 + 8 * day, holding(kind, 2)),
            (T0 + 9 * day, holding(kind, 3)),
        ]
        assert 2 <= len(reads.queries) <= 8
        firsts, lasts = zip(*((query.first, query.last) for query in reads.queries), strict=True)
        assert (firsts[0], lasts[-1]) == (T0 // day, T0 // day + length - 1)
        assert [first - 1 for first in firsts[1:]] == list(lasts[:-1])

    @every_kind
    def test_other_verbs_work_while_iterating(self, store: Store, kind: str) -> None:
        """No connection, cursor or lock is held between two items: everything else may be done meanwhile, and iteration
        may be left at any point (semantics 4.7).

        Look at: a result that is streamed while the caller works.
        """
        ts = store.open(kind, FINE)
        ts.bulk_insert([("a", number, T0 + 60 * number) for number in range(5)])
        for moment, _data in ts.iterate("a", "hour"):
            ts.insert("b", 1, timestamp=moment)
            ts.get("a", "hour", timestamp=T0)
        assert list(ts.iterate("b", "hour")) == [(T0 + 60 * number, holding(kind, 1)) for number in range(5)]
        with closing(ts.iterate("a", "hour")) as left:
            assert [moment for moment, _ in islice(left, 2)] == [T0, T0 + 60]
        assert ts.delete("a") == 5
        ts.delete_all()
        assert ts.list() == []

    @every_kind
    def test_properties(self, store: Store, kind: str) -> None:
        """`properties` gives the start of the first and of the last bucket with data, per interval, also after late
        inserts; of a name that is not there nothing (semantics 4.7).

        Look at: `Backend.bounds`.
        """
        ts = store.open(kind, {**BOTH, "month": {"step": "monthly"}})
        assert ts.properties("a") == {}
        ts.insert("a", 1, timestamp=T0 + 7265)
        ts.insert("b", 1, timestamp=T0 - 86_400)
        one = {"minute": T0 + 7260, "hour": T0 + 7200, "month": T0}
        assert ts.properties("a") == {key: {"first": start, "last": start} for key, start in one.items()}
        ts.insert("a", 1, timestamp=T0 - 1)
        ts.insert("a", 1, timestamp=T0 + 3600)
        assert ts.properties("a") == {
            "minute": {"first": T0 - 60, "last": T0 + 7260},
            "hour": {"first": T0 - 3600, "last": T0 + 7200},
            "month": {"first": at(2012, 12), "last": T0},
        }
        assert type(ts.properties("a")) is dict

    @every_kind
    def test_list_is_sorted(self, store: Store, kind: str) -> None:
        """`list` gives every name with data once, sorted by code points (semantics 4.7).

        Look at: `Backend.names`.
        """
        ts = store.open(kind, BOTH)
        names = ["b", "B", "\u00e9", "z", "10", "9", "a", "\U0001f680", "\uffff", "e"]
        for some in (names, names[::-1]):
            ts.bulk_insert([(name, 1, T0) for name in some])
        assert ts.list() == sorted(names)
        assert type(ts.list()) is list

    @every_kind
    def test_list_and_properties_leave_out_what_is_gone(self, store: Store, kind: str) -> None:
        """Names whose data is all past or deleted are not listed, and have no properties; what is written later brings
        them back (semantics 4.7).

        Look at: an index of names or of bounds that outlives the data.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 2}})
        now = int(store.clock.now)
        start = now - now % step
        ts.bulk_insert([("a", 1, start - step), ("b", 1, start), ("c", 1, start - step), ("c", 1, start)])
        assert ts.list() == ["a", "b", "c"]
        store.clock.advance(step)
        assert ts.list() == ["b", "c"]
        assert ts.properties("c") == {"i": {"first": start, "last": start}}
        ts.delete("b")
        assert ts.list() == ["c"]
        assert ts.properties("b") == {}
        ts.insert("a", 1)
        ts.insert("b", 1)
        assert ts.list() == ["a", "b", "c"]
        assert ts.properties("b") == {"i": {"first": start + step, "last": start + step}}

    @every_kind
    def test_only_configured_intervals_are_listed(self, store: Store, kind: str) -> None:
        """A name that has data only in intervals that the reader has not configured is not listed (semantics 4.7).

        Look at: `Backend.names`, which asks for the intervals of its cutoffs only.
        """
        store.open(kind, {"day": {"step": "1d"}}).insert("old", 1, timestamp=T0)
        ts = store.open(kind)
        ts.insert("new", 1, timestamp=T0)
        assert ts.list() == ["new"]
        assert ts.properties("old") == {}

    def test_many_names(self, store: Store) -> None:
        """`list` gives all names, however many there are (semantics 4.7).

        Look at: a page of results that is taken for all of them.
        """
        ts = store.open("count")
        names = [f"name {number:05}" for number in range(min(3000, store.harness.many))]
        ts.bulk_insert([(name, 1, T0) for name in names])
        assert ts.list() == names

    def test_iterate_over_a_calendar(self, store: Store) -> None:
        """`iterate` steps from boundary to actual boundary (semantics 1.4, 4.7).

        Look at: the other failures first, since this is the core's work.
        """
        ts: Any = store.open("count", {"week": {"step": "weekly"}})
        ts.insert("a", timestamp=at(2012, 12, 25))
        ts.insert("a", timestamp=at(2013, 1, 8))
        assert dict(ts.iterate("a", "week")) == {at(2012, 12, 23): 1, at(2012, 12, 30): 0, T0: 0, at(2013, 1, 6): 1}
