"""The calendar: buckets begin, end and count as datetime says, whatever the time zone of the process."""

import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kairos import Timeseries
from kairos.steps import Daily, FixedStep, Monthly, Weekly, Yearly, parse_step

DAY = 86_400
FORMATS = {"daily": "%Y%m%d", "weekly": "%Y%U", "monthly": "%Y%m", "yearly": "%Y"}
CALENDAR = [Daily(), Weekly(), Monthly(), Yearly()]
STEPS = [*CALENDAR, FixedStep(1), FixedStep(7), FixedStep(60), FixedStep(7 * DAY)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Midnight of every day of 1970 to 2100.
DAYS = range(0, int(datetime(2101, 1, 1, tzinfo=UTC).timestamp()), DAY)
# Far beyond the years 1 to 9999 on both sides.
seconds = st.integers(-(10**13), 10**13)
shifts = st.integers(-(10**6), 10**6)

calendar = pytest.mark.parametrize("step", CALENDAR, ids=lambda step: step.name)
every = pytest.mark.parametrize("step", STEPS, ids=str)


def at(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


def by_datetime(step, timestamp):
    """The bucket of a second, by the standard library."""
    return int((EPOCH + timedelta(seconds=timestamp)).strftime(FORMATS[step.name]))


@pytest.fixture(scope="module")
def by_day():
    """For each calendar step, the bucket of each of these days, by the standard library."""
    return {step.name: [by_datetime(step, midnight) for midnight in DAYS] for step in CALENDAR}


@pytest.fixture(scope="module")
def table(by_day):
    """For each calendar step, each bucket of 1970 to 2100 with its first second, by the standard library."""
    found = {}
    for name, buckets in by_day.items():
        starts = found[name] = {}
        for midnight, bucket in zip(DAYS, buckets, strict=True):
            starts.setdefault(bucket, midnight)
    return found


@pytest.fixture(params=["UTC0", "EST5EDT,M3.2.0,M11.1.0", "NPT-5:45", "LINT-14"])
def zone(request, monkeypatch):
    """A time zone for the whole process, given back at the end. In the form that needs no files of zones."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_the_zones_are_in_force(zone):
    assert (time.timezone == 0) == (zone == "UTC0")


@calendar
def test_every_day_falls_into_the_bucket_of_strftime(step, by_day, table, zone):
    for midnight, bucket in zip(DAYS, by_day[step.name], strict=True):
        assert step.bucket(midnight) == bucket
        assert step.bucket(midnight + DAY - 1) == bucket
    for bucket, start in table[step.name].items():
        assert step.start(bucket) == start


def test_a_timeseries_tells_the_same_in_every_zone(zone):
    intervals = {step.name: {"step": step.name, "resolution": "daily"} for step in CALENDAR}
    series = Timeseries("memory://", intervals=intervals)
    for when in (at(2023, 12, 31, 23, 59, 59), at(2024, 1, 1), at(2024, 7, 1, 0, 30)):
        series.insert("a", when, timestamp=when)
    assert series.properties("a") == {
        "daily": {"first": at(2023, 12, 31), "last": at(2024, 7, 1)},
        "weekly": {"first": at(2023, 12, 31), "last": at(2024, 6, 30)},
        "monthly": {"first": at(2023, 12, 1), "last": at(2024, 7, 1)},
        "yearly": {"first": at(2023, 1, 1), "last": at(2024, 1, 1)},
    }
    assert series.series("a", "yearly", start=at(2023, 6, 1), steps=2) == {
        at(2023, 1, 1): {at(2023, 12, 31): [at(2023, 12, 31, 23, 59, 59)]},
        at(2024, 1, 1): {at(2024, 1, 1): [at(2024, 1, 1)], at(2024, 7, 1): [at(2024, 7, 1, 0, 30)]},
    }


@calendar
def test_every_day_round_trips(step):
    for midnight in DAYS:
        bucket = step.bucket(midnight)
        assert step.bucket(step.start(bucket)) == bucket


@calendar
def test_the_length_of_every_bucket_is_its_real_seconds(step, table):
    starts = [*table[step.name].items(), (None, DAYS.stop)]
    for (bucket, start), (_, following) in pairwise(starts):
        assert step.seconds(bucket) == following - start


def test_lengths_that_a_reader_can_check():
    assert [Monthly().seconds(bucket) // DAY for bucket in (202301, 202302, 202402, 202404)] == [31, 28, 29, 30]
    assert [Yearly().seconds(year) // DAY for year in (1900, 2000, 2023, 2024)] == [365, 366, 365, 366]
    assert Daily().seconds(20240229) == DAY
    assert FixedStep(90).seconds(12) == 90
    # 2019 began on a Tuesday: two days of week 52 of 2018, then five of week 00.
    assert [Weekly().seconds(week) // DAY for week in (201851, 201852, 201900, 201901)] == [7, 2, 5, 7]


@calendar
def test_a_range_steps_to_the_actual_next_bucket(step, table):
    buckets = list(table[step.name])
    assert list(step.range(buckets[0], buckets[-1])) == buckets
    assert step.count(buckets[0], buckets[-1]) == len(buckets)
    assert [step.shift(bucket, 1) for bucket in buckets[:-1]] == buckets[1:]
    assert [step.shift(bucket, -1) for bucket in buckets[1:]] == buckets[:-1]


@pytest.mark.parametrize(
    ("first", "last", "buckets"),
    [
        # 1 January a Sunday: there is no week 00, and the last week of the year before is whole.
        ((2022, 12, 24), (2023, 1, 8), [202251, 202252, 202301, 202302]),
        ((2018, 12, 29), (2019, 1, 6), [201851, 201852, 201900, 201901]),
        # A year of 54 buckets: it began on a Saturday, and its last day was a Sunday.
        ((2000, 12, 30), (2001, 1, 7), [200052, 200053, 200100, 200101]),
        ((1972, 12, 30), (1973, 1, 7), [197252, 197253, 197300, 197301]),
    ],
)
def test_the_weeks_around_new_year(first, last, buckets):
    step = Weekly()
    assert list(step.range(step.bucket(at(*first)), step.bucket(at(*last)))) == buckets


# The calendar repeats after 400 years, of which every 13th year meets all.
@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.full)])
def test_every_new_year_from_year_1_to_9999(every):
    for year in {*range(1, 10_000, every), 9999}:
        new_year = (date(year, 1, 1) - date(1970, 1, 1)).days * DAY
        for step in CALENDAR:
            for days in (0, 1, 6, 7) if year == 1 else (-7, -1, 0, 1, 6) if year < 9999 else (-7, -1, 0, 364):
                timestamp = new_year + days * DAY
                bucket = step.bucket(timestamp)
                assert bucket == by_datetime(step, timestamp)
                assert step.at(step.ordinal(bucket)) == bucket
                assert by_datetime(step, step.start(bucket)) == bucket
                assert step.start(bucket) <= timestamp


@calendar
def test_past_what_datetime_knows_the_calendar_goes_on(step):
    """The Gregorian calendar repeats after 400 years, to the day of the week."""
    cycle = 146_097 * DAY
    years = {"daily": 400 * 10_000, "weekly": 400 * 100, "monthly": 400 * 100, "yearly": 400}[step.name]
    for year in (2000, 2019, 2100, 2399):
        for timestamp in (at(year, 1, 1), at(year, 2, 28, 23), at(year, 12, 31, 12)):
            for cycles in (-10, -6, -5, 20, 25):
                bucket = step.bucket(timestamp + cycles * cycle)
                assert bucket == step.bucket(timestamp) + cycles * years
                assert step.start(bucket) == step.start(step.bucket(timestamp)) + cycles * cycle


@every
@given(timestamp=seconds)
@example(timestamp=0)
@example(timestamp=-1)
@example(timestamp=-62_135_596_800)
@example(timestamp=253_402_300_799)
@example(timestamp=253_402_300_800)
def test_a_bucket_holds_its_second_and_its_neighbours_do_not(step, timestamp):
    bucket = step.bucket(timestamp)
    assert step.start(bucket) <= timestamp < step.start(step.shift(bucket, 1))
    assert step.start(step.shift(bucket, 1)) - step.start(bucket) == step.seconds(bucket)
    assert step.bucket(step.start(bucket)) == bucket
    assert step.bucket(step.start(bucket) - 1) == step.shift(bucket, -1)


@every
@given(timestamp=seconds, by=shifts)
def test_shift_ordinal_and_count_agree(step, timestamp, by):
    bucket = step.bucket(timestamp)
    assert step.at(step.ordinal(bucket)) == bucket
    shifted = step.shift(bucket, by)
    assert step.ordinal(shifted) - step.ordinal(bucket) == by
    assert step.shift(shifted, -by) == bucket
    assert step.count(bucket, shifted) == max(0, by + 1)
    # Stores compare buckets as integers.
    assert (shifted > bucket) == (by > 0)


@every
@given(timestamp=seconds, length=st.integers(0, 120))
def test_a_range_has_every_bucket_once(step, timestamp, length):
    first = step.bucket(timestamp)
    buckets = list(step.range(first, step.shift(first, length)))
    assert len(buckets) == length + 1
    assert buckets[0] == first
    for before, after in pairwise(buckets):
        assert step.start(after) == step.start(before) + step.seconds(before)


@every
def test_a_range_that_ends_before_it_starts_is_empty(step):
    bucket = step.bucket(at(2024, 5, 5))
    before = step.shift(bucket, -1)
    assert list(step.range(bucket, before)) == []
    assert step.count(bucket, before) == 0
    assert step.count(bucket, step.shift(bucket, -9)) == 0


def test_a_fixed_step_floors_before_the_epoch():
    assert [FixedStep(60).bucket(second) for second in (-61, -60, -1, 0, 59, 60)] == [-2, -1, -1, 0, 0, 1]
    assert FixedStep(60).start(-2) == -120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1, 1),
        (60, 60),
        ("60", 60),
        ("060", 60),
        ("60s", 60),
        ("5min", 300),
        ("2h", 7_200),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("1m", 30 * DAY),
        ("1y", 365 * DAY),
        ("30d", 30 * DAY),
    ],
)
def test_fixed_steps(value, seconds):
    assert parse_step(value) == FixedStep(seconds)
    assert parse_step(value).nominal == seconds


@pytest.mark.parametrize(("name", "days"), [("daily", 1), ("weekly", 7), ("monthly", 30), ("yearly", 365)])
def test_calendar_steps(name, days):
    assert parse_step(name).name == name
    assert parse_step(name).nominal == days * DAY
    assert parse_step(name) != FixedStep(days * DAY)
    assert parse_step(name) == parse_step(name)
    assert {parse_step(name)} == {parse_step(name)}


def test_steps_that_cut_alike_are_equal():
    assert parse_step("1d") == parse_step(86_400) == parse_step("24h") == parse_step("1440min")
    assert len({parse_step(name) for name in ("1d", "24h", "daily", "weekly", 1)}) == 4


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "0",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "1.0h",
            "0h",
            "00s",
            "-5min",
            "h",
            "min",
            "1 h",
            " 1h",
            "1h ",
            "1h\n",
        ),
        *("1H", "1ms", "1mo", "1hour", "1h30min", "Daily", "DAILY", "daily ", "hourly", "day", "١h", "1_000", "0x10"),
        *(0, -1, 1.0, 60.5, float("nan"), True, False, None, b"1h", ["1h"], timedelta(hours=1)),
    ],
)
def test_a_bad_step_is_an_error_that_shows_it(value):
    with pytest.raises(ValueError, match="expected a positive number of seconds") as caught:
        parse_step(value)
    assert repr(value) in str(caught.value)
    assert "weekly" in str(caught.value)
