"""Semantics 4.1 to 4.3: the shapes of the answers, the same on all backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kairos import InvalidValue, UnknownInterval
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, T0, at, every_kind, holding
from kairos_conformance._store import Store

__all__ = ["ReadingTests"]


def noting(seen: list[Any]) -> Callable[[Any], Any]:
    """A callable that gives back what it gets, and notes it."""

    def note(value: Any) -> Any:
        seen.append(value)
        return value

    return note


class ReadingTests(SuiteBase):
    """What a read gives."""

    @every_kind
    def test_results_are_plain_dicts_in_ascending_order(self, store: Store, kind: str) -> None:
        """Results are plain dicts, ascending in time, the inner ones too, in whatever order was written (semantics
        4.1).

        Look at: the order in which `Backend.read` gives buckets and resolution buckets.
        """
        ts = store.open(kind, BOTH)
        order = [7, 2, 9, 0, 4, 1, 8, 3]
        for number in order:
            ts.insert("a", number, timestamp=T0 + 600 * number)
        starts = [T0 + 600 * number for number in sorted(order)]
        series = ts.series("a", "hour", start=T0, end=T0 + 7200)
        assert type(series) is dict
        assert list(series) == [T0, T0 + 3600, T0 + 7200]
        assert [type(inner) for inner in series.values()] == [dict] * 3
        assert [start for inner in series.values() for start in inner] == starts
        get = ts.get("a", "hour", timestamp=T0)
        assert type(get) is dict
        assert list(get) == starts[:5]
        assert [moment for moment, _ in ts.iterate("a", "hour")] == starts
        coarse = ts.series("a", "minute", start=T0, end=T0 + 5400)
        assert type(coarse) is dict
        assert list(coarse) == list(range(T0, T0 + 5401, 60))

    @every_kind
    def test_an_empty_coarse_bucket(self, store: Store, kind: str) -> None:
        """`series` has every bucket of the range, with data or not; an empty one is [], {}, 0, None or set(). `get`
        gives its one bucket always (semantics 4.2).

        Look at: an entry for a cell that is not there.
        """
        ts = store.open(kind)
        nothing = EMPTY[kind]
        assert ts.get("a", "minute", timestamp=T0) == {T0: nothing}
        assert ts.series("a", "minute", start=T0, end=T0 + 60) == {T0: nothing, T0 + 60: nothing}
        ts.insert("a", 5, timestamp=T0 + 60)
        found = ts.series("a", "minute", start=T0, end=T0 + 120)
        assert found == {T0: nothing, T0 + 60: holding(kind, 5), T0 + 120: nothing}
        assert type(found[T0]) is type(nothing)
        assert ts.get("a", "minute", timestamp=T0) == {T0: nothing}
        assert ts.get("b", "minute", timestamp=T0 + 60) == {T0 + 60: nothing}

    @every_kind
    def test_an_empty_fine_interval(self, store: Store, kind: str) -> None:
        """With a resolution an interval without data is an empty dict, and inside an interval there are only the
        resolution buckets that hold data; condensed, an interval without data is the empty value (semantics 4.2).

        Look at: an entry for a cell that is not there.
        """
        ts = store.open(kind, FINE)
        assert ts.get("a", "hour", timestamp=T0) == {}
        assert ts.series("a", "hour", start=T0, end=T0 + 3600) == {T0: {}, T0 + 3600: {}}
        assert ts.get("a", "hour", timestamp=T0, condense=True) == {T0: EMPTY[kind]}
        ts.insert("a", 5, timestamp=T0 + 3665)
        assert ts.series("a", "hour", start=T0, end=T0 + 7200) == {
            T0: {},
            T0 + 3600: {T0 + 3660: holding(kind, 5)},
            T0 + 7200: {},
        }
        assert ts.series("a", "hour", start=T0, end=T0 + 3600, condense=True) == {
            T0: EMPTY[kind],
            T0 + 3600: holding(kind, 5),
        }

    def test_the_range_of_a_series(self, store: Store) -> None:
        """With start and end: from the bucket of the one to that of the other, whatever ``steps`` says. With one of
        them: ``steps`` buckets that include it. With none: up to now. ``steps=`` wins over the configuration, which
        wins over 1 (semantics 4.2).

        Look at: the end of a range in `Backend.read`, which is included; the range itself is the core's work.
        """
        ts = store.open(
            "count", {"five": {"step": "1d", "steps": 5}, "all": {"step": "1d"}, "month": {"step": "monthly"}}
        )
        day, now = 86_400, int(store.clock.now)
        today = now - now % day
        for number in range(-9, 1):
            ts.insert("a", number + 10, timestamp=today + number * day)

        def days(*args: Any, **keywords: Any) -> list[int]:
            return [(start - today) // day for start in ts.series("a", *args, **keywords)]

        assert days("all", start=today - 3 * day + 5, end=today - day + 7) == [-3, -2, -1]
        assert days("all", start=today - 3 * day, end=today - day, steps=2) == [-3, -2, -1]
        assert days("all", start=today - day, end=today - day) == [-1]
        assert days("all", start=today - 3 * day + 5) == [-3]
        assert days("all", start=today - 3 * day, steps=2) == [-3, -2]
        assert days("all", end=today - 3 * day + 5) == [-3]
        assert days("all", end=today - 3 * day, steps=3) == [-5, -4, -3]
        assert days("all") == [0]
        assert days("all", steps=2) == [-1, 0]
        assert days("five") == [-4, -3, -2, -1, 0]
        assert days("five", steps=2) == [-1, 0]
        assert days("five", start=today - 2 * day) == [-2, -1, 0, 1, 2]
        assert days("five", end=today - day) == [-5, -4, -3, -2, -1]
        assert list(ts.series("a", "all", steps=2).values()) == [9, 10]
        assert list(ts.series("a", "month", end=at(2013, 3, 31), steps=3)) == [at(2013), at(2013, 2), at(2013, 3)]
        assert list(ts.series("a", "month", start=at(2012, 12, 31), steps=2)) == [at(2012, 12), at(2013)]

    def test_steps_is_a_positive_int(self, store: Store) -> None:
        """``steps=`` of a `series` is a positive int; anything else is a ValueError (semantics 4.2).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        for steps in (0, -1, 1.5, "2", True):
            with pytest.raises(InvalidValue):
                ts.series("a", "minute", steps=steps)

    def test_start_after_end_is_an_error(self, store: Store) -> None:
        """A range that ends before it starts is a ValueError (semantics 4.2).

        Look at: the other failures first, since this is the core's work.
        """
        with pytest.raises(InvalidValue):
            store.open("count").series("a", "minute", start=T0 + 60, end=T0)

    def test_an_unknown_interval(self, store: Store) -> None:
        """An interval that is not configured raises UnknownInterval, a LookupError, in every verb that takes one
        (semantics 4.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        unknown: list[Any] = ["hour", "", None, 5, []]
        for interval in unknown:
            for verb in (ts.get, ts.series, lambda *names: list(ts.iterate(*names))):
                with pytest.raises(UnknownInterval) as caught:
                    verb("a", interval)
                assert isinstance(caught.value, LookupError)

    @every_kind
    def test_condensed_is_the_old_name_of_condense(self, store: Store, kind: str) -> None:
        """``condensed=`` works as ``condense=`` does, with a DeprecationWarning (semantics 4.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind, FINE)
        ts.insert("a", 1, timestamp=T0)
        ts.insert("a", 2, timestamp=T0 + 60)
        data = holding(kind, 1, 2)
        with pytest.warns(DeprecationWarning, match="condense="):
            assert ts.get("a", "hour", timestamp=T0, condensed=True) == {T0: data}
        with pytest.warns(DeprecationWarning, match="condense="):
            assert ts.series("a", "hour", start=T0, end=T0, condensed=True) == {T0: data}
        with pytest.warns(DeprecationWarning, match="condense="):
            assert list(ts.iterate("a", "hour", condensed=True)) == [(T0, data)]

    @pytest.mark.parametrize("kind", ["count", "histogram", "series", "set"])
    def test_no_data_reaches_no_callable(self, store: Store, kind: str) -> None:
        """No data never reaches ``process_row`` or ``read_func`` (semantics 4.3).

        Look at: an entry that `Backend.read` gives for a cell that is not there.
        """
        seen: list[Any] = []
        ts = store.open(kind, BOTH, read_func=noting(seen))
        ts.insert("a", 5, timestamp=T0)
        ts.get("a", "minute", timestamp=T0 + 60)
        ts.get("a", "hour", timestamp=T0 + 3600)
        ts.series(["b", "c"], "minute", start=T0, end=T0 + 60)
        assert seen == []
        ts.series(["a", "b"], "minute", start=T0 - 600, end=T0 + 600)
        assert seen == [5]
        for interval in BOTH:
            rows: list[Any] = []
            ts.series(
                ["a", "b"],
                interval,
                start=T0 - 7200,
                end=T0 + 7200,
                process_row=noting(rows),
            )
            assert rows == [holding(kind, 5)]

    @pytest.mark.parametrize(
        ("read_func", "expected"),
        [(None, None), (int, None), (lambda value: value + 1, None), (lambda value: f"<{value}>", "<>"), (str, "")],
        ids=["none", "ValueError", "TypeError", "text", "str"],
    )
    def test_a_gauge_without_data(self, store: Store, read_func: Any, expected: Any) -> None:
        """The "no data" of a gauge is read_func(''), after joining; None if that raises ValueError or TypeError, or if
        there is no ``read_func`` (semantics 4.3).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("gauge", BOTH, read_func=read_func)
        assert ts.get("a", "minute", timestamp=T0) == {T0: expected}
        assert ts.series(["a", "b"], "minute", start=T0, end=T0 + 60) == {T0: expected, T0 + 60: expected}
        assert ts.get("a", "hour", timestamp=T0, condense=True) == {T0: expected}
        assert ts.series("a", "hour", start=T0, end=T0 + 3600, collapse=True) == {T0: expected}
        assert ts.get("a", "hour", timestamp=T0) == {}
        ts.insert("b", 1, timestamp=T0)
        given = 1 if read_func is None else read_func(1)
        assert ts.get(["b", "a"], "minute", timestamp=T0) == {T0: given}
        assert ts.get(["a", "b"], "minute", timestamp=T0) == {T0: given}

    @every_kind
    def test_a_custom_process_row_replaces_the_built_in_one(self, store: Store, kind: str) -> None:
        """``process_row`` gets the decoded data of each cell, and ``read_func`` is not called then (semantics 4.3).

        Look at: what `Backend.read` gives: lists, dicts, numbers, values and sets of decoded values.
        """
        called: list[Any] = []
        ts = store.open(kind, BOTH, read_func=called.append)
        ts.insert("a", [1, 2], timestamp=T0)
        data = holding(kind, 1, 2)
        assert ts.get("a", "minute", timestamp=T0, process_row=lambda row: ("row", row)) == {T0: ("row", data)}
        assert ts.series("a", "hour", start=T0, end=T0, process_row=lambda row: ("row", row)) == {
            T0: {T0: ("row", data)}
        }
        assert list(ts.iterate("a", "hour", process_row=lambda row: ("row", row))) == [(T0, ("row", data))]
        assert called == []

    @every_kind
    def test_only_what_was_asked_for_is_read(self, store: Store, kind: str) -> None:
        """A read gives the data of its name, its interval and its range, and of nothing beside them (semantics 4.2).

        Look at: the conditions of a query, and bounds that are off by one.
        """
        ts = store.open(kind, {"minute": {"step": 60}, "other": {"step": 60}})
        for number in range(5):
            ts.insert("a", number, timestamp=T0 + 60 * number)
            ts.insert("b", 10 + number, timestamp=T0 + 60 * number)
        one = store.open(kind, {"other": {"step": 60}})
        one.insert("a", 20, timestamp=T0 + 120)
        assert ts.series("a", "minute", start=T0 + 60, end=T0 + 180) == {
            T0 + 60 * number: holding(kind, number) for number in (1, 2, 3)
        }
        assert ts.get("a", "minute", timestamp=T0 + 120) == {T0 + 120: holding(kind, 2)}
        assert ts.get("a", "other", timestamp=T0 + 120) == {T0 + 120: holding(kind, 2, 20)}
