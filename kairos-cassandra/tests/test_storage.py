"""What is in the tables: partitions, entries of the index, lives, orders, generations."""

import time

import pytest

from kairos_cassandra._clock import CLOCK
from kairos_cassandra._index import shard_of
from kairos_cassandra._partitions import Partitioning

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
KINDS = ["count", "gauge", "histogram", "series", "set"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def holding(kind, *values):
    """What a bucket holds into which these were inserted."""
    return {
        "count": sum(values),
        "gauge": values[-1],
        "histogram": {value: values.count(value) for value in values},
        "series": list(values),
        "set": set(values),
    }[kind]


def partitioning(ts, interval="minute"):
    return ts.backend._partitionings[interval]


def entries(session, prefix, name, kind="count"):
    return list(
        session.execute(
            f"SELECT * FROM kairos_{kind}_names WHERE prefix = %s AND shard = %s AND name = %s",
            (prefix, shard_of(name), name),
        )
    )


@every_kind
def test_a_read_crosses_the_border_of_a_partition(url, both, session, prefix, kind):
    ts = both.open(url, kind)
    seconds = partitioning(ts).seconds
    border = T0 - T0 % seconds + seconds
    times = [border - 120, border - 60, border, border + 60]
    both.run(ts.bulk_insert([("a", number, time) for number, time in enumerate(times, 1)]))
    found = both.run(ts.series("a", "minute", start=border - 180, end=border + 60))
    assert found == {border - 180: both.run(ts.get("a", "minute", timestamp=0))[0]} | {
        time: holding(kind, number) for number, time in enumerate(times, 1)
    }
    assert both.run(ts.properties("a")) == {"minute": {"first": times[0], "last": times[-1]}}
    assert {(row.start, row.seconds) for row in entries(session, prefix, "a", kind)} == {
        (border - seconds, seconds),
        (border, seconds),
    }
    assert both.run(ts.delete("a")) == 4
    assert entries(session, prefix, "a", kind) == []


def test_a_week_that_straddles_two_months_and_two_partitions(url, blocking):
    intervals = {"month": {"step": "monthly", "resolution": "weekly"}}
    ts = blocking.open(url, "series", intervals, rows_per_cell=50_000)  # a partition for each week
    days = [T0 + 86_400 * day for day in range(70)]
    ts.bulk_insert([("a", number, day) for number, day in enumerate(days)])
    found = ts.series("a", "month", start=days[0], end=days[-1])
    assert [value for weeks in found.values() for values in weeks.values() for value in values] == list(range(70))
    january, february, march = found.values()
    assert sum(map(len, january.values())) == 31
    assert next(iter(february)) < next(iter(found)) + 31 * 86_400  # its first week begins in January
    assert ts.delete("a") == sum(map(len, (january, february, march)))


def test_all_pages_of_an_answer_are_read(url, both):
    """The driver asks for 5,000 rows at a time."""
    ts = both.open(url, "series")
    values = list(range(5_100))
    both.run(ts.insert("a", values, timestamp=T0))
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: values}


@pytest.mark.full
def test_300000_buckets_of_one_name(url, blocking, session, prefix):
    ts = blocking.open(url, "gauge", {"second": {"step": 1}})
    seconds = partitioning(ts, "second").seconds
    first = T0 - T0 % seconds
    for start in range(first, first + 300_000, 50_000):
        ts.bulk_insert([("a", 1, time) for time in range(start, start + 50_000)])
    found = entries(session, prefix, "a", "gauge")
    assert [row.start - first for row in found] == [seconds * number for number in range(-(-300_000 // seconds))]
    sizes = [
        session.execute(
            "SELECT COUNT(*) FROM kairos_gauge WHERE prefix = %s AND name = 'a' AND interval = 'second'"
            " AND generation = 0 AND start = %s",
            (prefix, row.start),
        ).one()[0]
        for row in found
    ]
    assert sum(sizes) == 300_000
    assert max(sizes) == seconds == 95_000
    assert ts.properties("a") == {"second": {"first": first, "last": first + 299_999}}
    assert len(ts.series("a", "second", start=first + 94_000, end=first + 195_000)) == 101_001
    assert sum(ts.series("a", "second", start=first, end=first + 299_999).values()) == 300_000
    assert ts.delete("a") == 300_000


# --- A rule that changes --------------------------------------------------------------------------------------------


@every_kind
def test_data_of_another_rule_is_found_and_added_to(url, both, kind):
    old, new = both.open(url, kind, rows_per_cell=10), both.open(url, kind, rows_per_cell=1000)
    if kind in {"count", "gauge"}:  # their rule has no option: as a later version might change it
        new.backend._partitionings["minute"] = changed = Partitioning(partitioning(old).interval, 1000)
        new.backend._index.partitionings["minute"] = changed
    assert partitioning(old).seconds == 100 * partitioning(new).seconds or kind in {"count", "gauge"}
    times = [T0, T0 + partitioning(new).seconds * 3]
    for number, ts in enumerate((old, new, old, new), 1):
        both.run(ts.bulk_insert([("a", number, time) for time in times]))
    for ts in (old, new):
        expected = holding(kind, 1, 2, 3, 4)
        found = both.run(ts.series("a", "minute", start=times[0], end=times[1]))
        assert [found[time] for time in times] == [expected, expected]
        assert both.run(ts.get("a", "minute", timestamp=times[1])) == {times[1]: expected}
        assert both.run(ts.properties("a")) == {"minute": {"first": times[0], "last": times[1]}}
    assert both.run(new.delete("a")) == 2
    assert both.run(old.list()) == []


# --- Lives ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gauge", "series", "set"])
def test_the_server_removes_what_is_past(url, session, blocking, prefix, kind):
    now = int(time.time())
    step = 3600
    ts = blocking.open(url, kind, {"hour": {"step": step, "steps": 30}, "all": {"step": step}})
    ts.bulk_insert([("a", 1, now), ("a", 2, now - 5 * step)])
    column = {"gauge": "value", "series": "value", "set": None}[kind]
    (entry,) = {row for row in entries(session, prefix, "a", kind) if row.interval == "hour"}
    if column is not None:
        rows = session.execute(
            f"SELECT interval, i_time, TTL({column}) AS ttl FROM kairos_{kind} WHERE prefix = %s ALLOW FILTERING",
            (prefix,),
        )
        lives = {(row.interval, row.i_time): row.ttl for row in rows}
        bucket = now // step
        assert lives.pop(("all", bucket)) is lives.pop(("all", bucket - 5)) is None
        for stored, ttl in lives.items():
            # A few seconds more, never less.
            assert 0 <= time.time() + ttl - (stored[1] + 30) * step <= 30
        assert len(lives) == 2
    assert (entry.step, entry.steps) == ("3600", 30)


def test_a_writer_with_fewer_steps_shortens_no_entry(url, session, blocking, prefix):
    now = int(time.time())
    for steps in (1000, 3, 1000, 3):
        ts = blocking.open(url, "gauge", {"minute": {"step": 60, "steps": steps}})
        ts.insert("a", 1, timestamp=now)
    assert sorted(row.steps for row in entries(session, prefix, "a", "gauge")) == [3, 1000]


def test_what_expires_goes_with_its_name(url, blocking, session, prefix):
    ts = blocking.open(url, "series", {"second": {"step": 1, "steps": 1}}, rows_per_cell=10**9)
    ts.insert("a", 1)
    assert len(entries(session, prefix, "a", "series")) == 1
    deadline = time.monotonic() + 60
    while entries(session, prefix, "a", "series"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert list(session.execute("SELECT i_time FROM kairos_series WHERE prefix = %s ALLOW FILTERING", (prefix,))) == []


def test_counters_expire_by_partitions(url, both, session, prefix):
    intervals = {"minute": {"step": 60, "steps": 10}}
    clock = [float(T0)]
    ts = both.open(url, "histogram", intervals, clock=lambda: clock[0], rows_per_cell=95_000)  # one bucket each
    both.run(ts.bulk_insert([("a", number, T0 - 60 * number) for number in range(5)]))
    assert len(entries(session, prefix, "a", "histogram")) == 5
    clock[0] += 60 * 7
    assert both.run(ts.expire()) == 2
    assert len(entries(session, prefix, "a", "histogram")) in {3, 4}
    clock[0] += 60 * 10
    assert both.run(ts.expire("a", limit=2)) == 2
    assert both.run(ts.expire("a")) == 1
    both.run(ts.expire("a"))
    assert entries(session, prefix, "a", "histogram") == []
    assert both.run(ts.list()) == []


# --- Orders and generations -----------------------------------------------------------------------------------------


def test_a_gauge_keeps_what_was_written_last_however_fast(url, both):
    ts, other = both.open(url, "gauge"), both.open(url, "gauge")
    for number in range(60):
        both.run((ts, other)[number % 2].insert("a", number, timestamp=T0))
        assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: number}


def test_a_series_keeps_the_order_of_calls(url, both):
    ts, other = both.open(url, "series"), both.open(url, "series")
    for number in range(20):
        both.run((ts, other)[number % 2].insert("a", [3 * number, 3 * number + 1, 3 * number + 2], timestamp=T0))
    both.run(ts.insert("a", list(range(60, 1000)), timestamp=T0))
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: list(range(1000))}


def test_times_of_writes_only_grow():
    times = [CLOCK.timestamp() for _ in range(10_000)]
    assert times == sorted(set(times))
    ids = [*CLOCK.ids(5_000), *CLOCK.ids(1), *CLOCK.ids(5_000)]
    assert len(set(ids)) == 10_001
    assert [one.time for one in ids] == sorted({one.time for one in ids})
    assert {(one.version, one.variant) for one in ids} == {(1, "specified in RFC 4122")}


@pytest.mark.parametrize("kind", ["count", "histogram"])
def test_a_deleted_counter_counts_from_nothing(url, both, kind):
    ts, other = both.open(url, kind), both.open(url, kind)
    for turn in range(1, 4):
        for _ in range(turn):
            both.run(other.insert("a", 1, timestamp=T0))
        assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: holding(kind, *[1] * turn)}
        if turn == 2:
            both.run(ts.delete_all())
        else:
            assert both.run(ts.delete("a")) == 1
        assert both.run(other.list()) == []
        assert both.run(other.properties("a")) == {}


def test_what_a_race_with_a_delete_left_is_reclaimed(url, blocking, session, prefix):
    ts = blocking.open(url, "count")
    ts.insert("a", timestamp=T0)
    before = entries(session, prefix, "a")
    ts.delete("a")
    names = ", ".join(before[0]._fields)
    marks = ", ".join("%s" for _ in before[0])
    session.execute(f"INSERT INTO kairos_count_names ({names}) VALUES ({marks})", before[0])  # a late increment's
    assert ts.list() == []
    assert ts.get("a", "minute", timestamp=T0) == {T0: 0}
    assert ts.expire() == 0
    assert entries(session, prefix, "a") == []


def test_a_delete_of_the_future_loses_no_increment(url, blocking, session, prefix):
    ts = blocking.open(url, "count")
    ahead = time.time_ns() // 1000 + 3600 * 10**6  # by a process whose clock is an hour ahead
    session.execute(
        "INSERT INTO kairos_count_generations (prefix, name, generation) VALUES (%s, 'a', %s) USING TIMESTAMP %s",
        (prefix, ahead, ahead),
    )
    session.execute(
        f"DELETE FROM kairos_count_names USING TIMESTAMP {ahead} WHERE prefix = %s AND shard = %s AND name = 'a'",
        (prefix, shard_of("a")),
    )
    ts.insert("a", timestamp=T0)
    assert ts.list() == ["a"]
    assert ts.get("a", "minute", timestamp=T0) == {T0: 1}
    assert ts.delete("a") == 1
    assert ts.list() == []
    assert ts.get("a", "minute", timestamp=T0) == {T0: 0}


def test_a_narrowed_delete_takes_partitions_out_of_the_index(url, blocking, session, prefix):
    ts = blocking.open(url, "gauge", {"a": {"step": 60}, "b": {"step": 60}})
    seconds = partitioning(ts, "a").seconds
    ts.bulk_insert([("x", 1, T0), ("x", 1, T0 + seconds), ("x", 1, T0 + 2 * seconds)])
    assert len(entries(session, prefix, "x", "gauge")) == 6
    assert ts.delete("x", interval="a") == 3
    assert {row.interval for row in entries(session, prefix, "x", "gauge")} == {"b"}
    assert ts.delete("x", start=T0 + 60, end=T0 + seconds) == 1
    assert ts.properties("x") == {"b": {"first": T0, "last": T0 + 2 * seconds}}
    assert ts.delete("x", start=0) == 2
    assert entries(session, prefix, "x", "gauge") == []


@pytest.mark.parametrize("kind", ["count", "histogram", "series"])
def test_batches_stay_below_the_size_from_which_a_server_warns(url, blocking, session, monkeypatch, kind):
    ts = blocking.open(url, kind)
    ts.insert("a", 1, timestamp=T0)
    sent = []
    execute = ts.backend._link._execute
    monkeypatch.setattr(ts.backend._link, "_execute", lambda statement: sent.append(statement) or execute(statement))
    ts.bulk_insert([(name, number, T0 + 60 * number) for name in "abc" for number in range(300)])
    batches = [one for one in sent if hasattr(one, "batch_type")]
    assert batches
    for batch in batches:
        sizes = [len(value) for _, _, values in batch._statements_and_parameters for value in values]
        assert sum(sizes) < 5 * 1024
        # All of one partition: its key is the same in each.
        skip = 1 if kind != "series" else 0
        assert len({tuple(values[skip : skip + 5]) for _, _, values in batch._statements_and_parameters}) == 1
    assert all(one.retry_policy is not None for one in batches) is (kind != "series")
    assert {one.is_idempotent for one in batches} == {kind == "series"}
