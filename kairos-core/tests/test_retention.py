"""What is visible and for how long: bucket b is visible while start(b shifted by steps) is later than now."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kairos import Timeseries
from kairos.plans import Interval
from kairos.steps import Daily, FixedStep, Monthly, Weekly, Yearly, parse_step
from kairos.timestamps import MAX_TIME, MIN_TIME

times = st.integers(MIN_TIME, MAX_TIME)
a_step = st.sampled_from([Daily(), Weekly(), Monthly(), Yearly(), FixedStep(1), FixedStep(60), FixedStep(86_400)])


def at(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


@given(step=a_step, steps=st.integers(1, 500), now=times, away=st.integers(-600, 600))
def test_the_cutoff_is_where_visibility_begins(step, steps, now, away):
    interval = Interval(name="x", step=step, steps=steps)
    bucket = step.shift(step.bucket(now), away)
    assume(step.start(bucket) >= MIN_TIME)
    visible = step.start(step.shift(bucket, steps)) > now
    cutoff = interval.cutoff(now)
    assert (cutoff is None or bucket >= cutoff) == visible


@given(step=a_step, steps=st.integers(1, 500), timestamp=times)
def test_a_bucket_expires_when_it_stops_being_visible(step, steps, timestamp):
    interval = Interval(name="x", step=step, steps=steps)
    bucket = step.bucket(timestamp)
    expires = interval.expires_at(bucket)
    if expires is None:
        assert step.start(step.shift(bucket, steps)) > MAX_TIME
        return
    for now, visible in ((expires - 1, True), (expires, False)):
        cutoff = interval.cutoff(now)
        assert (cutoff is None or bucket >= cutoff) is visible


def test_without_steps_everything_is_visible_for_ever():
    interval = Interval(name="x", step=Daily())
    assert interval.expires_at(20240101) is None
    assert interval.cutoff(0) is None


def test_the_edges_of_the_calendar_are_open():
    interval = Interval(name="x", step=Yearly(), steps=10)
    assert interval.expires_at(9990) is None
    assert interval.expires_at(9989) == at(9999, 1, 1)
    assert interval.cutoff(at(9, 6, 1)) is None
    assert interval.cutoff(at(10, 6, 1)) == 1
    assert Interval(name="x", step=FixedStep(10**30), steps=1).expires_at(0) is None


@pytest.mark.parametrize(
    ("step", "steps", "bucket", "expires"),
    [
        (60, 3, 10, (10 + 3) * 60),
        ("daily", 1, 20240228, at(2024, 2, 29)),
        ("daily", 2, 20240228, at(2024, 3, 1)),
        # Week 00 is short: two weeks after week 52 of 2018 is the first Sunday of 2019.
        ("weekly", 2, 201852, at(2019, 1, 6)),
        ("weekly", 1, 201900, at(2019, 1, 6)),
        ("monthly", 1, 202401, at(2024, 2, 1)),
        ("monthly", 12, 202402, at(2025, 2, 1)),
        ("yearly", 5, 2020, at(2025, 1, 1)),
    ],
)
def test_expiry_follows_the_calendar(step, steps, bucket, expires):
    assert Interval(name="x", step=parse_step(step), steps=steps).expires_at(bucket) == expires


class Clock:
    """A clock that a test moves. It starts at the real now."""

    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def series(clock):
    intervals = {
        "short": {"step": 60, "steps": 3},
        "long": {"step": 60, "steps": 10},
        "all": {"step": 60},
        "fine": {"step": 600, "steps": 1, "resolution": 60},
    }
    return Timeseries("memory://", type="series", intervals=intervals, clock=clock)


def test_every_read_is_clipped_to_what_is_visible(series, clock):
    start = int(clock.now) // 600 * 600
    clock.now = start
    series.insert("a", 1, timestamp=start)
    clock.now = start + 179
    assert series.get("a", "short", timestamp=start) == {start: [1]}
    assert series.properties("a")["short"] == {"first": start, "last": start}
    clock.now = start + 180
    assert series.get("a", "short", timestamp=start) == {start: []}
    assert series.get("a", "long", timestamp=start) == {start: [1]}
    assert series.series("a", "short", start=start, end=start + 180) == {start + 60 * n: [] for n in range(4)}
    assert series.series(["a", "b"], "short", start=start, steps=1, collapse=True) == {start: []}
    assert list(series.iterate("a", "short")) == []
    assert set(series.properties("a")) == {"long", "all", "fine"}
    clock.now = start + 600
    assert set(series.properties("a")) == {"all"}
    assert series.get("a", "fine", timestamp=start) == {}
    assert series.series("a", "fine", start=start, end=start) == {start: {}}
    assert series.list() == ["a"]
    assert series.delete("a") == 1


def test_a_range_that_is_half_past_keeps_its_length(series, clock):
    start = int(clock.now) // 60 * 60
    clock.now = start
    for n in range(3):
        series.insert("a", n, timestamp=start + 60 * n)
    clock.now = start + 180
    assert series.series("a", "short", start=start, end=start + 120) == {start: [], start + 60: [1], start + 120: [2]}
    assert series.series("a", "short", start=start, end=start + 120, collapse=True) == {start: [1, 2]}
    assert list(series.iterate("a", "short")) == [(start + 60, [1]), (start + 120, [2])]


def test_a_late_insert_is_counted_and_not_sent(series, clock):
    now = int(clock.now)
    written = series.insert("a", [1, 2], timestamp=now - 300)
    assert (written.points, written.cells + written.expired) == (2, 4)
    assert written.expired in (1, 2)  # the short interval, and the ten minutes where they began a moment ago
    assert series.get("a", "long", timestamp=now - 300)[(now - 300) // 60 * 60] == [1, 2]


def test_expiry_is_the_readers_configuration(clock):
    start = int(clock.now) // 60 * 60
    writer = Timeseries("memory://retention", intervals={"m": {"step": 60, "steps": 100}}, clock=clock)
    reader = Timeseries("memory://retention", intervals={"m": {"step": 60, "steps": 2}}, clock=clock)
    writer.delete_all()
    writer.insert("a", 1, timestamp=start - 120)
    assert reader.get("a", "m", timestamp=start - 120) == {start - 120: []}
    assert reader.list() == []
    assert reader.delete("a") == 0
    assert writer.list() == []


def test_a_list_has_no_names_whose_data_is_all_past(series, clock):
    only_short = Timeseries(
        "memory://", intervals={"short": {"step": 60, "steps": 3}, "mid": {"step": "1min", "steps": 5}}, clock=clock
    )
    only_short.insert("old", 1)
    clock.now += 120
    only_short.insert("new", 1)
    assert only_short.list() == ["new", "old"]
    clock.now += 180
    assert only_short.list() == ["new"]
    clock.now += 120
    assert only_short.list() == []
    assert only_short.properties("new") == {}


def test_the_future_is_visible(series, clock):
    later = int(clock.now) // 60 * 60 + 86_400
    assert series.insert("a", 1, timestamp=later).expired == 0
    assert series.get("a", "short", timestamp=later) == {later: [1]}
    assert series.properties("a")["short"] == {"first": later, "last": later}


def test_expire_removes_what_is_past_and_nothing_else(series, clock):
    start = int(clock.now) // 600 * 600
    clock.now = start
    series.bulk_insert([(name, n, start + 60 * n) for name in "ab" for n in range(3)])
    clock.now = start + 239  # of "short" the buckets 0 is past; 1 and 2 are not
    assert series.expire("a") == 1
    assert series.expire("a") == 0
    assert series.expire() == 1
    clock.now = start + 599
    assert series.expire(limit=3) == 3
    assert series.expire(limit=3) == 1
    assert series.expire() == 0
    assert series.series("a", "all", start=start, steps=3) == {start + 60 * n: [n] for n in range(3)}
    clock.now = start + 86_400
    assert series.expire("b") == 6
    assert series.expire("nobody") == 0
    assert series.expire() == 6
    assert series.properties("a").keys() == {"all"}
