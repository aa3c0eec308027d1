"""From points to cells: one cell per bucket, in order, with everything decided before anything is sent."""

from collections import deque
from copy import deepcopy
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos import InvalidValue, Written
from kairos.config import SeriesConfig
from kairos.grouping import Grouping, acceptor, points_of
from kairos.kinds import KINDS
from kairos.plans import Cell
from kairos.values import value_type

INTERVALS = {
    "coarse": {"step": 60},
    "fine": {"step": "1h", "resolution": "1min"},
    "weeks": {"step": "monthly", "resolution": "weekly"},
}
NOW = 1_700_000_000


def grouping(kind="series", intervals=INTERVALS, *, write_func=None, stored="any", given=None, floats=True):
    config = SeriesConfig.make(
        type=kind, intervals=intervals, read_func=None, write_func=write_func, prefix="", clock=int, max_buckets=1
    )
    return Grouping(
        kind=config.kind,
        intervals=config.intervals,
        accept=acceptor(config.kind, value_type(stored), given, float_counts=floats),
        write_func=write_func,
        max_name_bytes=None,
    )


def group(points, *, extra=0, now=NOW, **keywords):
    return grouping(**keywords).group(points, now=now, extra=extra)


MINUTE = {"minute": {"step": 60}}


def test_a_bucket_is_one_cell_however_many_points_fall_into_it():
    points = [("a", n, n % 120) for n in range(1000)] + [("b", 0, 0)]
    cells, written = group(points, intervals=MINUTE)
    assert cells == [
        Cell("a", "minute", 0, None, [n for n in range(1000) if n % 120 < 60], None),
        Cell("a", "minute", 1, None, [n for n in range(1000) if n % 120 >= 60], None),
        Cell("b", "minute", 0, None, [0], None),
    ]
    assert written == Written(points=1001, cells=3, expired=0)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("series", [2, 1, 2]), ("histogram", {2: 2, 1: 1}), ("count", 5), ("gauge", 2), ("set", {1, 2})],
)
def test_a_cell_is_reduced_by_its_kind(kind, payload):
    (cell,), written = group([("a", 2, 0), ("a", [1, 2], 1)], kind=kind, intervals=MINUTE)
    assert cell.payload == payload
    assert written == Written(3, 1, 0)


def test_a_point_goes_into_every_interval_and_its_resolution():
    cells, _ = group([("a", 1, 1_704_067_199)])  # the last second of 2023, a Sunday
    assert [cell[:4] for cell in cells] == [
        ("a", "coarse", 28_401_119, None),
        ("a", "fine", 473_351, 28_401_119),
        ("a", "weeks", 202312, 202353),
    ]


def test_a_fine_bucket_that_straddles_two_intervals_is_stored_in_that_of_each_point():
    # The week from Sunday 28 April 2024 goes on into May.
    cells, _ = group([("a", 1, 1_714_435_200), ("a", 2, 1_714_521_600)], intervals={"weeks": INTERVALS["weeks"]})
    assert [cell[1:5] for cell in cells] == [("weeks", 202404, 202417, [1]), ("weeks", 202405, 202417, [2])]


def test_the_order_of_the_batch_is_the_order_of_a_series():
    points = [("a", 3, 5), ("b", 9, 5), ("a", 1, 59), ("a", [2, 1], 0)]
    cells, _ = group(points, intervals=MINUTE)
    assert [(cell.name, cell.payload) for cell in cells] == [("a", [3, 1, 2, 1]), ("b", [9])]


@pytest.mark.parametrize(
    ("extra", "buckets"),
    [(0, [5]), (1, [5, 6]), (3, [5, 6, 7, 8]), (-1, [5, 4]), (-7, [5, 4, 3, 2, 1, 0, -1, -2])],
)
def test_further_intervals_follow_or_precede(extra, buckets):
    cells, written = group([("a", 1, 5 * 60 + 7)], extra=extra, intervals=MINUTE)
    assert [cell.bucket for cell in cells] == buckets
    assert written == Written(1, len(buckets), 0)


def test_a_further_interval_is_written_at_its_start():
    intervals = {"fine": {"step": "1h", "resolution": "1min"}, "months": {"step": "monthly", "resolution": "daily"}}
    cells, _ = group([("a", 1, 1_706_617_000)], extra=2, intervals=intervals)  # 30 January 2024, 12:16:40
    assert [cell[1:4] for cell in cells] == [
        ("fine", 474_060, 28_443_616),
        ("fine", 474_061, 474_061 * 60),
        ("fine", 474_062, 474_062 * 60),
        ("months", 202401, 20240130),
        ("months", 202402, 20240201),
        ("months", 202403, 20240301),
    ]


def test_further_intervals_of_two_points_meet_in_one_cell():
    cells, _ = group([("a", 1, 0), ("a", 2, 60)], extra=1, kind="count", intervals=MINUTE)
    assert [(cell.bucket, cell.payload) for cell in cells] == [(0, 1), (1, 3), (2, 2)]


def test_what_is_past_is_counted_and_not_made():
    intervals = {"short": {"step": 60, "steps": 2}, "long": {"step": 60, "steps": 100}, "all": {"step": 60}}
    cells, written = group([("a", 1, 0), ("a", 2, 60)], now=120, intervals=intervals)
    assert [cell[1:3] + cell[5:] for cell in cells] == [
        ("long", 0, 6000),
        ("all", 0, None),
        ("short", 1, 180),
        ("long", 1, 6060),
        ("all", 1, None),
    ]
    assert written == Written(2, 5, 1)
    assert group([("a", 1, 0)], now=10**9, intervals={"short": intervals["short"]}) == ([], Written(1, 0, 1))


def test_expired_further_intervals_are_counted_too():
    cells, written = group([("a", 1, 600)], now=600, extra=-4, intervals={"short": {"step": 60, "steps": 3}})
    assert [cell.bucket for cell in cells] == [10, 9, 8]
    assert written == Written(1, 3, 2)


def test_a_batch_of_nothing():
    for points in ([], [("a", [], 0)], [("a", (), None), ("b", set(), 0)]):
        assert group(points, kind="histogram") == ([], Written(0, 0, 0))


def test_none_as_time_is_now():
    cells, _ = group([("a", 1, None)], now=90, intervals=MINUTE)
    assert [cell.bucket for cell in cells] == [1]


def test_write_func_is_called_once_per_value_in_order_and_before_all_else():
    seen = []

    def write_func(value):
        seen.append(value)
        return f"{value}"

    cells, _ = group([("a", [True, 1.0], 0), ("a", np.int8(5), 7), ("b", {"x": 1}, 0)], write_func=write_func)
    assert seen == [True, 1.0, np.int8(5), {"x": 1}]
    assert type(seen[0]) is bool
    assert cells[0].payload == ["True", "1.0", "5"]


def test_write_func_may_make_a_key_of_anything():
    cells, _ = group([("a", [[1], [2, 3]], 0)], kind="histogram", write_func=len, intervals=MINUTE)
    assert cells[0].payload == {1: 1, 2: 1}
    cells, _ = group([("a", [0.1, 1.0], 0)], kind="histogram", write_func=bool, intervals=MINUTE)
    assert cells[0].payload == {1: 2}


@pytest.mark.parametrize(("kind", "payload"), [("histogram", {1: 3, "1": 1}), ("set", {1, "1"})])
def test_keys_that_are_equal_are_one(kind, payload):
    (cell,), _ = group([("a", [1, 1.0, True, "1"], 0)], kind=kind, intervals=MINUTE)
    assert cell.payload == payload
    assert {type(key) for key in cell.payload} == {int, str}


def test_the_value_type_comes_after_the_canonical_form():
    (cell,), _ = group([("a", [1.0, True, "1"], 0)], kind="histogram", stored="str", intervals=MINUTE)
    assert cell.payload == {"1": 3}
    (cell,), _ = group([("a", [1, Decimal("0.5")], 0)], kind="histogram", stored="float", intervals=MINUTE)
    assert cell.payload == {1.0: 1, 0.5: 1}


def test_cells_do_not_share_what_can_be_changed():
    cells, _ = group([("a", [1, 2], 0)])
    assert len({id(cell.payload) for cell in cells}) == len(cells)


def test_what_the_caller_gave_is_not_changed():
    value = {"k": [1]}
    values = [value, value]
    batch = {0: {"a": values}, None: {"b": (1, 2)}}
    before = deepcopy(batch)
    cells, _ = group(points_of(batch), intervals=MINUTE)
    assert batch == before
    value["k"].append(2)
    values.clear()
    assert cells[0].payload == [{"k": [1]}, {"k": [1]}]


def test_a_big_batch_gives_others_a_turn():
    plan, points = grouping(kind="count", intervals=MINUTE), [("a", 1, n) for n in range(30_000)]
    flow, turns = plan.flow(points, now=NOW), 0
    try:
        while True:
            assert next(flow) is None
            turns += 1
    except StopIteration as stop:
        cells, written = stop.value
    assert turns >= 10
    assert (cells, written) == plan.group(points, now=NOW)
    assert written == Written(30_000, 500, 0)
    many = [("a", 1, 60 * n) for n in range(10_000)]  # as many cells, to be reduced in turns too
    assert sum(1 for _ in plan.flow(many, now=NOW)) > sum(1 for _ in plan.flow(points[:10_000], now=NOW))


@pytest.mark.parametrize(("timestamp", "extra"), [(0, 9000), (0, -2000), (253_402_300_799, 1), (-62_135_596_800, -1)])
def test_further_intervals_stay_in_the_calendar(timestamp, extra):
    with pytest.raises(InvalidValue, match=r"^intervals: .* of 'y' leave the years 1 to 9999"):
        group([("a", 1, timestamp)], extra=extra, intervals={"y": {"step": "yearly"}})


def test_a_name_is_a_plain_str():
    class Name(str):
        __slots__ = ()

    cells, _ = group([(Name("a"), 1, 0), ("a", 2, 0)], intervals=MINUTE)
    assert [(type(cell.name), cell.name, cell.payload) for cell in cells] == [(str, "a", [1, 2])]


# --- Points ---------------------------------------------------------------------------------------------------------


def test_the_two_forms_of_a_bulk_insert():
    nested = {0: {"a": [1, 2], "b": 3}, None: {"a": 4}}
    flat = [("a", [1, 2], 0), ("b", 3, 0), ("a", 4, None)]
    assert list(points_of(nested)) == flat
    assert list(points_of(flat)) == list(points_of(deque(flat))) == list(points_of(iter(map(list, flat)))) == flat
    assert list(points_of({})) == list(points_of([])) == []


@pytest.mark.parametrize(
    "batch",
    [
        *("abc", b"abc", 5, None, object, [5], ["abc"], [("a", 1)], [("a", 1, 0, 0)], [None], [{"a": 1}]),
        *({0: 5}, {0: [("a", 1)]}, {0: None}, {"a": [1]}),
    ],
)
def test_what_is_no_batch_is_an_error_that_shows_it(batch):
    with pytest.raises(InvalidValue, match=r"^bulk_insert: "):
        list(points_of(batch))


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("series", None, "series 'speed': None is not a value"),
        ("series", [1, None], "series 'speed': None is not a value"),
        ("series", {1, 2}, "series 'speed': {1, 2} has no order"),
        ("gauge", frozenset(), "gauge 'speed': frozenset() has no order"),
        ("histogram", float("nan"), "histogram 'speed': NaN cannot be a histogram key"),
        ("set", [1, Decimal("nan")], "set 'speed': NaN cannot be"),
        ("histogram", {"a": 1}, "histogram 'speed': {'a': 1} cannot be a histogram key"),
        ("count", None, "count 'speed': None is not a"),
        ("count", "5", "count 'speed': '5' is not a number"),
        ("count", Decimal(5), "count 'speed': Decimal('5') is not a number"),
        ("count", float("nan"), "count 'speed': nan is not a finite number"),
        ("count", float("-inf"), "count 'speed': -inf is not a finite number"),
        ("count", 2**63, "count 'speed': 9223372036854775808 is past 64 bits"),
        ("count", [2**62, 2**62], "count 'speed': in interval 'minute' the sum 9223372036854775808 of these"),
        ("count", [1e308, 1e308], "count 'speed': in interval 'minute' the sum of these values is past the range"),
        ("series", np.zeros((2, 2)), "series 'speed': a NumPy array of 2 dimensions"),
        ("series", np.complex128(1), "series 'speed': "),
    ],
)
def test_an_error_names_the_series_and_the_value(kind, value, message):
    with pytest.raises(InvalidValue) as caught:
        group([("fine", 1, 0), ("speed", value, 0)], kind=kind, intervals=MINUTE)
    assert str(caught.value).startswith(message)


def test_a_value_that_write_func_makes_is_checked_as_well():
    with pytest.raises(InvalidValue, match="series 'a': None is not a value"):
        group([("a", 1, 0)], write_func=lambda value: None)
    with pytest.raises(InvalidValue, match="set 'a': NaN"):
        group([("a", 1, 0)], kind="set", write_func=lambda value: float("nan"))


def test_what_write_func_raises_passes_through():
    def write_func(value):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        group([("a", 1, 0)], write_func=write_func)


@pytest.mark.parametrize("name", ["", None, 5, "a\0", "\ud800", ("a",)])
def test_a_bad_name_is_refused(name):
    with pytest.raises(InvalidValue, match="name"):
        group([("good", 1, 0), (name, 1, 0)])


@pytest.mark.parametrize("value", [2.5, np.float64(0.5)])
def test_floats_are_refused_where_counts_are_ints(value):
    for keywords in ({"floats": False}, {"stored": "int", "given": "int"}):
        with pytest.raises(InvalidValue, match="is a float; this count takes ints only"):
            group([("a", value, 0)], kind="count", intervals=MINUTE, **keywords)
    assert group([("a", value, 0)], kind="count", intervals=MINUTE, stored="float", given=float)


def test_increments_are_plain_numbers():
    (cell,), _ = group([("a", [True, np.int8(2)], 0)], kind="count", intervals=MINUTE)
    assert (cell.payload, type(cell.payload)) == (3, int)
    (cell,), _ = group([("a", np.float32(0.5), 0)], kind="count", intervals=MINUTE)
    assert (cell.payload, type(cell.payload)) == (0.5, float)
    (cell,), _ = group([("a", 0, 0)], kind="count", intervals=MINUTE)
    assert cell.payload == 0


# --- Against a naive model ------------------------------------------------------------------------------------------

points = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.lists(st.integers(-3, 3), max_size=3) | st.integers(-3, 3),
        st.none() | st.integers(NOW - 8000, NOW + 8000),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", KINDS)
@given(points=points, extra=st.integers(-2, 2))
def test_grouping_is_the_same_as_one_write_per_value(kind, points, extra):
    intervals = {
        "minute": {"step": 60, "steps": 100},
        "fine": {"step": "1h", "resolution": 90, "steps": 2},
        "days": {"step": "daily"},
    }
    plan, merge = grouping(kind=kind, intervals=intervals), KINDS[kind].merge
    expected, values, dropped = {}, 0, set()
    for name, value_or_list, timestamp in points:
        seconds = NOW if timestamp is None else timestamp
        for value in value_or_list if isinstance(value_or_list, list) else [value_or_list]:
            values += 1
            for interval in plan.intervals.values():
                step = interval.step
                home = step.bucket(seconds)
                for by in sorted({0, *range(0, extra, 1 if extra > 0 else -1), extra}):
                    bucket = step.shift(home, by)
                    when = seconds if by == 0 else step.start(bucket)
                    part = interval.resolution and interval.resolution.bucket(when)
                    key = (name, interval.name, bucket, part)
                    if interval.steps and step.start(step.shift(bucket, interval.steps)) <= NOW:
                        dropped.add(key)
                        continue
                    one = {"series": [value], "histogram": {value: 1}, "set": {value}}.get(kind, value)
                    expected[key] = merge([expected[key], one]) if key in expected else one
    cells, written = plan.group(points, now=NOW, extra=extra)
    assert {cell[:4]: cell.payload for cell in cells} == expected
    assert len(cells) == len(expected)
    assert written == Written(values, len(expected), len(dropped))
