"""What the core asks the backend to compute, and what it must not."""

from functools import partial

import pytest

from kairos import Timeseries, hookimpl
from kairos.backend import Capabilities
from kairos.memory import MemoryBackend
from kairos.plans import Aggregate
from kairos.registry import register

INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


class Noting(MemoryBackend):
    """Notes what it is asked for."""

    def __init__(self, store, config):
        super().__init__(store, config)
        self.asked = []

    def read(self, query):
        self.asked.append(query.aggregates)
        return super().read(query)


@pytest.fixture
def opened():
    def open_one(type="series", value_type="int", **keywords):
        series = Timeseries("noting://", type=type, value_type=value_type, intervals=INTERVALS, **keywords)
        series.insert("a", [4, 1, 1], timestamp=0)
        return series

    with register(Noting, schemes=["noting"]):
        yield open_one


def asked(series, name="a", interval="minute", **stages):
    """What the backend was asked for, in one read."""
    series.backend.asked.clear()
    series.series(name, interval, start=0, end=3600, **stages)
    (found,) = series.backend.asked
    return found


@pytest.mark.parametrize(
    ("type", "value_type", "transform", "found"),
    [
        ("series", "int", "count", ("count",)),
        ("series", "int", "sum", ("sum",)),
        ("series", "int", "min", ("min",)),
        ("series", "int", "max", ("max",)),
        ("series", "int", "mean", ("count", "sum")),
        ("series", "int", "rate", ("count",)),
        ("series", "int", ["mean", "max", "rate"], ("count", "max", "sum")),
        ("series", "int", {"lowest": "min"}, ("min",)),
        ("set", "int", {"min", "sum"}, ("min", "sum")),
        ("histogram", "int", ("count", "mean"), ("count", "sum")),
        ("series", "float", ["min", "max", "count", "rate"], ("count", "max", "min")),
        ("series", "str", ["count", "rate"], ("count",)),
        ("series", "any", "count", ("count",)),
        ("histogram", "any", "count", ("count",)),
        # What the store would not do alike.
        ("series", "float", "sum", ()),
        ("series", "float", "mean", ()),
        ("series", "float", ["min", "sum"], ()),
        ("series", "any", "min", ()),
        ("series", "decimal", "max", ()),
        ("set", "any", "count", ()),
        ("histogram", "int", "rate", ()),
        # There is nothing to aggregate.
        ("count", None, "sum", ()),
        ("gauge", "int", "max", ()),
        # The data is asked for.
        ("series", "int", None, ()),
        ("series", "int", len, ()),
        ("series", "int", ["sum", len], ()),
        ("series", "int", [], ()),
    ],
)
def test_what_is_exact_is_left_to_the_backend(opened, type, value_type, transform, found):
    assert asked(opened(type, value_type), transform=transform) == found


@pytest.mark.parametrize("stages", [{"condense": True}, {"collapse": True}, {"name": ["a", "b"]}])
def test_members_of_several_cells_count_once(opened, stages):
    series = opened("set")
    assert asked(series, interval="hour", **stages, transform="count") == ()
    assert asked(series, interval="hour", **stages, transform="max") == ("max",)
    assert asked(opened("series"), interval="hour", **stages, transform="count") == ("count",)
    assert asked(series, interval="hour", transform="count") == ("count",)


@pytest.mark.parametrize(
    "stages",
    [
        {"process_row": list},
        {"condense": lambda rows: list(rows.values())},
        {"collapse": lambda rows: list(rows.values())},
        {"name": ["a"], "join_rows": lambda rows: rows[0]},
        {"fetch": lambda cells, *_: cells},
    ],
)
def test_a_stage_of_the_callers_needs_the_data(opened, stages):
    assert asked(opened(), interval="hour", **stages, transform="count") == ()


def test_read_func_needs_the_data(opened):
    assert asked(opened(read_func=float), transform="count") == ()


@pytest.mark.parametrize("stage", ["fetch", "process_row", "condense", "join_rows", "collapse", "transform"])
def test_a_hook_that_stands_between_needs_the_data(opened, stage):
    def around(self, context):
        inner = yield
        return partial(inner)

    def absent(self, context):
        return None

    stages = {"interval": "hour", "name": ["a", "b"], "collapse": True, "transform": "max"}
    plugin = type("Around", (), {stage: hookimpl(wrapper=True)(around)})
    assert asked(opened(plugins=[plugin]), **stages) == ()
    plugin = type("Absent", (), {stage: hookimpl(absent)})
    assert asked(opened(plugins=[plugin]), **stages) == ("max",)


def test_a_transform_of_a_plugin_needs_the_data(opened):
    class Largest:
        @hookimpl
        def transform(self, context):
            return sorted if context.name == "sorted" else None

    series = opened(plugins=[Largest])
    assert asked(series, transform="sorted") == ()
    assert asked(series, transform=["max", "sorted"]) == ()
    assert asked(series, transform="max") == ("max",)


def test_a_hook_sees_the_query_without_aggregates(opened):
    seen = []

    class Seeing:
        @hookimpl
        def process_row(self, context):
            seen.append(context.query.aggregates)

    assert asked(opened(plugins=[Seeing]), transform="max") == ("max",)
    assert seen == [()]


def test_what_is_not_declared_is_not_asked_for(opened, monkeypatch):
    series = opened()
    monkeypatch.setattr(Noting, "capabilities", Capabilities(aggregates=frozenset({Aggregate.COUNT})))
    assert asked(series, transform=["count", "sum"]) == ()
    assert asked(series, transform=["count", "rate"]) == ("count",)
    assert series.get("a", "minute", timestamp=0, transform="sum") == {0: 6}


def test_every_reading_verb_asks(opened):
    series = opened()
    series.backend.asked.clear()
    assert series.get("a", "minute", timestamp=0, transform="mean") == {0: 2.0}
    assert series.get(["a", "b"], "hour", timestamp=0, transform="mean") == {0: 2.0}
    assert series.get("b", "minute", timestamp=0, transform="mean") == {0: 0}
    assert list(series.iterate("a", "minute", transform="mean")) == [(0, 2.0)]
    assert set(series.backend.asked) == {("count", "sum")}
