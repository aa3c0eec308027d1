"""Semantics 2.1, 3.1 to 3.3, 3.6: how points become cells, in both verbs that write."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from kairos import InvalidValue, Written
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, MINUTE, T0, at, every_kind, holding
from kairos_conformance._store import Store

__all__ = ["WritingTests"]


class WritingTests(SuiteBase):
    """Points become cells."""

    @every_kind
    def test_each_kind_keeps_what_it_means(self, store: Store, kind: str) -> None:
        """Series keep every value in order, histograms how often each occurred, counts the sum, gauges the last value,
        sets the distinct ones; on every backend (semantics 2.2).

        Look at: `Backend.write` and `Backend.read` for the shape of this kind.
        """
        ts = store.open(kind, BOTH)
        values = (3, 1, 3, 2, 3, 1)
        for value in values:
            assert ts.insert("a", value, timestamp=T0) == Written(points=1, cells=2, expired=0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, *values)}
        assert ts.get("a", "hour", timestamp=T0) == {T0: holding(kind, *values)}
        assert ts.list() == ["a"]

    def test_the_type_is_series_by_default(self, store: Store) -> None:
        """Without ``type`` a Timeseries is a series (semantics 2.2).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(None, value_type=None)
        ts.insert("a", [1, 1], timestamp=T0)
        first, second = ts.get("a", "minute", timestamp=T0)[T0]
        assert first == second == ts.backend.value_type.accept(1)

    @every_kind
    def test_a_collection_inserts_its_members(self, store: Store, kind: str) -> None:
        """A list, a tuple or a generator inserts its members, in order (semantics 3.1).

        Look at: the other failures first: it gets reduced cells.
        """
        ts = store.open(kind)
        for values in ([5, 7, 5], (1, 5, 2), (value for value in [8, 7, 8])):
            assert ts.insert("a", values, timestamp=T0) == Written(points=3, cells=1, expired=0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 5, 7, 5, 1, 5, 2, 8, 7, 8)}

    @every_kind
    def test_a_set_has_no_order(self, store: Store, kind: str) -> None:
        """A set or a frozenset inserts its members where order does not matter; into a series or a gauge it is a
        ValueError (semantics 3.1).

        Look at: the other failures first: it gets reduced cells.
        """
        ts = store.open(kind)
        for values in ({5, 7}, frozenset([6, 8])):
            if kind in {"series", "gauge"}:
                with pytest.raises(InvalidValue):
                    ts.insert("a", values, timestamp=T0)
                assert ts.list() == []
            else:
                assert ts.insert("a", values, timestamp=T0).points == 2
        if kind not in {"series", "gauge"}:
            assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 5, 7, 6, 8)}

    @every_kind
    def test_an_empty_collection_writes_nothing(self, store: Store, kind: str) -> None:
        """No members, no data: not even a bucket (semantics 3.1).

        Look at: a cell that a backend makes before it knows that there is something to keep.
        """
        ts = store.open(kind)
        empties: list[Any] = [[], (), (value for value in "")]
        for nothing in empties:
            assert ts.insert("a", nothing, timestamp=T0) == Written(points=0, cells=0, expired=0)
        assert ts.bulk_insert({}) == ts.bulk_insert([]) == Written(points=0, cells=0, expired=0)
        assert ts.list() == []
        assert ts.properties("a") == {}

    @pytest.mark.parametrize("kind", ["series", "gauge", "histogram", "set"])
    def test_every_other_object_is_one_value(self, store: Store, kind: str) -> None:
        """A dict, a range, a deque, text and bytes are one value: here one that is not an int, and so a ValueError
        that leaves nothing behind (semantics 3.1).

        Look at: a type of values that takes what is not an int; else the other failures first.
        """
        ts = store.open(kind)
        others: list[Any] = [{1: 2}, range(3), deque([1, 2]), "12", b"12"]
        for value in others:
            for given in (value, [1, value]):
                with pytest.raises(InvalidValue):
                    ts.insert("a", given, timestamp=T0)
        assert ts.list() == []

    @pytest.mark.parametrize("kind", ["series", "gauge", "histogram", "set"])
    @pytest.mark.parametrize(("value_type", "value"), [("text", "12"), ("blob", b"12")])
    def test_text_and_bytes_are_one_value(self, store: Store, kind: str, value_type: str, value: Any) -> None:
        """Text and bytes are single values, not collections (semantics 3.1).

        Look at: how the backend adds a single value to a list or a set.
        """
        ts = store.open(kind, value_type=value_type)
        assert ts.insert("a", value, timestamp=T0) == Written(points=1, cells=1, expired=0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, value)}

    def test_numpy_is_recognised(self, store: Store) -> None:
        """A NumPy array of one dimension inserts its members, as Python's own objects; one without dimension is a
        value; more dimensions, and types that Python has no exact twin for, are a ValueError (semantics 3.1).

        Look at: the other failures first: it never sees NumPy.
        """
        numpy = pytest.importorskip("numpy", reason="pip install 'kairos-conformance[numpy]'")
        ts = store.open("series", value_type="int")
        assert ts.insert("a", numpy.array([1, 2]), timestamp=T0).points == 2
        ts.insert("a", numpy.array(3), timestamp=T0)
        ts.insert("a", numpy.int16(4), timestamp=T0)
        ts.insert("a", [numpy.uint8(5), numpy.float64(6)], timestamp=T0)
        found = ts.get("a", "minute", timestamp=T0)[T0]
        assert found == [1, 2, 3, 4, 5, 6]
        assert {type(value) for value in found} == {int}
        for bad in (numpy.ones((2, 2)), numpy.datetime64("2013-01-01"), numpy.array([1j]), numpy.longdouble(1) / 3):
            with pytest.raises(InvalidValue):
                ts.insert("b", bad, timestamp=T0)
        texts = store.open("set", value_type="text")
        texts.insert("a", numpy.array(["x", "y"]), timestamp=T0)
        assert texts.get("a", "minute", timestamp=T0) == {T0: {"x", "y"}}
        assert ts.list() == ["a"]

    @every_kind
    def test_a_value_may_be_left_out_for_a_count_only(self, store: Store, kind: str) -> None:
        """A count grows by 1 where no value is given; the other kinds need one (semantics 3.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind)
        if kind == "count":
            ts.insert("a", timestamp=T0)
            assert ts.get("a", "minute", timestamp=T0) == {T0: 1}
        else:
            with pytest.raises(InvalidValue):
                ts.insert("a", timestamp=T0)

    @every_kind
    def test_none_is_no_value(self, store: Store, kind: str) -> None:
        """None is a ValueError, alone and among others (semantics 3.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind)
        calls: list[Callable[[], Any]] = [
            lambda: ts.insert("a", None, timestamp=T0),
            lambda: ts.insert("a", [1, None], timestamp=T0),
            lambda: ts.bulk_insert({T0: {"a": [1, None]}}),
            lambda: ts.bulk_insert([("a", 1, T0), ("a", None, T0)]),
        ]
        for call in calls:
            with pytest.raises(InvalidValue):
                call()
        assert ts.list() == []

    @every_kind
    def test_further_intervals(self, store: Store, kind: str) -> None:
        """``intervals=n`` writes the value to the n intervals that follow, or precede if n is negative; with a
        resolution into the first resolution bucket of each (semantics 3.1).

        Look at: the other failures first: it gets the cells.
        """
        ts = store.open(kind, BOTH)
        assert ts.insert("a", 1, timestamp=T0 + 125, intervals=2) == Written(points=1, cells=6, expired=0)
        assert ts.insert("b", 1, timestamp=T0 + 125, intervals=-1) == Written(points=1, cells=4, expired=0)
        one = holding(kind, 1)
        assert dict(ts.iterate("a", "minute")) == {T0 + 120: one, T0 + 180: one, T0 + 240: one}
        assert dict(ts.iterate("a", "hour")) == {T0 + 120: one, T0 + 3600: one, T0 + 7200: one}
        assert dict(ts.iterate("b", "minute")) == {T0 + 60: one, T0 + 120: one}
        assert dict(ts.iterate("b", "hour")) == {T0 - 3600: one, T0 + 120: one}

    def test_further_intervals_follow_the_calendar(self, store: Store) -> None:
        """The timestamp's interval is shifted by whole steps, not by seconds (semantics 3.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count", {"month": {"step": "monthly", "resolution": "weekly"}})
        ts.bulk_insert([("a", 1, at(2013, 1, 31))], intervals=2)
        assert ts.series("a", "month", start=T0, end=at(2013, 3)) == {
            T0: {at(2013, 1, 27): 1},
            at(2013, 2): {at(2013, 1, 27): 1},
            at(2013, 3): {at(2013, 2, 24): 1},
        }

    @every_kind
    def test_bulk_insert_takes_a_mapping(self, store: Store, kind: str) -> None:
        """``{timestamp: {name: [values]}}`` is written as one batch, one reduced write per bucket, and accounted for
        (semantics 3.2).

        Look at: how `Backend.write` tells the cells of a batch apart.
        """
        ts = store.open(kind, BOTH)
        written = ts.bulk_insert(
            {T0: {"a": [1, 2], "b": [3]}, T0 + 30: {"a": [2]}, T0 + 60: {"a": [4]}, T0 + 3600: {"b": (5, 5)}}
        )
        assert written == Written(points=7, cells=8, expired=0)
        assert ts.series("a", "minute", start=T0, end=T0 + 60) == {
            T0: holding(kind, 1, 2, 2),
            T0 + 60: holding(kind, 4),
        }
        assert ts.series("b", "hour", start=T0, end=T0 + 3600) == {
            T0: {T0: holding(kind, 3)},
            T0 + 3600: {T0 + 3600: holding(kind, 5, 5)},
        }

    @every_kind
    def test_bulk_insert_takes_points_in_their_order(self, store: Store, kind: str) -> None:
        """An iterable of (name, value, timestamp) is written as one batch; the order of the batch is the order of a
        series, and the last of it is what a gauge keeps (semantics 3.2, 3.6).

        Look at: a batch that is sorted, or split among writers.
        """
        ts = store.open(kind)
        points = [("a", 3, T0 + 30), ("b", 9, T0), ("a", 1, T0 + 10), ("a", [2, 8], T0), ("a", 5, T0 + 59)]
        assert ts.bulk_insert(points) == Written(points=6, cells=2, expired=0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 3, 1, 2, 8, 5)}
        ts.bulk_insert(iter([("a", 7, T0), ("a", 6, T0)]))
        ts.bulk_insert(("a", value, T0) for value in (4, 0))
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 3, 1, 2, 8, 5, 7, 6, 4, 0)}

    @every_kind
    def test_a_large_batch(self, store: Store, kind: str) -> None:
        """Nothing of a batch is lost, however many cells it has (semantics 3.2).

        Look at: limits of the driver, such as the number of parameters of a statement.
        """
        ts = store.open(kind, MINUTE)
        size = min(2500, store.harness.many)
        written = ts.bulk_insert([(f"n{number % 7}", number, T0 + 60 * number) for number in range(size)])
        assert written == Written(points=size, cells=size, expired=0)
        found = ts.series("n3", "minute", start=T0, end=T0 + 60 * (size - 1))
        for number in range(size):
            expected = holding(kind, number) if number % 7 == 3 else EMPTY[kind]
            assert found[T0 + 60 * number] == expected

    @every_kind
    def test_a_large_cell(self, store: Store, kind: str) -> None:
        """Nothing of a bucket is lost, however much it holds (semantics 3.2).

        Look at: limits of the driver, and of the size of a row, a document or a reply.
        """
        ts = store.open(kind, MINUTE)
        values = list(range(store.harness.many))
        ts.insert("a", values, timestamp=T0)
        ts.insert("a", values[:100], timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, *values, *values[:100])}

    def test_a_malformed_batch(self, store: Store) -> None:
        """What is neither ``{timestamp: {name: values}}`` nor (name, value, timestamp)s is a ValueError, and nothing is
        written (semantics 3.2).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        bad: list[Any] = [None, 5, "abc", b"abc", {T0: [1]}, {T0: 1}, [1], ["abc"], [("a", 1)], [("a", 1, T0, 0)]]
        for batch in [*bad, [{"a": 1}]]:
            with pytest.raises(InvalidValue):
                ts.bulk_insert(batch)
        assert ts.list() == []

    def test_bad_further_intervals(self, store: Store) -> None:
        """``intervals=`` is an int (semantics 3.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        for intervals in (None, 1.5, "1", True):
            with pytest.raises(InvalidValue, match="intervals"):
                ts.insert("a", 1, timestamp=T0, intervals=intervals)
            with pytest.raises(InvalidValue, match="intervals"):
                ts.bulk_insert([("a", 1, T0)], intervals=intervals)
        assert ts.list() == []

    @every_kind
    def test_a_bad_point_spoils_the_whole_batch(self, store: Store, kind: str) -> None:
        """If any point of a batch is refused, nothing of it is written (semantics 3.1, 3.4).

        Look at: the other failures first: the core groups all of a batch before it writes.
        """
        ts = store.open(kind, BOTH)
        good = [("a", 1, T0 + 60 * number) for number in range(100)]
        for bad in (("b", "x", T0), ("b", [1, object()], T0), ("", 1, T0), ("b", 1, "now"), ("b", 2**64, T0), ("b", 1)):
            with pytest.raises(InvalidValue):
                ts.bulk_insert([*good, bad])
        assert ts.list() == []

    @every_kind
    def test_what_the_caller_gives_is_never_changed(self, store: Store, kind: str) -> None:
        """The caller's dicts and lists are read and left alone, and what is done to them later changes nothing that
        was stored (semantics 2.1).

        Look at: a backend that keeps the payload of a cell instead of a copy of it.
        """
        intervals: dict[str, dict[str, Any]] = {
            "minute": {"step": "1min", "steps": None},
            "hour": {"step": 3600, "resolution": "60"},
        }
        inserts = {T0: {"a": [1, 2]}, T0 + 60: {"a": [3]}}
        values = [4, 5]
        before = deepcopy((intervals, inserts, values))
        ts = store.open(kind, intervals)
        ts.bulk_insert(inserts)
        ts.insert("a", values, timestamp=T0)
        assert (intervals, inserts, values) == before
        values.append(6)
        inserts[T0]["a"].append(6)
        intervals.clear()
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 1, 2, 4, 5)}
        assert set(ts.properties("a")) == {"minute", "hour"}

    @every_kind
    def test_write_func_comes_first_and_once_per_value(self, store: Store, kind: str) -> None:
        """``write_func`` gets each value as it was given, once, before anything else looks at it (semantics 3.3).

        Look at: the other failures first, since this is the core's work.
        """
        seen: list[Any] = []

        def length(value: Any) -> int:
            seen.append(value)
            return len(value)

        ts = store.open(kind, BOTH, write_func=length)
        ts.insert("a", ["xxx", b"x"], timestamp=T0, intervals=1)
        ts.bulk_insert([("a", "xx", T0)])
        assert seen == ["xxx", b"x", "xx"]
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 3, 1, 2)}

    @every_kind
    def test_a_failing_write_func_writes_nothing(self, store: Store, kind: str) -> None:
        """What ``write_func`` raises passes through unchanged, and nothing of the batch is written (semantics 2.5).

        Look at: the other failures first, since this is the core's work.
        """
        failure = RuntimeError("a write_func of the user's")

        def fail(value: int) -> int:
            if value == 3:
                raise failure
            return value

        ts = store.open(kind, BOTH, write_func=fail)
        with pytest.raises(RuntimeError) as caught:
            ts.bulk_insert([("a", 1, T0), ("b", 2, T0), ("a", 3, T0)])
        assert caught.value is failure
        assert ts.list() == []

    def test_a_gauge_keeps_what_arrived_last(self, store: Store) -> None:
        """Within a cell a gauge keeps the value that arrived last, whatever its timestamp; between cells the later one
        in time wins (semantics 3.6).

        Look at: an upsert that keeps the older or the larger value, or compares timestamps.
        """
        ts = store.open("gauge", FINE)
        ts.insert("a", 9, timestamp=T0 + 50)
        ts.insert("a", 4, timestamp=T0 + 10)
        assert ts.get("a", "hour", timestamp=T0) == {T0: 4}
        ts.insert("a", 7, timestamp=T0 + 600)
        ts.insert("a", 5, timestamp=T0 + 20)
        assert ts.get("a", "hour", timestamp=T0) == {T0: 5, T0 + 600: 7}
        assert ts.get("a", "hour", timestamp=T0, condense=True) == {T0: 7}
        ts.bulk_insert({T0 + 45: {"a": [3]}, T0: {"a": [2, 1]}})
        assert ts.get("a", "hour", timestamp=T0) == {T0: 1, T0 + 600: 7}

    @every_kind
    def test_two_timeseries_write_to_one_store(self, store: Store, kind: str) -> None:
        """What one Timeseries wrote another reads and adds to (semantics 3.5, 3.6).

        Look at: something that the backend remembers of what it wrote.
        """
        one, other = store.open(kind), store.open(kind)
        one.insert("a", 1, timestamp=T0)
        other.insert("a", 2, timestamp=T0)
        one.insert("a", 1, timestamp=T0)
        assert one.get("a", "minute", timestamp=T0) == {T0: holding(kind, 1, 2, 1)}
        assert other.get("a", "minute", timestamp=T0) == {T0: holding(kind, 1, 2, 1)}
