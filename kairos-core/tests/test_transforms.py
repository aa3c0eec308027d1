"""Transforms: by name, by callable, several at once, and the seconds that they cover."""

from collections import Counter
from datetime import UTC, datetime
from functools import partial

import pytest

from kairos import InvalidValue, Timeseries

MIN, HOUR = 60, 3600


def at(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp())


@pytest.fixture
def series():
    intervals = {
        "minute": {"step": MIN},
        "hour": {"step": HOUR, "resolution": MIN},
        "month": {"step": "monthly"},
        "weeks": {"step": "yearly", "resolution": "weekly"},
    }
    made = Timeseries("memory://", intervals=intervals)
    made.insert("a", [1, 2, 6], timestamp=0)
    return made


@pytest.mark.parametrize(
    ("transform", "found"),
    [
        *(("mean", 3), ("count", 3), ("min", 1), ("max", 6), ("sum", 9), ("rate", 0.05)),
        *(
            (len, 3),
            (max, 6),
            (min, 1),
            (sum, 9),
            (sorted, [1, 2, 6]),
            (tuple, (1, 2, 6)),
            (Counter, {1: 1, 2: 1, 6: 1}),
        ),
        (str, "[1, 2, 6]"),
    ],
)
def test_a_single_transform_replaces_the_data(series, transform, found):
    assert series.get("a", "minute", 0, transform=transform) == {0: found}
    assert series.series("a", "minute", 0, transform=transform) == {0: found}
    assert list(series.iterate("a", "minute", transform=transform)) == [(0, found)]
    assert series.get("a", "hour", 0, transform=transform) == {0: found}
    assert series.series("a", "hour", 0, transform=transform) == {0: {0: found}}


def largest(data):
    return max(data, default=0)


@pytest.mark.parametrize("several", [list, tuple, set, frozenset])
def test_several_transforms_give_a_dict_of_what_was_given(series, several):
    given = several(["mean", len, largest])
    assert series.get("a", "minute", 0, transform=given) == {0: {"mean": 3, len: 3, largest: 6}}
    assert series.series("a", "minute", 0, MIN, transform=given) == {
        0: {"mean": 3, len: 3, largest: 6},
        MIN: {"mean": 0, len: 0, largest: 0},
    }


def test_named_transforms_give_a_dict_of_their_names(series):
    given = {"average": "mean", "n": len, "mean": "sum"}
    assert series.get("a", "minute", 0, transform=given) == {0: {"average": 3, "n": 3, "mean": 9}}
    assert list(series.get("a", "minute", 0, transform=given)[0]) == list(given)


@pytest.mark.parametrize("none", [[], (), {}, set()])
def test_no_transforms_at_all_give_an_empty_dict(series, none):
    assert series.get("a", "minute", 0, transform=none) == {0: {}}


def one(data):
    return data


def one_and_a_default(data, extra="default"):
    return data, extra


def one_and_more(data, *more, **keywords):
    return data, more, keywords


def keyword_only(data, *, extra="default"):
    return data, extra


def two(data, seconds):
    return data, seconds


def two_and_a_default(data, seconds, extra="default"):
    return data, seconds, extra


class Callable:
    def __call__(self, data, seconds):
        return data, seconds

    def method(self, data, seconds):
        return data, seconds

    @staticmethod
    def static(data):
        return data


@pytest.mark.parametrize(
    ("transform", "found"),
    [
        (one, [1, 2, 6]),
        (one_and_a_default, ([1, 2, 6], "default")),
        (one_and_more, ([1, 2, 6], (), {})),
        (keyword_only, ([1, 2, 6], "default")),
        (two, ([1, 2, 6], MIN)),
        (two_and_a_default, ([1, 2, 6], MIN, "default")),
        (partial(two, seconds=5), ([1, 2, 6], 5)),
        (partial(lambda extra, data, seconds: (extra, data, seconds), "x"), ("x", [1, 2, 6], MIN)),
        (Callable(), ([1, 2, 6], MIN)),
        (Callable().method, ([1, 2, 6], MIN)),
        (Callable.static, [1, 2, 6]),
    ],
    ids=["1", "1+1", "1+*", "1+key", "2", "2+1", "partial", "partial 2", "object", "method", "static"],
)
def test_a_callable_gets_the_seconds_if_it_requires_two_arguments(series, transform, found):
    assert series.get("a", "minute", 0, transform=transform) == {0: found}


def test_a_callable_without_a_readable_signature_gets_the_data(series):
    class Odd:
        __signature__ = "unreadable"

        def __call__(self, data):
            return data

    assert series.get("a", "minute", 0, transform=Odd()) == {0: [1, 2, 6]}


def seconds(data, seconds):
    return seconds


def test_the_seconds_are_those_of_what_the_data_covers(series):
    days = 86_400
    assert series.get("a", "minute", 0, transform=seconds) == {0: MIN}
    assert series.get("a", "hour", 0, transform=seconds) == {0: MIN}
    assert series.get("a", "hour", 0, condense=True, transform=seconds) == {0: HOUR}
    assert series.series("a", "minute", 0, 9 * MIN, collapse=True, transform=seconds) == {0: 10 * MIN}
    assert series.series("a", "hour", 0, HOUR, collapse=True, transform=seconds) == {0: 2 * HOUR}
    months = series.series("a", "month", at(2024, 1, 5), at(2024, 4, 1), transform=seconds)
    assert [length // days for length in months.values()] == [31, 29, 31, 30]
    year = series.series("a", "month", at(2024, 1, 5), at(2024, 12, 1), collapse=True, transform=seconds)
    assert year == {at(2024, 1, 1): 366 * days}
    series.insert("b", 1, timestamp=at(2019, 1, 1))
    series.insert("b", 1, timestamp=at(2019, 1, 6))
    assert series.get("b", "weeks", at(2019, 1, 1), transform=seconds) == {
        at(2019, 1, 1): 5 * days,
        at(2019, 1, 6): 7 * days,
    }


def test_a_rate_is_over_the_same_seconds(series):
    assert series.get("a", "hour", 0, condense=True, transform="rate") == {0: 3 / HOUR}
    assert series.series("a", "minute", 0, 9 * MIN, collapse=True, transform="rate") == {0: 3 / 600}
    assert series.get("a", "month", 0, transform={"r": "rate"}) == {0: {"r": 3 / (31 * 86_400)}}


def test_transforms_come_after_joining(series):
    series.insert("b", 9, timestamp=0)
    assert series.get(["a", "b"], "minute", 0, transform=["sum", "count"]) == {0: {"sum": 18, "count": 4}}


def test_transforms_see_empty_data(series):
    assert series.get("a", "minute", MIN, transform=["mean", "min", "max", "sum", "count", "rate", len]) == {
        MIN: {"mean": 0, "min": 0, "max": 0, "sum": 0, "count": 0, "rate": 0, len: 0}
    }
    assert series.get("a", "hour", HOUR, transform="mean") == {}


@pytest.mark.parametrize("given", ["no-such", "", "Mean", ["mean", "other"], {"x": "mode"}, {"no-such"}, ("empty",)])
def test_an_unknown_name_lists_the_known_ones(series, given):
    unknown = given if isinstance(given, str) else [*(given.values() if isinstance(given, dict) else given)][-1]
    for verb in (series.get, series.series, series.iterate):
        with pytest.raises(InvalidValue, match="built in are count, max, mean, min, rate, sum") as caught:
            verb("a", "minute", transform=given)
        assert repr(unknown) in str(caught.value)


@pytest.mark.parametrize("given", [5, b"mean", True, [5], {"x": 5}, [["mean"]], {"x": {"y": "mean"}}, [None]])
def test_what_is_no_transform_is_refused(series, given):
    with pytest.raises(InvalidValue, match="transform: expected a name or a callable"):
        series.get("a", "minute", 0, transform=given)


def test_a_transform_that_raises_passes_through(series):
    with pytest.raises(ZeroDivisionError):
        series.get("a", "minute", 0, transform=lambda data: 1 / 0)
    with pytest.raises(TypeError):
        series.get("a", "minute", 0, transform=["mean", lambda: None])
