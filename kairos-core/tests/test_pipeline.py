"""The read pipeline on memory: the stages in order, what each is given, and the shapes of what comes out."""

from datetime import UTC, datetime

import pytest

from kairos import InvalidValue, Timeseries
from kairos.kinds import KINDS

MIN, HOUR = 60, 3600
EMPTY = {"series": [], "histogram": {}, "count": 0, "gauge": None, "set": set()}
ONE = {"series": [7], "histogram": {7: 1}, "count": 7, "gauge": 7, "set": {7}}
kinds = pytest.mark.parametrize("kind", KINDS)


def make(kind="series", **keywords):
    intervals = {"minute": {"step": MIN}, "hour": {"step": HOUR, "resolution": MIN}}
    return Timeseries("memory://", type=kind, intervals=intervals, **keywords)


class Log:
    """Callables for the stages that note in which order, and with what, they are called."""

    def __init__(self):
        self.calls = []

    def __getitem__(self, stage):
        def call(data, *more):
            self.calls.append((stage, data, *more))
            return f"{stage}({data})"

        return call


# --- Shapes ---------------------------------------------------------------------------------------------------------


@kinds
def test_a_coarse_read_gives_every_bucket(kind):
    series = make(kind)
    series.insert("a", 7, timestamp=MIN)
    assert series.get("a", "minute", 0) == {0: EMPTY[kind]}
    assert series.get("a", "minute", MIN + 59) == {MIN: ONE[kind]}
    assert series.series("a", "minute", 0, 2 * MIN) == {0: EMPTY[kind], MIN: ONE[kind], 2 * MIN: EMPTY[kind]}
    assert series.series("nobody", "minute", 0) == {0: EMPTY[kind]}
    assert list(series.iterate("a", "minute")) == [(MIN, ONE[kind])]
    assert list(series.iterate("nobody", "minute")) == []


@kinds
def test_a_fine_read_gives_the_resolution_buckets_that_hold_data(kind):
    series = make(kind)
    series.insert("a", 7, timestamp=2 * MIN)
    series.insert("a", 7, timestamp=MIN)
    both = {MIN: ONE[kind], 2 * MIN: ONE[kind]}
    assert series.get("a", "hour", 0) == both
    assert list(series.get("a", "hour", 0)) == [MIN, 2 * MIN]
    assert series.get("a", "hour", HOUR) == {}
    assert series.series("a", "hour", -1, HOUR) == {-HOUR: {}, 0: both, HOUR: {}}
    assert series.series("nobody", "hour", 0) == {0: {}}
    assert list(series.iterate("a", "hour")) == list(both.items())


@kinds
def test_a_condensed_read_gives_every_bucket(kind):
    series = make(kind)
    series.insert("a", 7, timestamp=MIN)
    assert series.get("a", "hour", 0, condense=True) == {0: ONE[kind]}
    assert series.get("a", "hour", HOUR, condense=True) == {HOUR: EMPTY[kind]}
    assert series.series("a", "hour", 0, HOUR, condense=True) == {0: ONE[kind], HOUR: EMPTY[kind]}
    series.insert("a", 7, timestamp=2 * HOUR)
    assert list(series.iterate("a", "hour", condense=True)) == [
        (0, ONE[kind]),
        (HOUR, EMPTY[kind]),
        (2 * HOUR, ONE[kind]),
    ]


@kinds
def test_a_collapsed_read_gives_one_entry_under_the_first_bucket(kind):
    series = make(kind)
    for interval in ("minute", "hour"):
        assert series.series("a", interval, 0, 5 * HOUR, collapse=True) == {0: EMPTY[kind]}
    series.insert("a", 7, timestamp=2 * HOUR)
    for interval in ("minute", "hour"):
        assert series.series("a", interval, 0, 5 * HOUR, collapse=True) == {0: ONE[kind]}


@kinds
def test_every_result_is_a_plain_dict_that_belongs_to_the_caller(kind):
    series = make(kind)
    series.insert("a", 7, timestamp=0)
    found = series.series("a", "hour", 0)
    assert type(found) is dict
    assert type(found[0]) is dict
    found[0].clear()
    data = series.get("a", "minute", 0)[0]
    if isinstance(data, (list, dict, set)):
        data.clear()
    assert series.get("a", "minute", 0) == series.get("a", "hour", 0) == {0: ONE[kind]}


def at(second, microsecond=0):
    return datetime(1970, 1, 1, 0, 0, second, microsecond, tzinfo=UTC)


def test_start_may_not_be_after_end():
    series = make()
    with pytest.raises(InvalidValue, match="start 60 is after end 59"):
        series.series("a", "minute", 60, 59)
    for start, end in ((59.9, 59.1), (at(59, 900_000), at(59, 100_000)), (59.9, at(59))):
        with pytest.raises(InvalidValue, match=r"start .* is after end"):
            series.series("a", "minute", start, end)
    for start, end in ((59, 59), (59.1, 59.9), (at(59), at(59, 1)), (at(59), 59.5)):
        assert series.series("a", "minute", start, end) == {0: []}


# --- The gauge ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read_func", "nothing"),
    [(None, None), (str, ""), (int, None), (len, 0), (lambda value: f"<{value}>", "<>"), (abs, None)],
    ids=["none", "str", "int", "len", "format", "abs"],
)
def test_a_gauge_without_data_is_read_func_of_an_empty_string_or_none(read_func, nothing):
    series = make("gauge", read_func=read_func)
    assert series.get("a", "minute", 0) == {0: nothing}
    assert series.get(["a", "b"], "minute", 0) == {0: nothing}
    assert series.get("a", "hour", 0, condense=True) == {0: nothing}
    assert series.get("a", "hour", 0) == {}
    assert series.series("a", "minute", 0, MIN) == {0: nothing, MIN: nothing}
    assert series.series("a", "minute", 0, MIN, collapse=True) == {0: nothing}


def test_what_else_read_func_raises_over_nothing_passes_through():
    def read_func(value):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make("gauge", read_func=read_func).get("a", "minute", 0)


def test_read_func_is_not_asked_about_nothing_where_process_row_replaces_it():
    series = make("gauge", read_func=str)
    assert series.get("a", "minute", 0, process_row=lambda data: data) == {0: None}


@pytest.mark.parametrize("value", [0, "", False, b"", 0.0])
def test_a_gauge_keeps_what_is_false(value):
    series = make("gauge", read_func=lambda value: value)
    series.insert("a", 1, timestamp=0)
    series.insert("a", value, timestamp=MIN)
    for found in (
        series.get("a", "minute", MIN)[MIN],
        series.get("a", "hour", 0, condense=True)[0],
        series.get(["a", "b"], "hour", 0, condense=True)[0],
        series.series("a", "minute", 0, 3 * MIN, collapse=True)[0],
        series.get(["a", "b"], "minute", MIN)[MIN],
    ):
        assert found == value
        assert type(found) is type(value)


def test_a_gauge_joins_to_the_last_name_that_has_a_value():
    series = make("gauge")
    series.insert("a", 1, timestamp=0)
    series.insert("b", 2, timestamp=0)
    assert series.get(["a", "b"], "minute", 0) == {0: 2}
    assert series.get(["b", "a"], "minute", 0) == {0: 1}
    assert series.get(["a", "b", "c"], "minute", 0) == {0: 2}


# --- Custom stages --------------------------------------------------------------------------------------------------


def test_the_stages_are_called_in_order():
    series, log = make(), Log()
    series.insert("a", 1, timestamp=0)
    series.insert("b", 2, timestamp=MIN)
    stages = ("process_row", "condense", "join_rows", "collapse")
    found = series.series(["a", "b"], "hour", 0, **{name: log[name] for name in stages}, transform=log["transform"])
    rows = ["condense({0: 'process_row([1])'})", "condense({60: 'process_row([2])'})"]
    assert log.calls == [
        ("process_row", [1]),
        ("condense", {0: "process_row([1])"}),
        ("process_row", [2]),
        ("condense", {MIN: "process_row([2])"}),
        ("join_rows", rows),
        ("collapse", {0: f"join_rows({rows})"}),
        ("transform", f"collapse({ {0: f'join_rows({rows})'} })"),
    ]
    assert found == {0: f"transform({log.calls[-1][1]})"}


def test_without_condense_a_fine_read_is_joined_per_resolution_bucket():
    series, log = make(), Log()
    series.insert("a", 1, timestamp=0)
    series.insert("b", 2, timestamp=MIN)
    series.insert("a", 3, timestamp=2 * MIN)
    series.insert("b", 4, timestamp=2 * MIN)
    assert series.get(["a", "b"], "hour", 0) == {0: [1], MIN: [2], 2 * MIN: [3, 4]}
    series.get(["a", "b"], "hour", 0, join_rows=log["join"])
    assert log.calls == [("join", [[1], []]), ("join", [[], [2]]), ("join", [[3], [4]])]


@kinds
def test_a_custom_join_gets_one_entry_per_name_in_order(kind):
    series, log = make(kind), Log()
    series.insert("b", 7, timestamp=0)
    series.get(["c", "b", "a", "b"], "minute", 0, join_rows=log["join"])
    series.get({"c", "b", "a"}, "minute", 0, join_rows=log["join"])
    series.get(["a", "b"], "minute", MIN, join_rows=log["join"])
    empty, one = EMPTY[kind], ONE[kind]
    assert log.calls == [
        ("join", [empty, one, empty]),
        ("join", [empty, one, empty]),
        ("join", [empty, empty]),
    ]


def test_what_a_custom_join_gives_over_nothing_is_kept():
    series = make(read_func=str)
    for nothing in (None, "", 0, []):
        assert series.get(["a", "b"], "minute", 0, join_rows=lambda rows, nothing=nothing: nothing) == {0: nothing}


def test_a_custom_join_is_not_called_for_a_single_name():
    log = Log()
    assert make().get("a", "minute", 0, join_rows=log["join"]) == {0: []}
    assert log.calls == []
    make().get(["a"], "minute", 0, join_rows=log["join"])
    assert log.calls == [("join", [[]])]


@kinds
def test_custom_stages_are_not_called_over_nothing(kind):
    series, log = make(kind, read_func=None if kind == "gauge" else Log()["read_func"]), Log()
    stages = {name: log[name] for name in ("process_row", "condense")}
    assert series.get("a", "hour", 0, **stages) == {0: EMPTY[kind]}
    assert series.series("a", "hour", 0, HOUR, **stages) == {0: EMPTY[kind], HOUR: EMPTY[kind]}
    assert series.series(["a", "b"], "hour", 0, HOUR, **stages, collapse=log["collapse"]) == {0: EMPTY[kind]}
    assert log.calls == []


def test_collapse_gets_the_intervals_that_have_data():
    series, log = make(), Log()
    series.insert("a", 1, timestamp=MIN)
    series.insert("a", 2, timestamp=3 * MIN)
    series.insert("a", 3, timestamp=HOUR)
    series.series("a", "minute", 0, 5 * MIN, collapse=log["collapse"])
    series.series("a", "hour", 0, 9 * HOUR, collapse=log["collapse"])
    assert log.calls == [("collapse", {MIN: [1], 3 * MIN: [2]}), ("collapse", {0: [1, 2], HOUR: [3]})]


def test_collapse_uses_a_custom_condense():
    series, log = make(), Log()
    series.insert("a", 1, timestamp=0)
    series.series("a", "hour", 0, condense=log["condense"], collapse=True)
    assert log.calls == [("condense", {0: [1]}), ("condense", {0: "condense({0: [1]})"})]
    log.calls.clear()
    series.series("a", "minute", 0, condense=log["condense"], collapse=True)
    assert log.calls == [("condense", {0: [1]})]
    log.calls.clear()
    series.series("a", "hour", 0, condense=log["condense"], collapse=log["collapse"])
    assert log.calls == [("condense", {0: [1]}), ("collapse", {0: "condense({0: [1]})"})]


def test_process_row_replaces_read_func():
    series = make("histogram", read_func=str)
    series.insert("a", [1, 1, 2], timestamp=0)
    assert series.get("a", "minute", 0) == {0: {"1": 2, "2": 1}}
    assert series.get("a", "minute", 0, process_row=len) == {0: 2}


def test_a_custom_fetch_gives_the_data():
    series = make()
    series.insert("a", 1, timestamp=0)
    calls = []

    def fetch(cells, *where):
        calls.append((cells, *where))
        return {bucket: {part: [*data, 9] for part, data in parts.items()} for bucket, parts in cells.items()}

    assert series.get("a", "minute", 0, fetch=fetch) == {0: [1, 9]}
    assert series.series(["a", "b"], "hour", 0, HOUR, fetch=fetch) == {0: {0: [1, 9]}, HOUR: {}}
    assert calls == [
        ({0: {None: [1]}}, "a", "minute", 0, None),
        ({0: {0: [1]}}, "a", "hour", 0, 1),
        ({}, "b", "hour", 0, 1),
    ]


def test_a_fetch_of_nothing_is_no_data():
    series = make("count")
    series.insert("a", 1, timestamp=0)
    for nothing in (None, {}):
        assert series.get("a", "minute", 0, fetch=lambda *where, nothing=nothing: nothing) == {0: 0}


@pytest.mark.parametrize("form", [[1], 5, "x", {0: [1]}, {0: 5}])
def test_a_fetch_that_gives_another_form_is_refused(form):
    with pytest.raises(InvalidValue, match=r"^fetch: expected"):
        make().get("a", "minute", 0, fetch=lambda *where: form)


@pytest.mark.parametrize("stage", ["fetch", "process_row", "condense", "join_rows", "collapse", "transform"])
def test_what_a_callable_raises_passes_through(stage):
    series = make()
    series.insert("a", 1, timestamp=0)

    class MineError(Exception):
        pass

    for error in (MineError, StopIteration, KeyboardInterrupt):

        def broken(*args, error=error):
            raise error

        with pytest.raises(error):
            series.series(["a", "b"], "hour", 0, **{stage: broken})


@pytest.mark.parametrize("stage", ["fetch", "process_row", "join_rows", "condense", "collapse"])
@pytest.mark.parametrize("value", [5, "sum", [len], 1])
def test_what_is_not_callable_is_refused(stage, value):
    with pytest.raises(InvalidValue, match=rf"^{stage}: expected "):
        make().series("a", "minute", 0, **{stage: value})


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [[], (), set(), frozenset()])
def test_no_names_are_an_error(names):
    series = make()
    for verb in (series.get, series.series, series.iterate):
        with pytest.raises(InvalidValue, match="empty list"):
            verb(names, "minute")


@pytest.mark.parametrize("name", ["", None, 5, b"a", {"a": 1}, ["a", ""], ["a", None], {"a", 5}, [["a"]], "a\0"])
def test_bad_names_are_an_error(name):
    series = make()
    for verb in (series.get, series.series, series.iterate):
        with pytest.raises(InvalidValue, match="name"):
            verb(name, "minute")


def test_a_name_counts_once():
    series = make("count")
    series.insert("a", 2, timestamp=0)
    for names in (["a", "a"], ("a", "b", "a"), {"a"}, frozenset("a")):
        assert series.get(names, "minute", 0) == {0: 2}
