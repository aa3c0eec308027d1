"""The in-process backend: what is shared, what is copied, and that a batch is written as a whole or not at all."""

import threading

import pytest

from kairos import ConfigurationError, CountOverflow, Timeseries
from kairos.backend import Shape
from kairos.memory import MemoryBackend, MemoryStore
from kairos.values import INT64_MAX, INT64_MIN

INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}


def make(client="memory://", intervals=INTERVALS, **keywords):
    return Timeseries(client, intervals=intervals, **keywords)


# --- What is shared -------------------------------------------------------------------------------------------------


def test_a_store_without_a_name_is_ones_own():
    one, two = make(), make()
    one.insert("a", 1)
    assert two.list() == []


def test_a_store_with_a_name_is_shared_by_the_process():
    one, two, other = make("memory://test-memory"), make("memory://test-memory"), make("memory://test-memory-2")
    one.insert("a", 1, timestamp=0)
    assert two.get("a", "minute", 0) == {0: [1]}
    assert other.list() == []
    one.close()
    assert two.list() == ["a"]
    two.delete_all()
    assert make("memory://test-memory").list() == []


def test_a_store_may_be_passed_as_the_client():
    store = MemoryStore()
    make(store).insert("a", 1, timestamp=0)
    assert make(store).get("a", "minute", 0) == {0: [1]}
    assert "a" not in repr(store).removeprefix("MemoryStore")


def test_another_client_of_our_package_is_refused():
    with pytest.raises(ConfigurationError, match="client: expected a MemoryStore or a URL memory:// or memory://name"):
        make(MemoryBackend.capabilities)


def test_it_owns_nothing_and_stores_every_shape():
    series = make()
    assert series.backend.owns_client is False
    assert series.backend.shapes == frozenset(Shape)
    assert series.capabilities.atomic_batch
    assert not series.capabilities.multi_process
    assert series.capabilities.native_expiry == frozenset()


def test_what_another_configuration_stored_is_passed_over():
    store = MemoryStore()
    fine, coarse = (
        make(store, {"x": {"step": "1h", "resolution": "1min"}}),
        make(store, {"x": {"step": "1h"}}),
    )
    fine.insert("a", 1, timestamp=0)
    coarse.insert("a", 2, timestamp=0)
    assert fine.get("a", "x", 0) == {0: [1]}
    assert fine.get("a", "x", 0, condense=True) == {0: [1]}
    assert coarse.get("a", "x", 0) == {0: [2]}
    assert fine.delete("a") == 2


# --- What is copied -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["series", "gauge"])
def test_a_value_that_can_change_is_a_copy(kind):
    value = {"k": [1]}
    series = make(type=kind)
    series.insert("a", value, timestamp=0)
    value["k"].append(2)
    for _ in range(2):
        data = series.get("a", "minute", 0)[0]
        found = data[0] if kind == "series" else data
        assert found == {"k": [1]}
        found["k"].append(3)
    assert series.get("a", "hour", 0)[0] in ([{"k": [1]}], {"k": [1]})


@pytest.mark.parametrize(("kind", "empty"), [("series", []), ("histogram", {}), ("set", set())])
def test_what_is_read_belongs_to_the_reader(kind, empty):
    for value_type in (None, "int"):
        series = make(type=kind, value_type=value_type)
        series.insert("a", [1, 2], timestamp=0)
        before = series.get("a", "minute", 0)
        for keywords in ({}, {"process_row": lambda data: data}, {"fetch": lambda cells, *where: cells}):
            data = series.get("a", "minute", 0, **keywords)[0]
            data.clear()
            assert data == empty
        assert series.get("a", "minute", 0) == before


def test_later_inserts_do_not_change_what_was_read():
    series = make()
    series.insert("a", 1, timestamp=0)
    before = series.get("a", "minute", 0)
    series.insert("a", 2, timestamp=0)
    assert before == {0: [1]}


# --- Values ---------------------------------------------------------------------------------------------------------


def test_whatever_was_written_is_read():
    values = ["a", b"a", 1.5, float("inf"), 2**70, ("x", 1), {"a": 1}, frozenset({1}), True, object]
    series = make()
    for value in values:
        series.insert("a", [value], timestamp=0)
    assert series.get("a", "minute", 0) == {0: values}


def test_keys_are_what_they_were():
    class Thing:
        """Equal to nothing but itself, so a copy would be another key."""

    thing = Thing()
    for kind, found in (("histogram", {thing: 2}), ("set", {thing})):
        series = make(type=kind)
        series.insert("a", thing, timestamp=0)
        series.insert("a", thing, timestamp=0)
        assert series.get("a", "minute", 0) == {0: found}


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([2**53 + 1, 0.5, 0.5], 2**53 + 2),
        ([0.5, 2**60 + 1, 0.5], 2**60 + 2),
        ([INT64_MAX, 1.0], float(2**63)),
        ([INT64_MAX, 1.0, -1], INT64_MAX),
    ],
)
def test_a_count_of_ints_and_floats_is_exact(values, total):
    series = make(type="count")
    for value in values:
        series.insert("a", value, timestamp=0)
    data = series.get("a", "minute", 0)[0]
    assert data == total
    assert type(data) is type(total)


def test_a_value_type_is_enforced_before_anything_is_written():
    series = make(value_type="int")
    with pytest.raises(ValueError, match=r"series 'a': 1\.5 is not an int"):
        series.insert("a", [1, 1.5])
    assert series.list() == []
    series.insert("a", 2.0, timestamp=0)
    assert series.get("a", "minute", 0) == {0: [2]}


@pytest.mark.parametrize(
    ("kind", "first", "second", "found"),
    [
        ("series", [1], [2], [1, 2]),
        ("histogram", [1, 2], [2, 3], {1: 1, 2: 2, 3: 1}),
        ("set", [1, 2], [2, 3], {1, 2, 3}),
        ("count", [1, 2], [4], 7),
        ("count", 1, 0.5, 1.5),
        ("count", 0.5, 0.5, 1),
        ("count", 5, -5, 0),
        ("gauge", 2, 1, 1),
    ],
)
def test_a_bucket_is_added_to(kind, first, second, found):
    series = make(type=kind)
    series.insert("a", first, timestamp=0)
    series.insert("a", second, timestamp=59)
    data = series.get("a", "minute", 0)[0]
    assert data == found
    assert type(data) is type(found)


def test_a_count_of_nothing_makes_the_bucket():
    series = make(type="count")
    series.insert("a", 0, timestamp=0)
    assert series.list() == ["a"]
    assert series.properties("a")["minute"] == {"first": 0, "last": 0}


@pytest.mark.parametrize(("held", "added"), [(INT64_MAX, 1), (INT64_MIN, -1), (1.7e308, 1.7e308)])
def test_a_count_that_would_overflow_raises_and_changes_nothing(held, added):
    series = make(type="count")
    series.insert("full", held, timestamp=0)
    with pytest.raises(CountOverflow, match="count 'full' in interval 'minute'"):
        series.bulk_insert([("other", 1, 0), ("full", added, 0), ("new", 1, 0)])
    assert series.get("full", "minute", 0) == {0: held}
    assert series.list() == ["full"]
    series.insert("full", -added, timestamp=0)
    assert series.get("full", "minute", 0) == {0: held - added}


# --- Deleting and expiring ------------------------------------------------------------------------------------------


@pytest.fixture
def filled():
    """Three minutes of a, in an interval that is coarse and one that is fine; one of b."""
    series = make()
    series.bulk_insert([("a", n, 60 * n) for n in range(3)] + [("b", 1, 0)])
    return series


def test_a_delete_counts_cells(filled):
    assert filled.delete("nobody") == 0
    assert filled.delete("a") == 6
    assert filled.delete("a") == 0
    assert filled.list() == ["b"]
    assert filled.get("a", "minute", 0) == {0: []}
    filled.insert("a", 9, timestamp=0)
    assert filled.get("a", "minute", 0) == {0: [9]}


@pytest.mark.parametrize(
    ("narrow", "removed", "minutes", "parts"),
    [
        ({"interval": "minute"}, 3, [], [0, 1, 2]),
        ({"interval": "hour"}, 3, [0, 1, 2], []),
        ({"interval": "minute", "start": 60}, 2, [0], [0, 1, 2]),
        ({"interval": "minute", "end": 119}, 2, [2], [0, 1, 2]),
        ({"interval": "minute", "start": 60, "end": 60}, 1, [0, 2], [0, 1, 2]),
        ({"interval": "minute", "start": 600}, 0, [0, 1, 2], [0, 1, 2]),
        ({"start": 60, "end": 60}, 4, [0, 2], []),
        ({"end": -1}, 0, [0, 1, 2], [0, 1, 2]),
    ],
)
def test_a_narrowed_delete_counts_what_it_removes(filled, narrow, removed, minutes, parts):
    assert filled.delete("a", **narrow) == removed
    assert [start // 60 for start, data in filled.series("a", "minute", 0, 120).items() if data] == minutes
    assert [start // 60 for start in filled.get("a", "hour", 0)] == parts
    assert filled.list() == (["a", "b"] if minutes or parts else ["b"])


def test_a_delete_removes_from_intervals_that_are_not_configured_any_more():
    store = MemoryStore()
    make(store).insert("a", 1, timestamp=0)
    assert make(store, {"minute": {"step": 60}}).delete("a") == 1
    assert make(store).list() == []


def test_what_is_past_is_deleted_and_not_counted():
    now = [600]
    series = make(intervals={"m": {"step": 60, "steps": 3}}, clock=lambda: now[0])
    series.insert("a", 1)
    now[0] = 720
    series.insert("a", 1)
    now[0] = 780
    assert series.delete("a") == 1
    now[0] = 600
    assert series.list() == []


def test_delete_all_removes_everything_of_the_namespace(filled):
    assert filled.delete_all() is None
    assert filled.list() == []
    assert filled.delete_all() is None
    filled.insert("a", 1)
    assert filled.list() == ["a"]


def test_the_store_shrinks_with_its_data(filled):
    space = filled.backend._store.spaces[filled.backend._key]
    filled.delete("a", interval="minute")
    assert set(space["a"]) == {"hour"}
    filled.delete("a")
    filled.delete("b")
    assert space == {}


def test_expire_removes_at_most_what_is_asked_for():
    now = [0]
    series = make(intervals={"m": {"step": 60, "steps": 1}, "all": {"step": 60}}, clock=lambda: now[0])
    for name in "ab":
        for now[0] in (0, 60, 120):
            series.insert(name, 1)
    now[0] = 179
    assert series.expire(limit=1) == 1
    assert series.expire("b", limit=5) == 2
    assert series.expire() == 1
    assert series.expire() == 0
    assert series.series("a", "m", 0, 120, collapse=True) == {0: [1]}
    assert series.series("a", "all", 0, 120, collapse=True) == {0: [1, 1, 1]}


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1", True])
def test_the_limit_is_a_positive_int(limit):
    with pytest.raises(ValueError, match="limit: expected a positive int"):
        make().expire(limit=limit)


def test_expire_reclaims_what_an_older_configuration_stored():
    store, now = MemoryStore(), [0]
    make(store, {"gone": {"step": 60, "steps": 1}}, clock=lambda: now[0]).insert("a", 1)
    now[0] = 60
    assert make(store, {"kept": {"step": 60}}, clock=lambda: now[0]).expire() == 1
    assert store.spaces[("", "series")] == {}


# --- Threads --------------------------------------------------------------------------------------------------------


def test_counts_are_exact_under_concurrent_writers():
    series = make(type="count")

    def work():
        for _ in range(500):
            series.insert("a", 1, timestamp=0)
            series.get("a", "minute", 0)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert series.get("a", "minute", 0) == {0: 3000}
    assert series.get("a", "hour", 0) == {0: 3000}


@pytest.mark.parametrize("url", ["memory://?create=0", "memory://shared?create=0"])
def test_an_option_in_a_url_is_refused_by_name(url):
    with pytest.raises(ConfigurationError, match="client: memory:// has no option 'create', nor any other"):
        Timeseries(url, intervals={"minute": {"step": 60}})
