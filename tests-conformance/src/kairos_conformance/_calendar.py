"""Semantics 1.1 to 1.4, 1.6 and 1.7: which bucket a moment falls into, and where a bucket begins and ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from kairos import InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, MINUTE, T0, at, every_kind, holding
from kairos_conformance._store import Store

__all__ = ["CalendarTests"]

CALENDAR: dict[str, dict[str, Any]] = {step: {"step": step} for step in ("daily", "weekly", "monthly", "yearly")}
DAY = 86_400


@contextmanager
def process_time_zone(name: str) -> Iterator[None]:
    """Run in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def bucket_start(step: str, day: date) -> date:
    """The first day of a calendar bucket, computed in another way than the core does."""
    match step:
        case "daily":
            return day
        case "weekly":
            return max(day - timedelta(days=day.isoweekday() % 7), day.replace(month=1, day=1))
        case "monthly":
            return day.replace(day=1)
        case _:
            return day.replace(month=1, day=1)


def midnight(day: date) -> int:
    """Unix seconds of the beginning of a day."""
    return at(day.year, day.month, day.day)


class CalendarTests(SuiteBase):
    """Time becomes buckets."""

    @pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu"])
    def test_the_time_zone_of_the_process_never_matters(self, store: Store, zone: str) -> None:
        """All calendar arithmetic is UTC, whatever the time zone of the process (semantics 1.1).

        Look at: anything in the backend that makes a local datetime out of a bucket, or lets the driver do so.
        """
        with process_time_zone(zone):
            ts = store.open("count", {**CALENDAR, "hour": {"step": "daily", "resolution": "1h"}})
            for moment in (at(2012, 12, 31, 23, 59, 59), T0, at(2013, 7, 1, 0, 30)):
                ts.insert("a", timestamp=moment)
            span = {"start": at(2012, 12, 31), "end": at(2013, 7, 1)}
            assert {day: n for day, n in ts.series("a", "daily", **span).items() if n} == {
                at(2012, 12, 31): 1,
                T0: 1,
                at(2013, 7, 1): 1,
            }
            assert ts.series("a", "yearly", **span) == {at(2012): 1, T0: 2}
            assert ts.get("a", "weekly", timestamp=at(2012, 12, 31)) == {at(2012, 12, 30): 1}
            assert ts.get("a", "hour", timestamp=at(2013, 7, 1)) == {at(2013, 7, 1): 1}
            assert ts.properties("a")["monthly"] == {"first": at(2012, 12), "last": at(2013, 7)}

    @every_kind
    def test_time_floors_below_zero_too(self, store: Store, kind: str) -> None:
        """A timestamp belongs to the bucket that began last, before 1970 too and with a fraction (semantics 1.1).

        Look at: how the backend keeps negative bucket ids and in which order it returns them.
        """
        ts = store.open(kind)
        for value, moment in enumerate((-60.5, -60, -0.5, 0, 59.999), start=1):
            ts.insert("a", value, timestamp=moment)
        assert ts.series("a", "minute", start=-121, end=60) == {
            -180: EMPTY[kind],
            -120: holding(kind, 1),
            -60: holding(kind, 2, 3),
            0: holding(kind, 4, 5),
            60: EMPTY[kind],
        }

    @every_kind
    def test_buckets_are_numbers(self, store: Store, kind: str) -> None:
        """Buckets are ordered as numbers, whatever their signs and lengths (semantics 1.1, 4.1).

        Look at: bucket ids that are compared or sorted as text.
        """
        ts = store.open(kind, {**MINUTE, "era": {"step": 60_000_000, "resolution": 60}})
        minutes = [-1000, -11, -2, 0, 3, 20, 100]
        ts.bulk_insert([("a", 1, 60 * minute) for minute in (20, -2, 100, -1000, 3, 0, -11)])
        one = holding(kind, 1)
        assert ts.properties("a")["minute"] == {"first": -60_000, "last": 6000}
        assert [moment // 60 for moment, data in ts.iterate("a", "minute") if data == one] == minutes
        assert [moment // 60 for moment, _ in ts.iterate("a", "era")] == minutes
        found = ts.series("a", "minute", start=-660, end=1200)
        assert [moment // 60 for moment, data in found.items() if data == one] == [-11, -2, 0, 3, 20]
        assert list(ts.series("a", "era", start=-1, end=0)) == [-60_000_000, 0]

    @every_kind
    def test_distant_times(self, store: Store, kind: str) -> None:
        """Every moment of the years 1 to 9999 has its bucket (semantics 1.4).

        Look at: bucket ids and times in 32 bits, or in a date type of the store.
        """
        ts = store.open(kind, {"second": {"step": 1}, "year": {"step": "yearly", "resolution": "daily"}})
        moments = [at(1), at(1900, 2, 28), at(2038, 1, 19, 3, 14, 8), at(2200), at(9999, 12, 31, 23, 59, 59)]
        for value, moment in enumerate(moments, start=1):
            ts.insert("a", value, timestamp=moment)
        for value, moment in enumerate(moments, start=1):
            assert ts.get("a", "second", timestamp=moment) == {moment: holding(kind, value)}
            assert ts.get("a", "year", timestamp=moment) == {moment // DAY * DAY: holding(kind, value)}
        assert ts.properties("a") == {
            "second": {"first": moments[0], "last": moments[-1]},
            "year": {"first": at(1), "last": at(9999)},
        }

    @every_kind
    def test_bucket_zero_and_timestamp_zero_are_ordinary(self, store: Store, kind: str) -> None:
        """Bucket 0 and timestamp 0 are like any other, in every verb (semantics 1.1).

        Look at: a truth value where a comparison with None is meant (``if bucket:``, ``if not start:``).
        """
        ts = store.open(kind, BOTH)
        ts.insert("a", 1, timestamp=0)
        ts.bulk_insert({0: {"a": [2]}})
        data = holding(kind, 1, 2)
        assert ts.get("a", "minute", timestamp=0) == {0: data}
        assert ts.get("a", "hour", timestamp=0) == {0: data}
        assert ts.series("a", "minute", start=0, end=0) == {0: data}
        assert ts.series("a", "hour", start=0, end=0) == {0: {0: data}}
        assert ts.series("a", "minute", end=0, steps=1) == {0: data}
        assert list(ts.iterate("a", "minute")) == [(0, data)]
        assert list(ts.iterate("a", "hour")) == [(0, data)]
        assert ts.properties("a") == {"minute": {"first": 0, "last": 0}, "hour": {"first": 0, "last": 0}}
        assert ts.list() == ["a"]
        assert ts.delete("a") == 2

    def test_every_form_of_a_timestamp(self, store: Store) -> None:
        """A timestamp is an int or a float of Unix seconds, or an aware datetime of any zone (semantics 1.2).

        Look at: the other failures first: it only ever sees buckets.
        """
        ts = store.open("count")
        zone = timezone(timedelta(hours=5, minutes=45))
        forms = (T0 + 30, T0 + 30.9, datetime(2013, 1, 1, 5, 45, 30, tzinfo=zone))
        for form in forms:
            ts.insert("a", timestamp=form)
            ts.bulk_insert({form: {"a": [1]}})
            ts.bulk_insert([("a", 1, form)])
        for form in forms:
            assert ts.get("a", "minute", timestamp=form) == {T0: 9}
            assert ts.series("a", "minute", start=form, end=form) == {T0: 9}

    def test_a_bad_timestamp_is_refused(self, store: Store) -> None:
        """A naive datetime, NaN, an infinity and what is no time at all is a ValueError in every verb, before anything
        is written (semantics 1.2).

        Look at: the other failures first: the core checks each point of a batch before it writes the first.
        """
        ts = store.open("count")
        calls: list[Callable[[Any], Any]] = [
            lambda moment: ts.insert("a", 1, timestamp=moment),
            lambda moment: ts.bulk_insert([("a", 1, T0), ("a", 1, moment)]),
            lambda moment: ts.bulk_insert({T0: {"a": [1]}, moment: {"a": [1]}}),
            lambda moment: ts.get("a", "minute", timestamp=moment),
            lambda moment: ts.series("a", "minute", start=moment),
            lambda moment: ts.series("a", "minute", end=moment),
        ]
        naive = datetime(2013, 1, 1)  # noqa: DTZ001
        for moment in (naive, float("nan"), float("inf"), float("-inf"), "2013-01-01", "0"):
            for call in calls:
                with pytest.raises(InvalidValue):
                    call(moment)
        assert ts.list() == []

    @every_kind
    def test_no_timestamp_means_now(self, store: Store, kind: str) -> None:
        """Without a timestamp, or with None, the time is that of the injected clock (semantics 1.2).

        Look at: a clock of the backend's or the server's own.
        """
        ts = store.open(kind, {"step": {"step": store.quiet_step}})
        ts.insert("a", 1)
        ts.insert("a", 2, timestamp=None)
        ts.bulk_insert({None: {"a": [3]}})
        ts.bulk_insert([("a", 4, None)])
        now = int(store.clock.now)
        start = now - now % store.quiet_step
        assert ts.get("a", "step") == {start: holding(kind, 1, 2, 3, 4)}
        assert ts.get("a", "step", timestamp=None) == ts.series("a", "step") == ts.get("a", "step")

    def test_every_spelling_of_a_step(self, store: Store) -> None:
        """A step is a number of seconds, as int or digits, or a number with s, min, h, d, w, m (30 days) or y (365
        days) (semantics 1.3).

        Look at: the other failures first: it only ever sees buckets.
        """
        spellings: dict[str | int, int] = {
            7: 7,
            "90": 90,
            "90s": 90,
            "5min": 300,
            "2h": 7200,
            "3d": 3 * DAY,
            "2w": 14 * DAY,
            "2m": 60 * DAY,
            "1y": 365 * DAY,
        }
        ts = store.open("count", {f"every {spelling!r}": {"step": spelling} for spelling in spellings})
        ts.bulk_insert([(f"{spelling!r}", 5, 3 * step + step // 2) for spelling, step in spellings.items()])
        for spelling, step in spellings.items():
            found = ts.get(f"{spelling!r}", f"every {spelling!r}", timestamp=4 * step - 1)
            assert found == {3 * step: 5}, spelling

    def test_calendar_buckets(self, store: Store) -> None:
        """Days, weeks from Sunday that end with the year, months and years begin where the calendar says (semantics
        1.4).

        Look at: a backend that computes starts or ranges of buckets itself, where the core's steps would do.
        """
        cases = [
            ("daily", at(2012, 2, 29, 23, 59, 59), at(2012, 2, 29)),
            ("weekly", at(2012, 12, 29), at(2012, 12, 23)),
            ("weekly", at(2012, 12, 30), at(2012, 12, 30)),  # week 53, two days long
            ("weekly", at(2013, 1, 5, 23), T0),  # week 00, five days long
            ("weekly", at(2013, 1, 6), at(2013, 1, 6)),
            ("weekly", at(2017, 1, 1), at(2017, 1, 1)),  # a Sunday: week 01, there is no week 00
            ("weekly", at(1969, 12, 31), at(1969, 12, 28)),
            ("monthly", at(2012, 2, 29), at(2012, 2, 1)),
            ("yearly", at(1969, 12, 31, 23, 59, 59), at(1969)),
        ]
        ts = store.open("count", CALENDAR)
        ts.bulk_insert([(f"{step} {moment}", 3, moment) for step, moment, _ in cases])
        for step, moment, start in cases:
            assert ts.get(f"{step} {moment}", step, timestamp=moment) == {start: 3}
            assert ts.properties(f"{step} {moment}")[step] == {"first": start, "last": start}

    @pytest.mark.parametrize("step", list(CALENDAR))
    def test_the_days_around_each_new_year_round_trip(self, store: Store, step: str) -> None:
        """From 1970 to 2100 every day comes back in the bucket that holds it, and a range steps from boundary to
        actual boundary: no week 00 and no week 53 is lost (semantics 1.4).

        Look at: ranges that add seven days, or bucket ids that are not stored as they are.
        """
        ts = store.open("count", {step: {"step": step}})
        days = [date(year, 1, 1) + timedelta(days=offset) for year in range(1970, 2101) for offset in range(-5, 8)]
        ts.bulk_insert([("a", 1, midnight(day)) for day in days])
        expected: dict[int, int] = {}
        for day in days:
            start = midnight(bucket_start(step, day))
            expected[start] = expected.get(start, 0) + 1
        found = ts.series("a", step, start=midnight(days[0]), end=midnight(days[-1]))
        assert {start: n for start, n in found.items() if n} == expected
        assert list(found) == sorted(found)

    def test_a_bucket_lasts_its_real_seconds(self, store: Store) -> None:
        """The duration of a bucket is its own: 28 to 31 days, and short weeks around New Year (semantics 1.4).

        Look at: the other failures first: durations come from the core's steps.
        """
        ts = store.open("count", CALENDAR)
        span = {"start": at(2012), "end": at(2012, 12), "transform": lambda _data, seconds: seconds // DAY}
        assert list(ts.series("a", "monthly", **span).values()) == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        span |= {"start": at(2012, 12, 25), "end": at(2013, 1, 8)}
        assert ts.series("a", "weekly", **span) == {at(2012, 12, 23): 7, at(2012, 12, 30): 2, T0: 5, at(2013, 1, 6): 7}

    @every_kind
    def test_a_fine_bucket_that_straddles_two_intervals(self, store: Store, kind: str) -> None:
        """A resolution bucket that two intervals share is kept in both, each with its own points (semantics 1.6).

        Look at: a key of a cell that leaves out the bucket of the interval.
        """
        ts = store.open(kind, {"month": {"step": "monthly", "resolution": "weekly"}})
        ts.insert("a", 1, timestamp=at(2013, 1, 31))
        ts.insert("a", 2, timestamp=at(2013, 2, 1))
        week = at(2013, 1, 27)
        assert ts.series("a", "month", start=T0, end=at(2013, 2)) == {
            T0: {week: holding(kind, 1)},
            at(2013, 2): {week: holding(kind, 2)},
        }
        assert ts.get("a", "month", timestamp=at(2013, 2, 9)) == {week: holding(kind, 2)}

    @pytest.mark.parametrize(("step", "resolution"), [(86400, "1d"), ("60", "1min"), ("weekly", "weekly")])
    def test_an_interval_whose_resolution_is_its_step_is_coarse(
        self, store: Store, step: str | int, resolution: str
    ) -> None:
        """If step and resolution are the same once they are normalised, the interval is coarse; condensing it changes
        nothing and is no error (semantics 1.6).

        Look at: a backend that looks at the resolution of an interval instead of that of a cell.
        """
        ts = store.open("count", {"i": {"step": step, "resolution": resolution}})
        ts.insert("a", 2, timestamp=T0)
        found = ts.series("a", "i", start=T0, end=T0)
        assert list(found.values()) == [2]
        assert ts.series("a", "i", start=T0, end=T0, condense=True) == found
        assert ts.get("a", "i", timestamp=T0, condense=True) == found

    def test_a_calendar_step_equals_only_itself(self, store: Store) -> None:
        """Days of the calendar with a resolution of 86,400 seconds are a fine interval (semantics 1.6).

        Look at: as for `test_an_interval_whose_resolution_is_its_step_is_coarse`.
        """
        ts = store.open("count", {"i": {"step": "daily", "resolution": 86400}})
        ts.insert("a", 2, timestamp=T0 + 5)
        assert ts.series("a", "i", start=T0, end=T0 + DAY) == {T0: {T0: 2}, T0 + DAY: {}}

    def test_a_range_has_at_most_max_buckets(self, store: Store) -> None:
        """One `series` over more than ``max_buckets`` buckets is a ValueError that says how many, a million by default;
        `iterate` has no such limit (semantics 1.7).

        Look at: the other failures first: the core counts before it reads.
        """
        ts = store.open("count", MINUTE, max_buckets=10)
        ts.insert("a", timestamp=T0)
        ts.insert("a", timestamp=T0 + 600)
        assert len(ts.series("a", "minute", start=T0, end=T0 + 599)) == 10
        with pytest.raises(InvalidValue, match="11"):
            ts.series("a", "minute", start=T0, end=T0 + 600)
        with pytest.raises(InvalidValue, match="11"):
            ts.series("a", "minute", end=T0, steps=11)
        assert len(list(ts.iterate("a", "minute"))) == 11
        with pytest.raises(InvalidValue, match=str((at(2025) - at(1970)) // 60 + 1)):
            store.open("series").series("a", "minute", start=at(1970), end=at(2025))

    @every_kind
    def test_a_fine_interval_keeps_each_resolution_bucket(self, store: Store, kind: str) -> None:
        """Points of one interval that differ in their resolution bucket are kept apart (semantics 1.6).

        Look at: a key of a cell that leaves out the resolution bucket (``r_time``).
        """
        ts = store.open(kind, FINE)
        ts.insert("a", 1, timestamp=T0)
        ts.insert("a", 2, timestamp=T0 + 3599)
        ts.insert("a", 3, timestamp=T0 + 61)
        assert ts.get("a", "hour", timestamp=T0) == {
            T0: holding(kind, 1),
            T0 + 60: holding(kind, 3),
            T0 + 3540: holding(kind, 2),
        }

    def test_time_of_day_is_kept_in_utc(self, store: Store) -> None:
        """An aware datetime counts by its moment, not by its wall clock (semantics 1.1, 1.2).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count", {"day": {"step": "daily"}})
        ts.insert("a", timestamp=datetime(2013, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))
        ts.insert("a", timestamp=datetime(2013, 1, 1, 1, tzinfo=UTC))
        assert ts.series("a", "day", start=at(2012, 12, 31), end=T0) == {at(2012, 12, 31): 1, T0: 1}
