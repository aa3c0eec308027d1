"""How an interval is cut into partitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos.plans import Interval
from kairos.steps import parse_step
from kairos_cassandra._partitions import MAX_BUCKET, MIN_BUCKET, Partition, Partitioning

PAIRS = [
    ("60", None),
    ("1", None),
    ("daily", None),
    ("weekly", None),
    ("monthly", None),
    ("yearly", None),
    ("daily", "60"),
    ("monthly", "weekly"),  # the first and the last week of a month straddle
    ("weekly", "6d"),
    ("yearly", "1"),
    ("100000000", "99999999"),
]
pairs = st.sampled_from(PAIRS)
times = st.integers(-(10**11), 10**11)


def interval(step, resolution, steps=None):
    return Interval(
        name="i", step=parse_step(step), steps=steps, resolution=None if resolution is None else parse_step(resolution)
    )


def cell(one, time):
    return one.step.bucket(time), None if one.resolution is None else one.resolution.bucket(time)


@pytest.mark.parametrize(("step", "resolution"), PAIRS)
def test_a_partition_stays_under_100000_rows(step, resolution):
    one = interval(step, resolution)
    partitioning = Partitioning(one, 1)
    start = partitioning.start(*cell(one, 10**9))
    end = start + partitioning.seconds - 1
    # In a fine interval there is a cell for each resolution bucket, and one more for each that straddles two buckets.
    cells = sum(by.count(by.bucket(start), by.bucket(end)) for by in (one.step, one.resolution) if by is not None)
    assert 40_000 < cells <= 100_000


def test_a_minute_is_cut_after_66_days():
    assert Partitioning(interval("60", None), 1).seconds == 95_000 * 60
    assert Partitioning(interval("60", None), 10).seconds == 9_500 * 60
    assert Partitioning(interval("60", None), 10**9).seconds == 60


@given(pair=pairs, rows=st.sampled_from([1, 10, 1000]), time=times)
def test_a_cell_lies_in_the_partition_that_is_looked_at_for_its_bucket(pair, rows, time):
    one = interval(*pair)
    partitioning = Partitioning(one, rows)
    bucket, resolution = cell(one, time)
    start = partitioning.start(bucket, resolution)
    low, high = partitioning.starts(bucket, bucket)
    assert low <= start <= high
    assert start + partitioning.seconds > partitioning.times(bucket, bucket)[0]
    found = partitioning.buckets(partitioning.partition(start, 0), MIN_BUCKET, MAX_BUCKET)
    assert found[0] <= bucket <= found[1]
    assert partitioning.buckets(partitioning.partition(start, 0), bucket, bucket) == (bucket, bucket)
    other = Partitioning(one, rows * 7)
    assert low <= other.start(bucket, resolution) <= high


@given(pair=pairs, time=times, steps=st.integers(1, 50))
def test_an_entry_lives_as_long_as_every_cell_of_its_partition(pair, time, steps):
    one = interval(*pair, steps=steps)
    partitioning = Partitioning(one, 10)
    bucket, resolution = cell(one, time)
    partition = partitioning.partition(partitioning.start(bucket, resolution), 0)
    needed, lives = one.expires_at(bucket), partitioning.expires_at(partition)
    assert lives is None or (needed is not None and needed <= lives)


@given(pair=pairs, time=times, now=times, steps=st.integers(1, 50))
def test_an_entry_knows_what_is_past_without_the_configuration(pair, time, now, steps):
    one = interval(*pair, steps=steps)
    partitioning = Partitioning(one, 10)
    bucket, resolution = cell(one, time)
    partition = partitioning.partition(partitioning.start(bucket, resolution), 3)
    assert isinstance(partition, Partition)
    cutoff = partition.cutoff(now)
    assert cutoff == one.cutoff(now)
    if cutoff is not None and partition.is_before(cutoff):
        assert bucket < cutoff
    if cutoff is not None and partition.is_after(cutoff):
        assert bucket >= cutoff
