"""What may be passed as a time, and how it becomes whole seconds."""

import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos import InvalidValue, Timeseries
from kairos.timestamps import MAX_TIME, MIN_TIME, to_seconds

MINUTE = {"minute": {"step": 60}}


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1.999, 1),
        (-1, -1),
        (-0.001, -1),
        (-1.5, -2),
        (Fraction(-1, 2), -1),
        (Fraction(10**20 - 1, 10**20), 0),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (np.float64(7.5), 7),
        (np.float32(-7.5), -8),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))), 1_709_187_300),
        (datetime(1, 1, 1, tzinfo=UTC), MIN_TIME),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), MAX_TIME),
        (MIN_TIME, MIN_TIME),
        (MAX_TIME, MAX_TIME),
        (MAX_TIME + 0.5, MAX_TIME),
    ],
)
def test_a_time_is_floored_to_seconds(given, seconds):
    found = to_seconds(given)
    assert found == seconds
    assert type(found) is int


def test_a_time_zone_with_daylight_saving_time():
    class Shifting(timezone.__base__):
        def utcoffset(self, when):
            return timedelta(hours=2 if when.month == 7 else 1)

    assert to_seconds(datetime(2024, 7, 1, tzinfo=Shifting())) == to_seconds(datetime(2024, 6, 30, 22, tzinfo=UTC))
    assert to_seconds(datetime(2024, 1, 1, tzinfo=Shifting())) == to_seconds(datetime(2023, 12, 31, 23, tzinfo=UTC))


@pytest.mark.parametrize(("year", "hours"), [(1, 14), (9999, -14)])
def test_a_zone_that_leads_out_of_the_calendar_is_refused(year, hours):
    new_year = datetime(
        year, 1 if year == 1 else 12, 1 if year == 1 else 31, 13, tzinfo=timezone(timedelta(hours=hours))
    )
    with pytest.raises(InvalidValue, match="years 1 to 9999"):
        to_seconds(new_year)


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_an_aware_datetime_is_its_unix_time(when):
    passed = when - datetime(1970, 1, 1, tzinfo=UTC)
    expected = passed.days * 86_400 + passed.seconds
    if MIN_TIME <= expected <= MAX_TIME:
        assert to_seconds(when) == expected


@pytest.mark.parametrize("year", [2000, 9999], ids=str)
def test_a_naive_datetime_is_refused(year):
    class NoOffset(timezone.__base__):
        def utcoffset(self, when):
            return None

    for naive in (datetime(year, 1, 1), datetime(year, 1, 1, tzinfo=NoOffset())):  # noqa: DTZ001 - that is the point
        with pytest.raises(InvalidValue, match="naive") as caught:
            to_seconds(naive)
        assert str(year) in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        *(float("nan"), float("inf"), float("-inf"), np.float64("nan"), np.float32("inf")),
        *("0", "now", b"0", None, [], {}, 1j, True, False, np.bool_(True), Decimal(1), object()),
        *(datetime(2024, 1, 1, tzinfo=UTC).date(), timedelta(1), np.datetime64("2024-01-01")),
    ],
)
def test_what_is_no_time_is_refused(given):
    with pytest.raises(InvalidValue, match="timestamp"):
        to_seconds(given)


@pytest.mark.parametrize("given", [MIN_TIME - 1, MAX_TIME + 1, 1e18, -1e300, 10**400, Fraction(10**400)])
def test_a_time_outside_of_the_calendar_is_refused(given):
    with pytest.raises(InvalidValue, match="years 1 to 9999"):
        to_seconds(given)


def test_milliseconds_are_taken_for_what_they_are():
    with pytest.raises(ValueError, match="milliseconds"):
        to_seconds(time.time() * 1000)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), datetime(2024, 1, 1), "x"], ids=str)  # noqa: DTZ001
def test_every_verb_refuses_a_bad_time(bad):
    series = Timeseries("memory://", intervals=MINUTE)
    for verb in (
        lambda: series.insert("a", 1, timestamp=bad),
        lambda: series.bulk_insert({bad: {"a": [1]}}),
        lambda: series.bulk_insert([("a", 1, bad)]),
        lambda: series.get("a", "minute", timestamp=bad),
        lambda: series.series("a", "minute", start=bad),
        lambda: series.series("a", "minute", end=bad),
        lambda: series.delete("a", interval="minute", start=bad),
        lambda: series.delete("a", interval="minute", end=bad),
    ):
        with pytest.raises(InvalidValue, match="timestamp"):
            verb()
    assert series.list() == []


def test_none_and_absent_are_now_from_the_clock():
    moment = time.time()
    series = Timeseries("memory://", intervals=MINUTE, clock=lambda: moment)
    series.insert("a", 1)
    series.insert("a", 2, timestamp=None)
    series.bulk_insert({None: {"a": [3]}})
    series.bulk_insert([("a", 4, None)])
    assert series.get("a", "minute") == {int(moment) // 60 * 60: [1, 2, 3, 4]}


def test_timestamp_0_is_not_now():
    series = Timeseries("memory://", intervals=MINUTE)
    series.insert("a", 1, timestamp=0)
    series.insert("a", 2, timestamp=-1)
    assert series.get("a", "minute", timestamp=0) == {0: [1]}
    assert series.series("a", "minute", start=-1, end=0) == {-60: [2], 0: [1]}
    assert series.series("a", "minute", start=0) == {0: [1]}
    assert series.series("a", "minute", end=0, steps=2) == {-60: [2], 0: [1]}
    assert series.properties("a") == {"minute": {"first": -60, "last": 0}}
    assert list(series.iterate("a", "minute")) == [(-60, [2]), (0, [1])]
    assert series.delete("a", interval="minute", start=0, end=0) == 1
    assert series.delete("a", end=-1) == 1
    assert series.list() == []


@pytest.mark.parametrize("clock", [lambda: float("nan"), lambda: None, lambda: "now"], ids=["NaN", "None", "str"])
def test_a_clock_that_tells_no_time_is_an_error(clock):
    series = Timeseries("memory://", intervals=MINUTE, clock=clock)
    with pytest.raises(InvalidValue, match=r"^clock: timestamp"):
        series.insert("a", 1, timestamp=0)
