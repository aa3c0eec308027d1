"""Configuration: a bad key is a ConfigurationError that names its path, and what the caller gave stays as it was."""

from collections import UserDict
from copy import deepcopy
from types import MappingProxyType

import pytest
from attrs import field, frozen

from kairos import ConfigurationError, Timeseries, UnknownInterval
from kairos.backend import Capabilities
from kairos.config import normal_prefix, structure
from kairos.memory import MemoryBackend, MemoryStore
from kairos.registry import register
from kairos.steps import FixedStep, Weekly

MINUTE = {"minute": {"step": 60}}


def make(intervals=MINUTE, client="memory://", **keywords):
    return Timeseries(client, intervals=intervals, **keywords)


def resolution_of(step, resolution):
    config = make({"x": {"step": step, "resolution": resolution}})._operations.plan.config
    return config.intervals["x"].resolution


@pytest.mark.parametrize("key", ["step", "resolution"])
@pytest.mark.parametrize("value", [0, -1, "0", "-60", 1.5, "1.5h", "hourly", "", True, [], float("nan")])
def test_a_bad_step_names_its_path_and_its_value(key, value):
    with pytest.raises(ConfigurationError) as caught:
        make({"good": {"step": 60}, "mi nute": {"step": 86_400} | {key: value}})
    assert str(caught.value).startswith(f"intervals['mi nute'].{key}: expected a positive number of seconds")
    assert repr(value) in str(caught.value)


def test_there_is_no_step_of_none():
    with pytest.raises(ConfigurationError, match=r"^intervals\['minute'\]\.step: expected a positive"):
        make({"minute": {"step": None}})


@pytest.mark.parametrize("steps", [0, -1, 1.0, 2.5, "5", True, False, [], float("inf")])
def test_bad_steps_name_their_path_and_their_value(steps):
    with pytest.raises(ConfigurationError) as caught:
        make({"minute": {"step": 60, "steps": steps}})
    assert str(caught.value).startswith("intervals['minute'].steps: expected ")
    assert repr(steps) in str(caught.value)


@pytest.mark.parametrize("steps", [None, 1, 10**9])
def test_good_steps(steps):
    assert make({"minute": {"step": 60, "steps": steps}})._operations.plan.config.intervals["minute"].steps == steps


def test_a_missing_step_is_named():
    with pytest.raises(ConfigurationError, match=r"^intervals\['minute'\]\.step: required key is missing$"):
        make({"minute": {"steps": 5}})


def test_every_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ConfigurationError) as caught:
        make({"minute": {"step": 60, "stpes": 5, "Resolution": 1}})
    assert str(caught.value) == (
        "intervals['minute'].Resolution: unknown key; expected one of step, steps, resolution; "
        "intervals['minute'].stpes: unknown key; expected one of step, steps, resolution"
    )


def test_all_that_is_wrong_with_an_interval_is_told_at_once():
    with pytest.raises(ConfigurationError) as caught:
        make({"minute": {"step": 0, "steps": "x", "more": 1, 5: 1}})
    for path in ("step", "steps", "more", "5"):
        assert f"intervals['minute'].{path}: " in str(caught.value)


@pytest.mark.parametrize("intervals", [None, {}, [], "minute", 60, [("minute", {"step": 60})], {"step": 60}])
def test_intervals_are_a_mapping_of_mappings(intervals):
    with pytest.raises(ConfigurationError, match=r"^intervals"):
        make(intervals)


@pytest.mark.parametrize("mapping", [None, 60, "daily", [], [("step", 60)]])
def test_an_interval_is_a_mapping(mapping):
    with pytest.raises(ConfigurationError, match=r"^intervals\['minute'\]: expected a mapping, not"):
        make({"minute": mapping})


@pytest.mark.parametrize("name", ["", None, 5, b"minute", ("a",), "a\0b", "\ud800"])
def test_a_bad_name_of_an_interval_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"^intervals: interval"):
        make({name: {"step": 60}})


@pytest.mark.parametrize("name", ["a ", " ", "é", "a.b", "a:b", "[*?]", "{}", "$x", "/", "'\"%\n"])
def test_any_other_name_of_an_interval_works(name):
    series = make({name: {"step": 60}})
    series.insert("a", 1, timestamp=0)
    assert series.get("a", name, timestamp=0) == {0: [1]}


def test_names_of_intervals_are_held_to_the_limit_of_the_backend():
    class Short(MemoryBackend):
        capabilities = Capabilities(max_name_bytes=4)

    with register(Short, schemes=["short"]):
        series = make({"four": {"step": 60}}, "short://")
        with pytest.raises(ConfigurationError, match="intervals: interval 'fives' is 5 bytes long"):
            make({"fives": {"step": 60}}, "short://")
        with pytest.raises(ValueError, match="name 'éée' is 5 bytes long"):
            series.insert("éée", 1)
        with pytest.raises(ValueError, match="name 'éée' is 5 bytes long"):
            series.get(["a", "éée"], "four")


def test_what_expires_is_held_to_the_limit_of_the_backend():
    class Forgetful(MemoryBackend):
        capabilities = Capabilities(max_life=10 * 86_400)

    with register(Forgetful, schemes=["forgetful"]):
        for steps in (11, 10**12):
            with pytest.raises(
                ConfigurationError, match=rf"^intervals\['d'\]\.steps: {steps} are .* for 10 days at most"
            ):
                make({"d": {"step": "daily", "steps": steps}}, "forgetful://")
        series = make(
            {"d": {"step": "daily", "steps": 10}, "all": {"step": "1h"}}, "forgetful://", clock=lambda: 86_400
        )
        series.insert("a", 1, timestamp=86_400 + 5)
        with pytest.raises(
            ValueError, match=r"^timestamp 172801: what it adds to interval 'd' .* than the 864000 seconds"
        ):
            series.insert("a", 1, timestamp=2 * 86_400 + 1)
        with pytest.raises(ValueError, match=r"^timestamp 86405: "):
            series.insert("a", 1, timestamp=86_400 + 5, intervals=1)
        assert series.list() == ["a"]
        assert make({"all": {"step": "1h"}}, "forgetful://").insert("a", 1, timestamp=10**11).cells == 1


@pytest.mark.parametrize("type", ["", "Series", "list", "counter", None, 5, [], {}, b"count", int])
def test_an_unknown_type_names_the_known_ones(type):
    with pytest.raises(ConfigurationError) as caught:
        make(type=type)
    assert str(caught.value) == f"type: expected one of count, gauge, histogram, series, set, not {type!r}"


def test_the_type_is_series_by_default():
    series = make()
    series.insert("a", 1, timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: [1]}


@pytest.mark.parametrize("key", ["read_func", "write_func", "clock"])
@pytest.mark.parametrize("value", [5, "int", [], False])
def test_functions_are_callable(key, value):
    with pytest.raises(ConfigurationError, match=rf"^{key}: expected a callable"):
        make(**{key: value})


def test_there_is_no_clock_of_none():
    with pytest.raises(ConfigurationError, match=r"^clock: expected a callable, not None"):
        make(clock=None)
    assert make(read_func=None, write_func=None)


@pytest.mark.parametrize("value", [0, -1, 1.0, "5", True, None, float("inf")])
def test_max_buckets_is_a_positive_int(value):
    with pytest.raises(ConfigurationError, match=r"^max_buckets: expected a positive int"):
        make(max_buckets=value)


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_create_is_true_or_false(value):
    with pytest.raises(ConfigurationError, match=r"^create: expected True or False"):
        make(create=value)


@pytest.mark.parametrize("value", [None, 5, b"a", "a\0", "\udfff", ["a"]])
def test_a_bad_prefix_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"^prefix: "):
        make(prefix=value)


@pytest.mark.parametrize(
    ("given", "prefix"), [("", ""), ("a", "a"), ("a:", "a"), ("a::", "a:"), (":a", ":a"), ("é ", "é ")]
)
def test_a_prefix_may_end_with_a_colon(given, prefix):
    assert normal_prefix(given) == prefix


def test_two_spellings_of_a_prefix_share_their_data_and_no_other():
    store = MemoryStore()
    make(client=store, prefix="a").insert("x", 1)
    assert make(client=store, prefix="a:").list() == ["x"]
    for other in ("", "A", "a::", "b", "a "):
        stranger = make(client=store, prefix=other)
        assert stranger.list() == []
        stranger.insert("mine", 1)
        stranger.delete("x")
        stranger.delete_all()
    assert make(client=store, prefix="a").list() == ["x"]


def test_types_share_a_prefix_without_seeing_each_other():
    store = MemoryStore()
    kinds = {kind: make(client=store, type=kind) for kind in ("count", "gauge", "histogram", "series", "set")}
    for kind, series in kinds.items():
        series.insert(kind, 1)
    kinds["count"].delete_all()
    assert kinds.pop("count").list() == []
    assert {kind: series.list() for kind, series in kinds.items()} == {kind: [kind] for kind in kinds}


@pytest.mark.parametrize(
    ("step", "resolution"),
    [(86_400, "1d"), ("1d", "24h"), ("1w", "7d"), ("daily", "daily"), ("1min", 60), ("1m", "30d"), (60, None)],
)
def test_equal_steps_make_a_coarse_interval(step, resolution):
    assert resolution_of(step, resolution) is None


@pytest.mark.parametrize(
    ("step", "resolution"),
    [("1d", "daily"), ("daily", "1d"), ("monthly", "weekly"), ("weekly", "daily"), ("yearly", "1y"), (60, 59), (7, 2)],
)
def test_other_steps_make_a_fine_interval(step, resolution):
    assert resolution_of(step, resolution) is not None


@pytest.mark.parametrize(
    ("step", "resolution"),
    [(60, 61), ("daily", "25h"), ("1d", "weekly"), ("monthly", "31d"), ("29d", "monthly"), ("yearly", "366d")],
)
def test_a_resolution_is_not_longer_than_the_step(step, resolution):
    with pytest.raises(ConfigurationError, match=r"^intervals\['x'\]\.resolution: longer than the step"):
        resolution_of(step, resolution)


def test_condense_on_a_coarse_interval_changes_nothing():
    series = make({"x": {"step": "1d", "resolution": 86_400}})
    series.insert("a", [1, 2], timestamp=0)
    for read in (series.get("a", "x", 0), series.get("a", "x", 0, condense=True)):
        assert read == {0: [1, 2]}
    for condense in (False, True, lambda rows: "called"):
        assert series.series("a", "x", 0, condense=condense) == {0: [1, 2]}
        assert list(series.iterate("a", "x", condense=condense)) == [(0, [1, 2])]


def test_a_step_object_is_a_step():
    series = make({"x": {"step": Weekly(), "resolution": FixedStep(60)}})
    series.insert("a", 1, timestamp=0)
    assert series.series("a", "x", start=0) == {0: {0: [1]}}


@pytest.mark.parametrize("length", [0, -60, 1.5, "60", True])
def test_a_step_object_is_checked_too(length):
    with pytest.raises(ValueError, match="expected a positive"):
        make({"x": {"step": FixedStep(length)}})


def test_the_callers_dicts_are_not_changed_and_not_kept():
    intervals = {"minute": {"step": "1min", "steps": 5}, "hour": {"step": "1h", "resolution": 60}}
    client_config = {}
    before = deepcopy(intervals)
    series = make(intervals, client_config=client_config)
    assert intervals == before
    assert client_config == {}
    intervals["minute"]["step"] = 1
    del intervals["hour"]
    series.insert("a", 1)
    assert set(series.properties("a")) == {"minute", "hour"}


def test_any_mapping_will_do():
    for intervals in (
        UserDict({"minute": UserDict(step=60)}),
        MappingProxyType({"minute": MappingProxyType({"step": 60})}),
    ):
        assert "minute" in make(intervals)._operations.plan.config.intervals


def test_an_unknown_keyword_is_named():
    with pytest.raises(ConfigurationError, match=r"^table_name: unknown key"):
        make(table_name="x")
    with pytest.raises(ConfigurationError, match=r"^client_config.timeout: unknown key"):
        make(client_config={"timeout": 1})


@pytest.mark.parametrize(("client", "given"), [("memory://", 5), ("memory://", [("a", 1)]), (MemoryStore(), {"a": 1})])
def test_client_config_is_a_mapping_beside_a_url(client, given):
    with pytest.raises(ConfigurationError, match=r"^client_config: "):
        make(client=client, client_config=given)


def test_a_type_that_the_backend_cannot_store_is_refused():
    class ListsOnly(MemoryBackend):
        shapes = frozenset({"list"})

    with register(ListsOnly, schemes=["lists"]):
        assert make(client="lists://")
        with pytest.raises(ConfigurationError, match="type: gauge is not a type that ListsOnly can store"):
            make(client="lists://", type="gauge")


@pytest.mark.parametrize(("type", "value_type"), [("count", "str"), ("count", bytes), ("count", "decimal")])
def test_a_count_holds_numbers(type, value_type):
    with pytest.raises(ConfigurationError, match=r"^value_type: a count holds int or float"):
        make(type=type, value_type=value_type)


@pytest.mark.parametrize("name", ["hour", "", "Minute", None, 5, ["minute"], b"minute"])
def test_an_unknown_interval_names_the_known_ones(name):
    series = make({"minute": {"step": 60}, "day": {"step": "daily"}})
    for verb in (series.get, series.series, series.iterate):
        with pytest.raises(UnknownInterval, match="configured are minute, day"):
            verb("a", name)
    if name is not None:
        with pytest.raises(UnknownInterval, match="configured are minute, day"):
            series.delete("a", interval=name)


def test_structure_is_for_backends_too():
    @frozen(kw_only=True)
    class Options:
        table_name: str
        create: bool = True
        length: int | None = field(default=None)

    assert structure(Options, {"table_name": "x", "length": 5}) == Options(table_name="x", length=5)
    for bad, message in (
        ({}, "table_name: required key is missing"),
        ({"table_name": 5}, "table_name: expected str, not 5"),
        ({"table_name": "x", "create": 1}, "create: expected bool, not 1"),
        ({"table_name": "x", "length": True}, "length: expected int, not True"),
        (
            {"table_name": "x", "size": 1},
            "size: unknown key; expected one of table_name, create, length besides the keywords of Timeseries",
        ),
    ):
        with pytest.raises(ConfigurationError) as caught:
            structure(Options, bad)
        assert str(caught.value) == message
    with pytest.raises(ConfigurationError, match=r"^configuration: expected a mapping, not 5"):
        structure(Options, 5)
