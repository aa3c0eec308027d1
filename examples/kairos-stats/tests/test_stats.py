"""The plugins of kairos-stats, in both colours where that matters, on stores that are there."""

import asyncio
import statistics
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kairos import AsyncTimeseries, InvalidValue, Timeseries, hookimpl
from kairos.memory import MemoryStore
from kairos_conformance.servers import Lasting, valkey
from kairos_stats import ClosedBuckets, Statistics, StoreCounts, Timings

DAY, T0 = {"day": {"step": "daily"}}, 1767225600
HOURS = {"day": {"step": "daily", "resolution": "1h"}}
VALKEY = Lasting(valkey)
RANDOM = settings(deadline=None, max_examples=50)  # a slow machine is no bug
QUANTILES = {"median": 50, "p90": 90, "p95": 95, "p99": 99}


def opened(kind, intervals=DAY, *, store=None, plugins=(), **keywords):
    return Timeseries(store or MemoryStore(), type=kind, intervals=intervals, plugins=plugins, **keywords)


def transformed(kind, values, names):
    series = opened(kind)
    series.insert("a", values, timestamp=T0)
    return series.get("a", "day", timestamp=T0, transform=names)[T0]


# --- Named transforms -------------------------------------------------------------------------------------------------


@RANDOM
@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_quantiles_are_those_of_numpy_for_a_series_and_a_histogram(values):
    expected = {name: pytest.approx(np.percentile(values, n)) for name, n in QUANTILES.items()}
    assert transformed("series", values, list(QUANTILES)) == expected
    assert transformed("histogram", values, list(QUANTILES)) == expected


@RANDOM
@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_the_others_are_what_their_names_say(values):
    expected = {
        "stddev": pytest.approx(statistics.pstdev(values)),
        "range": max(values) - min(values),
        "distinct": len(Counter(values)),
    }
    assert transformed("series", values, list(expected)) == expected
    assert transformed("histogram", values, list(expected)) == expected
    of_set = transformed("set", values, list(expected))
    assert of_set == expected | {"stddev": pytest.approx(statistics.pstdev(set(values)))}


def test_first_and_last_are_by_time():
    assert transformed("series", [3, 1, 2], ["first", "last"]) == {"first": 3, "last": 2}


def test_of_nothing():
    series = opened("series")
    names = [*QUANTILES, "stddev", "range", "distinct", "first", "last"]
    expected = dict.fromkeys(names, 0) | {"first": None, "last": None}
    assert series.get("a", "day", timestamp=T0, transform=names) == {T0: expected}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("count", "median"), ("gauge", "p95"), ("histogram", "first"), ("set", "last"), ("series", "p12")],
)
def test_a_name_that_makes_no_sense_for_a_kind_is_unknown(kind, name):
    with pytest.raises(InvalidValue, match=f"unknown name '{name}'"):
        opened(kind).get("a", "day", timestamp=T0, transform=name)


def test_it_is_installed_for_everybody_and_can_be_left_out(monkeypatch):
    from kairos import plugins

    monkeypatch.setenv("KAIROS_DISABLE_PLUGINS", "stats")
    plugins._common.cache_clear()
    plugins._installed.cache_clear()
    try:
        with pytest.raises(InvalidValue, match="unknown name 'median'"):
            opened("series").get("a", "day", timestamp=T0, transform="median")
        assert opened("series", plugins=[Statistics()]).get("a", "day", timestamp=T0, transform="median") == {T0: 0}
    finally:
        plugins._common.cache_clear()
        plugins._installed.cache_clear()


# --- Counts made by the store -----------------------------------------------------------------------------------------


def urls(tmp_path):
    yield f"sqlite:///{tmp_path}/counts.db"
    yield VALKEY.demand().url


@pytest.mark.parametrize(("kind", "n"), [("series", 3), ("histogram", 2), ("set", 2)])
@pytest.mark.parametrize("prefix", ["", "mine"])
def test_the_store_counts(tmp_path, kind, n, prefix):
    keywords = {"type": kind, "intervals": DAY | {"fine": HOURS["day"]}, "prefix": f"stats-{prefix}", "value_type": int}
    plugins = [StoreCounts(prefix=f"stats-{prefix}")]
    for url in urls(tmp_path):
        with (
            Timeseries(url, **keywords) as writer,
            Timeseries(url, plugins=plugins, **keywords) as counter,
            Timeseries(url, **(keywords | {"prefix": "stats-other"})) as other,
        ):
            writer.insert("a", [7, 8, 7], timestamp=T0)
            other.insert("a", [1, 2, 3, 4], timestamp=T0)
            assert counter.get("a", "day", timestamp=T0) == {T0: n}
            assert counter.series("a", "day", start=T0, steps=2)[T0] == n
            assert counter.get("a", "fine", timestamp=T0) == {T0: n}
            for series in (writer, other):
                series.delete_all()

        async def awaited(url=url):
            async with AsyncTimeseries(url, plugins=plugins, **keywords) as series:
                await series.insert("a", [7, 8, 7], timestamp=T0)
                counted = await series.get("a", "day", timestamp=T0)
                await series.delete_all()
                return counted

        assert asyncio.run(awaited()) == {T0: n}


def test_numbers_of_values_add_up_and_numbers_of_distinct_values_do_not(tmp_path):
    url = f"sqlite:///{tmp_path}/counts.db"
    with Timeseries(url, intervals=HOURS, plugins=[StoreCounts()]) as series:
        series.bulk_insert([("a", 1, T0), ("a", 2, T0 + 3600), ("b", 3, T0)])
        assert series.get("a", "day", timestamp=T0, condense=True) == {T0: 2}
        assert series.get(["a", "b", "c"], "day", timestamp=T0, condense=True) == {T0: 3}
        assert series.series(["a", "b"], "day", start=T0, steps=3, collapse=True) == {T0: 3}
    with Timeseries(url, type="set", intervals=HOURS, plugins=[StoreCounts()]) as distinct:
        distinct.insert("a", 1, timestamp=T0)
        with pytest.raises(ValueError, match="distinct values several buckets of a set"):
            distinct.get("a", "day", timestamp=T0, condense=True)


def test_where_it_cannot_count_everything_reads_as_ever():
    series = opened("series", plugins=[StoreCounts()])
    series.insert("a", [1, 2], timestamp=T0)
    assert series.get("a", "day", timestamp=T0) == {T0: [1, 2]}
    assert opened("count", plugins=[StoreCounts()]).get("a", "day", timestamp=T0) == {T0: 0}


# --- Timings ----------------------------------------------------------------------------------------------------------


def test_every_stage_is_measured_and_nothing_is_changed():
    timings = Timings()
    series = opened("series", HOURS, plugins=[timings])
    series.bulk_insert([("a", [1, 2], T0), ("a", 3, T0 + 3600), ("b", 9, T0)])
    keywords = {"start": T0, "steps": 2, "collapse": True, "transform": ["max", lambda data, seconds: seconds]}
    assert list(series.series(["a", "b"], "day", **keywords)[T0].values()) == [9, 2 * 86400]
    calls = {stage: timing.calls for stage, timing in timings.stages.items()}
    # One condense of each name on the one day with data, and once more as the collapse, which it stands in for.
    assert calls == {"fetch": 1, "process_row": 3, "condense": 3, "join_rows": 2, "collapse": 1, "transform": 2}
    assert all(timing.seconds > 0 for timing in timings.stages.values())


class Slow:
    """A fetch hook as AsyncTimeseries allows it."""

    @hookimpl
    def fetch(self, context):
        async def slow(query):
            await asyncio.sleep(0.05)
            return {"a": {20260101: {None: [5]}}}

        return slow


def test_an_awaited_fetch_is_measured_to_its_end():
    timings = Timings()

    async def main():
        async with AsyncTimeseries("memory://", intervals=DAY, plugins=[Slow(), timings]) as series:
            return await series.get("a", "day", timestamp=T0)

    assert asyncio.run(main()) == {T0: [5]}
    assert timings.stages["fetch"].calls == 1
    assert timings.stages["fetch"].seconds >= 0.04


# --- The cache --------------------------------------------------------------------------------------------------------


class Seen:
    """A fetch hook that notes which buckets the store is asked for."""

    def __init__(self):
        self.asked = []


def cached(kind="series", now=T0 + 10 * 86400, **keywords):
    class Watch(Seen):
        @hookimpl
        def fetch(self, context):
            return lambda query: self.asked.append((query.first, query.last)) or context.default(query)

    watch, clock = Watch(), [now]
    cache = ClosedBuckets(clock=lambda: clock[0], **keywords)
    return opened(kind, plugins=[watch, cache], clock=lambda: clock[0]), watch, cache, clock


def test_a_closed_bucket_is_read_once_and_an_open_one_always():
    series, watch, _, clock = cached()
    series.bulk_insert([("a", n, T0 + n * 86400) for n in (0, 2, 10)])
    expected = {T0 + n * 86400: [n] if n in (0, 2, 10) else [] for n in range(11)}
    for _ in range(3):
        assert series.series("a", "day", start=T0, end=T0 + 10 * 86400) == expected
    assert watch.asked == [(20260101, 20260111), (20260111, 20260111), (20260111, 20260111)]
    series.insert("a", 11, timestamp=T0 + 10 * 86400)
    assert series.get("a", "day", timestamp=T0 + 10 * 86400) == {T0 + 10 * 86400: [10, 11]}
    clock[0] += 86400
    assert series.series("a", "day", start=T0, end=T0 + 10 * 86400)[T0 + 10 * 86400] == [10, 11]
    assert series.series("a", "day", start=T0, end=T0 + 10 * 86400)[T0] == [0]
    assert watch.asked[4:] == [(20260111, 20260111)]


def test_names_are_cached_each_and_answered_together():
    series, watch, _, _ = cached("count")
    series.bulk_insert([("a", 1, T0), ("b", 2, T0)])
    for names, total in (("a", 1), (["a", "b"], 3), (["a", "b"], 3), ("b", 2)):
        assert series.get(names, "day", timestamp=T0) == {T0: total}
    assert len(watch.asked) == 2


def test_what_a_reader_changes_is_not_what_is_kept():
    series, _, _, _ = cached()
    series.insert("a", [1], timestamp=T0)
    for _ in range(3):
        got = series.get("a", "day", timestamp=T0)
        assert got == {T0: [1]}
        got[T0].append(2)


def test_grace_clear_and_size():
    series, watch, cache, clock = cached(now=T0 + 86400 + 100, grace=300)
    series.insert("a", 1, timestamp=T0)
    for _ in range(2):
        assert series.get("a", "day", timestamp=T0) == {T0: [1]}
    assert len(watch.asked) == 2
    clock[0] += 200
    for _ in range(2):
        series.get("a", "day", timestamp=T0)
    assert len(watch.asked) == 3
    series.insert("a", 2, timestamp=T0)
    assert series.get("a", "day", timestamp=T0) == {T0: [1]}
    cache.clear()
    assert series.get("a", "day", timestamp=T0) == {T0: [1, 2]}
    small, watch, _, _ = cached(size=2)
    for day in (0, 1, 2, 2, 1, 0):
        small.get("a", "day", timestamp=T0 + day * 86400)
    assert len(watch.asked) == 4


def test_a_fetch_of_the_call_goes_past_the_cache():
    series, _, _, _ = cached("count")
    series.insert("a", 1, timestamp=T0)
    series.get("a", "day", timestamp=T0)
    assert series.get("a", "day", timestamp=T0, fetch=lambda *_: {20260101: {None: 7}}) == {T0: 7}
    assert series.get("a", "day", timestamp=T0) == {T0: 1}


def test_the_cache_under_asyncio():
    async def main():
        series = AsyncTimeseries(MemoryStore(), type="set", intervals=DAY, plugins=[ClosedBuckets()])
        await series.insert("a", 1, timestamp=T0)
        first = await series.get("a", "day", timestamp=T0)
        await series.insert("a", 2, timestamp=T0)
        return first, await series.get("a", "day", timestamp=T0)

    assert asyncio.run(main()) == ({T0: {1}}, {T0: {1}})
