"""The five kinds as pure functions: what they reduce to, merge to and transform to, and that they change nothing."""

import math
from copy import deepcopy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos import InvalidValue
from kairos.backend import Shape
from kairos.kinds import KINDS, TRANSFORMS, count_value
from kairos.values import INT64_MAX, INT64_MIN

COUNT, GAUGE, HISTOGRAM, SERIES, SET = (KINDS[name] for name in ("count", "gauge", "histogram", "series", "set"))
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

finite = st.floats(-1e9, 1e9)
ints = st.integers(-(10**6), 10**6)
# Data as a read gives it, by kind.
DATA = {
    "count": ints | finite,
    "gauge": ints | st.none() | st.text(max_size=3),
    "histogram": st.dictionaries(ints, st.integers(1, 9), max_size=4),
    "series": st.lists(ints | finite, max_size=4),
    "set": st.sets(ints, max_size=4),
}
any_rows = st.sampled_from(sorted(KINDS)).flatmap(
    lambda name: st.tuples(st.just(KINDS[name]), st.lists(DATA[name], max_size=5))
)


def test_each_kind_has_a_shape_of_its_own():
    assert sorted(kind.shape for kind in KINDS.values()) == sorted(Shape)
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert list(KINDS) == sorted(KINDS)


@pytest.mark.parametrize(
    ("kind", "empty"), [(COUNT, 0), (GAUGE, None), (HISTOGRAM, {}), (SERIES, []), (SET, set())], ids=KINDS
)
def test_nothing_is_the_empty_value_and_a_new_one_each_time(kind, empty):
    assert kind.empty() == empty
    assert kind.merge([]) == empty
    assert type(kind.merge([])) is type(empty)
    assert kind.condense({}) == empty
    if isinstance(empty, (dict, list, set)):
        assert kind.empty() is not kind.empty()


@pytest.mark.parametrize(
    ("kind", "values", "payload"),
    [
        (SERIES, [3, 1, 3], [3, 1, 3]),
        (HISTOGRAM, [3, 1, 3, "a"], {3: 2, 1: 1, "a": 1}),
        (SET, [3, 1, 3], {1, 3}),
        (GAUGE, [3, 1, 2], 2),
        (GAUGE, [3, 0], 0),
        (COUNT, [3], 3),
        (COUNT, [3, -1, 4], 6),
        (COUNT, [1, 0.5], 1.5),
        (COUNT, [0.1] * 10, 1.0),
        (COUNT, [INT64_MAX, 1, -1], INT64_MAX),
        (COUNT, [INT64_MAX, 0.5, 0.5], float(2**63)),
        (COUNT, [2**53 + 1, 0.5, 0.5], 2**53 + 2),
    ],
)
def test_values_reduce_to_one_addition(kind, values, payload):
    before = list(values)
    found = kind.reduce(values)
    assert found == payload
    assert type(found) is type(payload)
    assert values == before


@pytest.mark.parametrize(
    "values", [[INT64_MAX, 1], [INT64_MIN, -1], [INT64_MAX] * 3, [1e308, 1e308]], ids=["above", "below", "far", "float"]
)
def test_a_sum_that_no_count_can_hold_is_refused(values):
    with pytest.raises(InvalidValue, match="past"):
        COUNT.reduce(values)


@pytest.mark.parametrize(
    ("kind", "rows", "merged"),
    [
        (SERIES, [[2, 1], [], [1, 3]], [2, 1, 1, 3]),
        (HISTOGRAM, [{1: 2, 2: 1}, {}, {2: 3}], {1: 2, 2: 4}),
        (SET, [{1, 2}, set(), {2, 3}], {1, 2, 3}),
        (COUNT, [1, 0, -4], -3),
        (COUNT, [0.5, 0.5, 1], 2),
        (COUNT, [0.1] * 10, 1),
        (COUNT, [0.5, 1], 1.5),
        (COUNT, [INT64_MAX, 1], float(2**63)),
        (COUNT, [1e308, 1e308], math.inf),
        (GAUGE, [1, None, 2, None], 2),
        (GAUGE, [1, 0], 0),
        (GAUGE, [1, ""], ""),
        (GAUGE, [1, False], False),
        (GAUGE, [None, None], None),
    ],
)
def test_rows_merge_in_order(kind, rows, merged):
    found = kind.merge(rows)
    assert found == merged
    assert type(found) is type(merged)
    assert kind.condense(dict(enumerate(rows))) == merged


@given(any_rows)
def test_merging_in_any_grouping_gives_the_same_and_changes_nothing(given):
    kind, rows = given
    before = deepcopy(rows)
    whole = kind.merge(rows)
    for split in range(len(rows) + 1):
        parts = kind.merge([kind.merge(rows[:split]), kind.merge(rows[split:])])
        assert parts == (pytest.approx(whole, rel=1e-12, abs=1e-6) if kind is COUNT else whole)
    if isinstance(whole, (list, dict, set)):
        whole.clear()
    assert rows == before


@given(any_rows, st.integers(1, 86_400))
def test_a_transform_changes_nothing(given, seconds):
    kind, rows = given
    for data in rows:
        before = deepcopy(data)
        for name in TRANSFORMS:
            transform = kind.transform(name)
            if name != "rate":
                transform(data)
            elif not isinstance(data, str):
                transform(data, seconds)
        assert data == before


@kinds
@given(values=st.lists(ints, min_size=1, max_size=8))
def test_reducing_at_once_or_one_by_one_is_the_same(kind, values):
    """What grouping relies on: one addition of many values means the same as one of each."""
    assert kind.merge([kind.reduce([value]) for value in values]) == kind.reduce(values)


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        (SERIES, [1, 2, 6], {"count": 3, "max": 6, "mean": 3, "min": 1, "sum": 9}),
        (HISTOGRAM, {1: 3, 5: 1}, {"count": 4, "max": 5, "mean": 2, "min": 1, "sum": 8}),
        (SET, {1, 2, 6}, {"count": 3, "max": 6, "mean": 3, "min": 1, "sum": 9}),
        (COUNT, 7, {"count": 7, "max": 7, "mean": 7, "min": 7, "sum": 7}),
        (GAUGE, "x", {"count": "x", "max": "x", "mean": "x", "min": "x", "sum": "x"}),
        (SERIES, [], {"count": 0, "max": 0, "mean": 0, "min": 0, "sum": 0}),
        (HISTOGRAM, {}, {"count": 0, "max": 0, "mean": 0, "min": 0, "sum": 0}),
        (SET, set(), {"count": 0, "max": 0, "mean": 0, "min": 0, "sum": 0}),
        (COUNT, 0, {"count": 0, "max": 0, "mean": 0, "min": 0, "sum": 0}),
        (GAUGE, None, {"count": None, "max": None, "mean": None, "min": None, "sum": None}),
    ],
)
def test_the_named_transforms(kind, data, found):
    assert {name: kind.transform(name)(data) for name in TRANSFORMS if name != "rate"} == found


@pytest.mark.parametrize(
    ("kind", "data", "rate"),
    [
        (SERIES, [5, 5, 5], 0.05),
        (SERIES, [], 0),
        (SET, {5, 6}, 2 / 60),
        (HISTOGRAM, {5: 6, 7: 3}, {5: 0.1, 7: 0.05}),
        (HISTOGRAM, {}, {}),
        (COUNT, 30, 0.5),
        (COUNT, 0, 0),
        (GAUGE, 30, 0.5),
        (GAUGE, None, None),
    ],
)
def test_the_rate(kind, data, rate):
    assert kind.transform("rate")(data, 60) == rate


@kinds
@pytest.mark.parametrize("name", ["median", "Mean", "", "__init__", "merge", "reduce", "name", "empty", "p95"])
def test_only_the_named_transforms_are_known(kind, name):
    assert kind.transform(name) is None


def test_sums_of_floats_lose_nothing_on_the_way():
    # Far enough apart that the compensation of sum(), which Python has since 3.12, loses the 1 as well.
    apart = [1e100, 1e50, 1.0, -1e50, -1e100]
    values = apart * 10 + [0.1] * 10
    assert sum(values) != 11.0
    assert SERIES.transform("sum")(values) == 11.0
    assert SERIES.transform("mean")(values) == 11.0 / 60
    assert HISTOGRAM.transform("sum")(dict.fromkeys(apart, 1)) == 1.0
    assert SET.transform("sum")(set(apart)) == 1.0
    assert COUNT.merge(values) == 11
    assert COUNT.reduce(values) == pytest.approx(11, rel=1e-15)


def test_sums_of_ints_are_exact_and_stay_ints():
    assert SERIES.transform("sum")([2**62, 2**62, 1]) == 2**63 + 1
    assert SERIES.transform("sum")([Decimal("0.1"), Decimal("0.2")]) == Decimal("0.3")


@pytest.mark.parametrize(
    ("total", "read"),
    [
        *((5, 5), (5.0, 5), (-0.0, 0), (0.5, 0.5), (float(INT64_MIN), INT64_MIN), (float(2**63), float(2**63))),
        *((2**63, float(2**63)), (-(2**63) - 1, -float(2**63)), (1e300, 1e300), (math.inf, math.inf)),
    ],
)
def test_a_count_reads_int_where_it_can(total, read):
    found = count_value(total)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "data", "plain", "read"),
    [
        (SERIES, (1, "2"), [1, "2"], ["1", "2"]),
        (HISTOGRAM, {1.0: 2, "a": 1}, {1: 2, "a": 1}, {"1": 2, "a": 1}),
        (SET, {1.0, "a"}, {1, "a"}, {"1", "a"}),
        (COUNT, 2.0, 2, "2"),
        (GAUGE, 1.5, 1.5, "1.5"),
    ],
)
def test_a_cell_reads_canonical_and_through_read_func(kind, data, plain, read):
    found = kind.process_row(data, None)
    assert found == plain
    assert type(found) is type(plain)
    assert kind.process_row(data, str) == read


def test_keys_that_read_alike_add_up():
    assert HISTOGRAM.process_row({1: 2, 11: 3, 2: 1}, lambda key: key % 10) == {1: 5, 2: 1}
    assert SET.process_row({1, 11, 2}, lambda key: key % 10) == {1, 2}
    # Two keys that a store kept apart, but that are one.
    assert HISTOGRAM.process_row({Decimal(1): 1, "1": 4}, None) == {1: 1, "1": 4}


@kinds
@pytest.mark.parametrize("reader", [None, str])
def test_reading_a_cell_gives_a_new_object_and_changes_nothing(kind, reader):
    data = {"count": 1, "gauge": 1, "histogram": {1: 1}, "series": [1], "set": {1}}[kind.name]
    before = deepcopy(data)
    found = kind.process_row(data, reader)
    assert data == before
    if isinstance(data, (dict, list, set)):
        assert found is not data
