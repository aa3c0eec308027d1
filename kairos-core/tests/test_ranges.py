"""Which buckets a reading call asks for: start, end and steps, the limit of a series, and the windows of iterate."""

from datetime import UTC, datetime

import pytest

from kairos import InvalidValue, Timeseries

INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}


# --- Ranges ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "minutes"),
    [
        ({}, [8, 9, 10]),
        ({"steps": 2}, [9, 10]),
        ({"start": 120}, [2, 3, 4]),
        ({"start": 120, "steps": 1}, [2]),
        ({"end": 179}, [0, 1, 2]),
        ({"end": 179, "steps": 4}, [-1, 0, 1, 2]),
        ({"start": 61, "end": 300}, [1, 2, 3, 4, 5]),
        ({"start": 61, "end": 300, "steps": 1}, [1, 2, 3, 4, 5]),
        ({"start": 660}, [11, 12, 13]),
    ],
)
def test_the_range_of_a_series(colour, arguments, minutes):
    series = colour(intervals={"m": {"step": 60, "steps": 3}}, clock=lambda: 610)
    assert list(series.series("a", "m", **arguments)) == [60 * minute for minute in minutes]


def test_without_steps_a_series_is_one_bucket(colour):
    series = colour(clock=lambda: 610)
    assert series.series("a", "minute") == {600: []}
    assert series.series("a", "minute", steps=2) == {540: [], 600: []}
    assert series.series("a", "hour", -1, steps=2) == {-3600: {}, 0: {}}


@pytest.mark.parametrize("steps", [0, -1, 1.0, "2", True, [1]])
def test_steps_are_a_positive_int(colour, steps):
    for more in ({}, {"start": 0, "end": 60}):
        with pytest.raises(InvalidValue, match="steps: expected a positive int"):
            colour().series("a", "minute", steps=steps, **more)


def test_a_range_follows_the_calendar(colour):
    def at(*when):
        return int(datetime(*when, tzinfo=UTC).timestamp())

    series = colour(
        intervals={"w": {"step": "weekly", "steps": 4}, "m": {"step": "monthly"}}, clock=lambda: at(2019, 1, 7)
    )
    weeks = [at(2018, 12, 23), at(2018, 12, 30), at(2019, 1, 1), at(2019, 1, 6)]
    assert list(series.series("a", "w")) == weeks
    assert list(series.series("a", "w", start=datetime(2018, 12, 29, tzinfo=UTC))) == weeks
    assert list(series.series("a", "m", at(2023, 12, 31), at(2024, 3, 1))) == [
        at(2023, 12, 1),
        at(2024, 1, 1),
        at(2024, 2, 1),
        at(2024, 3, 1),
    ]


def test_a_range_of_29_million_buckets_says_how_many(colour):
    series = colour(intervals={"minute": {"step": 60}}, max_buckets=1_000_000)
    with pytest.raises(InvalidValue, match="'minute' has 28333334 buckets, more than max_buckets=1000000"):
        series.series("a", "minute", 0, 1_700_000_000)
    with pytest.raises(InvalidValue, match="29000000 buckets"):
        series.series("a", "minute", 0, steps=29_000_000)
    with pytest.raises(InvalidValue, match="29000000 buckets"):
        series.series("a", "minute", end=0, steps=29_000_000, collapse=True)


def test_max_buckets_is_counted_in_intervals(colour):
    series = colour(max_buckets=3)
    assert len(series.series("a", "minute", 0, 179)) == 3
    with pytest.raises(InvalidValue, match="has 4 buckets, more than max_buckets=3"):
        series.series("a", "minute", 0, 180)
    assert len(series.series("a", "hour", 0, 3 * 3600 - 1)) == 3


def test_iterate_has_no_such_limit(colour):
    series = colour(type="count", max_buckets=3)
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * 25_000)])
    found = list(series.iterate("a", "minute"))
    assert len(found) == 25_001
    assert found[0] == (0, 1)
    assert found[1] == (60, 0)
    assert found[-1] == (60 * 25_000, 1)
    assert found == sorted(found)


def test_iterate_reads_in_windows_and_only_as_far_as_it_is_asked(owning):
    series = Timeseries("owning://", type="count", intervals=INTERVALS)
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * 25_000), ("b", 1, 60 * 30_000)])
    series.backend.log.clear()
    items = series.iterate("a", "minute")
    assert series.backend.log == []
    assert [next(items) for _ in range(10_000)][-1] == (60 * 9_999, 0)
    assert len(series.backend.log) == 1
    next(items)
    assert len(series.backend.log) == 2
    items.close()
    series.backend.log.clear()
    assert sum(1 for _ in series.iterate(["a", "b"], "minute")) == 30_001
    assert len(series.backend.log) == 4  # half as many buckets at once for two names: 0, an empty one, a's last, b's
    series.backend.log.clear()
    assert len(list(series.iterate("a", "hour"))) == 2
    assert len(series.backend.log) == 3  # 166 hours at once, 60 cells in each: the first, an empty one, the last
    series.close()


@pytest.mark.parametrize("minute", [9_999, 10_000, 10_001, 19_999, 20_000, 20_001])
def test_nothing_is_lost_where_windows_meet(colour, minute):
    series = colour(type="count")
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * minute), ("a", 1, 60 * 30_000)])
    found = [start // 60 for start, data in series.iterate("a", "minute") if data]
    assert found == [0, minute, 30_000]
    assert [start // 60 for start, _ in series.iterate("a", "hour")] == found


def test_iterate_does_not_read_what_lies_empty(owning):
    with Timeseries("owning://", type="count", intervals=INTERVALS) as series:
        years = 50 * 365 * 86_400
        series.bulk_insert([("a", 1, 0), ("a", 1, years)])
        series.backend.log.clear()
        assert [start for start, _ in series.iterate("a", "hour")] == [0, years]
        assert len(series.backend.log) == 3
        series.backend.log.clear()
        whole = series.iterate("a", "hour", condense=True)
        assert sum(1 for _ in whole) == years // 3600 + 1
        assert len(series.backend.log) == 3


def test_an_iteration_ends_where_it_said_it_would():
    series = Timeseries("memory://", type="count", intervals={"minute": {"step": 60}})
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * 25_000)])
    items = series.iterate("a", "minute")
    found = [next(items) for _ in range(10_000)]
    series.delete("a", start=60 * 20_000)
    series.insert("a", 1, timestamp=60 * 40_000)
    found += items
    assert [start for start, _ in found] == [60 * n for n in range(25_001)]
    assert [start for start, data in found if data] == [0]


def test_an_iteration_sees_what_was_inserted_ahead_of_it():
    series = Timeseries("memory://", type="count", intervals={"minute": {"step": 60}})
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * 35_000)])
    items = series.iterate("a", "minute")
    found = [next(items) for _ in range(10_000)]
    series.insert("a", 1, timestamp=60 * 25_000)
    found += items
    assert [start // 60 for start, data in found if data] == [0, 25_000, 35_000]
    assert len(found) == 35_001
