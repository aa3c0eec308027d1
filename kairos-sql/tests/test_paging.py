"""Large reads: in parts, in little memory, and without a connection while the caller works."""

import sqlite3
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from kairos_sql import _backend

BUCKETS = 50_000


@pytest.fixture
def filled(make, url, path):
    """One gauge in each of many minutes."""
    series = make(url, type="gauge")
    series.insert("a", 0, timestamp=0)
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = (("", "a", "minute", bucket, -1, float(bucket), None) for bucket in range(1, BUCKETS))
        connection.executemany("INSERT INTO kairos_gauge VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return series


def items(series):
    """What iterate gives, in either colour; the loop of an asynchronous one runs once for a thousand items."""
    found = series.timeseries.iterate("a", "minute")
    if not hasattr(found, "__anext__"):
        yield from found
        return

    async def thousand():
        return [item for _ in range(1_000) if (item := await anext(found, None)) is not None]

    while taken := series.run(thousand()):
        yield from taken


def test_iterate_needs_memory_for_a_window_only(filled):
    assert sum(1 for _ in items(filled)) == BUCKETS  # what is made once is made
    tracemalloc.start()
    try:
        assert all(data == time / 60 for time, data in items(filled))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 10,000 cells of a window and the rows that they are made of; all 50,000 would be five times as much.
    assert peak < 10 * 2**20


def test_no_connection_is_held_between_two_items(filled):
    engine = filled.backend._engine
    engine = getattr(engine, "sync_engine", engine)
    held = {engine.pool.checkedout() for index, _ in enumerate(items(filled)) if index % 1_000 == 999}
    assert held == {0}


def sent(series):
    """The statements, as (first, last) bucket."""
    found = []
    engine = getattr(series.backend._engine, "sync_engine", series.backend._engine)
    sa.event.listen(engine, "before_cursor_execute", lambda *args: found.append(args[3][-2:]))
    return found


def test_a_large_range_is_read_in_parts(filled):
    asked = sent(filled)
    found = filled.series("a", "minute", start=0, end=60 * (BUCKETS - 1))
    assert found == {bucket * 60: bucket for bucket in range(BUCKETS)}
    assert asked == [(first, first + 9_999) for first in range(0, BUCKETS, 10_000)]


def test_a_range_of_the_calendar_is_read_in_parts(make, url, monkeypatch):
    monkeypatch.setattr(_backend, "_PAGE", 40)
    series = make(url, type="set", intervals={"day": {"step": "daily"}})
    days = [int(datetime(2013, month, day, tzinfo=UTC).timestamp()) for month in range(1, 5) for day in (1, 28)]
    series.bulk_insert([(name, day, day) for day in days for name in "ab"])
    asked = sent(series)
    found = series.series(["a", "b"], "day", start=days[0], end=days[-1])
    assert {time: data for time, data in found.items() if data} == {day: {day} for day in days}
    assert asked == [(20130101, 20130209), (20130210, 20130321), (20130322, 20130428)]
