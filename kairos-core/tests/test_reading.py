"""Reads against each other: condensing, joining and iterating say the same as many plain reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kairos import Timeseries
from kairos.kinds import KINDS

MIN, HOUR = 60, 3600
kinds = pytest.mark.parametrize("kind", KINDS)


def make(kind):
    intervals = {"minute": {"step": MIN}, "hour": {"step": HOUR, "resolution": MIN}}
    return Timeseries("memory://", type=kind, intervals=intervals)


a_batch = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.integers(0, 3 * HOUR - 1)), max_size=15)


@kinds
@settings(max_examples=25)
@given(batch=a_batch)
def test_condensing_the_fine_is_reading_the_coarse(kind, batch):
    intervals = {"fine": {"step": HOUR, "resolution": MIN}, "coarse": {"step": HOUR}}
    series = Timeseries("memory://", type=kind, intervals=intervals)
    series.bulk_insert(sorted(batch, key=lambda point: point[2]))  # a gauge keeps the latest, a series the order
    for name in ("a", ["a", "b"], {"c", "b"}):
        coarse = series.series(name, "coarse", 0, 3 * HOUR)
        assert series.series(name, "fine", 0, 3 * HOUR, condense=True) == coarse
        whole = series.series(name, "coarse", 0, 3 * HOUR, collapse=True)
        assert series.series(name, "fine", 0, 3 * HOUR, collapse=True) == whole
        assert dict(series.iterate(name, "fine", condense=True)).items() <= coarse.items()


@kinds
@settings(max_examples=25)
@given(batch=a_batch)
def test_joining_is_merging_in_the_order_of_the_names(kind, batch):
    series, merge = make(kind), KINDS[kind].merge
    series.bulk_insert(batch)
    single = {name: series.series(name, "minute", 0, 3 * HOUR) for name in "abc"}
    for names in (["a", "b", "c"], ["c", "a"]):
        joined = series.series(names, "minute", 0, 3 * HOUR)
        assert joined == {start: merge([single[name][start] for name in names]) for start in single["a"]}
        assert list(joined) == sorted(joined)
    fine = {name: series.get(name, "hour", 0) for name in "ab"}
    joined = series.get(["a", "b"], "hour", 0)
    assert list(joined) == sorted({*fine["a"], *fine["b"]})
    for start, data in joined.items():
        assert data == merge([fine[name][start] for name in "ab" if start in fine[name]])


@kinds
@settings(max_examples=25)
@given(batch=a_batch)
def test_iterating_is_getting_every_bucket_from_the_first_to_the_last(kind, batch):
    series = make(kind)
    series.bulk_insert(batch)
    for name in ("a", ["a", "b"]):
        for interval in ("minute", "hour"):
            bounds = [series.properties(one)[interval] for one in name if series.properties(one)]
            expected = []
            if bounds:
                step = {"minute": MIN, "hour": HOUR}[interval]
                first, last = min(one["first"] for one in bounds), max(one["last"] for one in bounds)
                for start in range(first, last + 1, step):
                    expected += series.get(name, interval, start).items()
            assert list(series.iterate(name, interval)) == expected
