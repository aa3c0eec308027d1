"""Custom fetches: what they are called with, what they can do, what becomes of what they return."""

import threading
from datetime import time

import pytest
from cassandra import InvalidRequest

from kairos import InvalidValue

T0 = 1_356_998_400


@pytest.fixture
def counted(url, both):
    """A count with a bucket on either side of the border of a partition, and what to ask for."""
    ts = both.open(url, "count")
    border = T0 - T0 % ts.backend._partitionings["minute"].seconds
    both.run(ts.bulk_insert([("a", number, border + 60 * number) for number in (-2, -1, 0, 1)]))
    return ts, border


def test_it_is_called_once_per_partition_with_the_range_clipped(both, counted):
    ts, border = counted
    calls = []

    def fetch(connection, table, name, interval, i_start, i_end):  # noqa: PLR0917
        calls.append((table, name, interval, i_start, i_end, connection.partition))
        return {i_start: {None: 7}}

    seconds, bucket = ts.backend._partitionings["minute"].seconds, border // 60
    found = both.run(ts.series(["a", "nobody"], "minute", start=border - 600, end=border + 600, fetch=fetch))
    table = ts.backend._layout.where
    assert calls == [
        (table, "a", "minute", bucket - 10, bucket - 1, (both.prefix, "a", "minute", 0, border - seconds)),
        (table, "a", "minute", bucket, bucket + 10, (both.prefix, "a", "minute", 0, border)),
    ]
    assert {time: n for time, n in found.items() if n} == {border - 600: 7, border: 7}
    calls.clear()
    assert both.run(ts.get("a", "minute", timestamp=border + 60, fetch=fetch)) == {border + 60: 7}
    assert [call[3:5] for call in calls] == [(bucket + 1, None)]
    assert both.run(ts.get("nobody", "minute", timestamp=border, fetch=fetch)) == {border: 0}


def test_it_computes_in_the_database(both, counted):
    ts, border = counted

    def total(connection, table, name, interval, i_start, i_end):  # noqa: PLR0917
        row = connection.execute(
            f"SELECT SUM(count) FROM {table} WHERE {connection.where} AND i_time >= %s AND i_time <= %s",
            (*connection.partition, i_start, i_end),
        ).one()
        return {i_start: {None: row[0]}}

    found = both.run(ts.series("a", "minute", start=border - 120, end=border + 60, fetch=total))
    assert found == {border - 120: -3, border - 60: 0, border: 1, border + 60: 0}


def test_it_runs_beside_the_loop(both, counted):
    ts, border = counted
    threads = []

    def fetch(*_):
        threads.append(threading.current_thread() is threading.main_thread())
        return {}

    both.run(ts.get("a", "minute", timestamp=border, fetch=fetch))
    assert threads == [not both.asynchronous]


def test_values_are_cast_and_minus_one_is_no_resolution(url, both):
    ts = both.open(url, "gauge", value_type="time", table_name="gauge_time")
    both.run(ts.insert("a", time(1, 2), timestamp=T0))

    def fetch(connection, table, name, interval, i_start, i_end):  # noqa: PLR0917
        (row,) = connection.execute(
            f"SELECT i_time, r_time, value FROM {table} WHERE {connection.where} AND i_time = %s",
            (*connection.partition, i_start),
        )
        return {row[0]: {row[1]: row[2]}}

    assert both.run(ts.get("a", "minute", timestamp=T0, fetch=fetch)) == {T0: time(1, 2)}


def test_what_it_raises_passes_unchanged(both, counted):
    ts, border = counted

    def fails(*_):
        raise KeyError("mine")

    def asks(connection, *_):
        connection.execute("SELECT * FROM nowhere.at_all")

    with pytest.raises(KeyError, match="mine"):
        both.run(ts.get("a", "minute", timestamp=border, fetch=fails))
    with pytest.raises(InvalidRequest):
        both.run(ts.get("a", "minute", timestamp=border, fetch=asks))


def test_an_async_function_and_a_strange_answer_are_refused(both, counted):
    ts, border = counted

    async def later(*_):
        return {}

    with pytest.raises(InvalidValue, match="async"):
        both.run(ts.get("a", "minute", timestamp=border, fetch=later))
    for answer in (5, [1], {1: 2}):
        with pytest.raises(TypeError, match="a custom fetch returns"):
            both.run(ts.get("a", "minute", timestamp=border, fetch=lambda *_, answer=answer: answer))
