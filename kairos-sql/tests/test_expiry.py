"""Reclaiming what is past: by the configuration, or by what was stored, in pieces."""

import sqlite3
from contextlib import closing

import pytest

from kairos import BackendError
from kairos.__main__ import main
from kairos.flows import arun, run
from kairos.kinds import KINDS
from kairos.plans import Expiry
from kairos_sql import _expiry

NOW = 1_000_000
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def clock():
    class Clock:
        now = NOW

        def __call__(self):
            return self.now

    return Clock()


def keeping(steps, **more):
    return {"minute": {"step": 60, "steps": steps}, **more}


def expire(series, **keywords):
    """What ``python -m kairos expire`` does: it has no configuration of intervals, and prepares nothing."""
    flow = series.backend.expire(Expiry(**{"name": None, "now": NOW, **keywords}))
    return series.run(arun(flow)) if series.runner else run(flow)


def buckets(path, kind, name="a"):
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT DISTINCT i_time FROM kairos_{kind} WHERE name = ?", (name,)).fetchall()
    return sorted(bucket for (bucket,) in found)


@every_kind
def test_by_the_configuration(make, url, path, clock, kind):
    series = make(url, type=kind, clock=clock, intervals=keeping(3, ever={"step": 60}))
    first = NOW // 60
    for ago in range(3):
        series.insert("a", [1, 2], timestamp=NOW - 60 * ago)
        series.insert("b", [1], timestamp=NOW - 60 * ago)
    clock.now += 120
    assert series.expire("a") == 2
    assert series.expire("a") == 0
    assert series.expire() == 2
    assert buckets(path, kind) == [first - 2, first - 1, first]  # they are kept for ever in the other interval
    assert series.series("a", "minute", start=NOW, end=NOW)[NOW // 60 * 60]


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        pytest.param(kind, limit, marks=() if kind == "count" or limit == 3 else pytest.mark.full)
        for kind in KINDS
        for limit in (None, 1, 3, 100)
    ],
)
def test_by_what_was_stored(make, url, clock, kind, limit):
    series = make(url, type=kind, clock=clock, intervals=keeping(3))
    forever = make(url, type=kind, clock=clock, intervals={"ever": {"step": 60}})
    other = make(url, type=kind, clock=clock, intervals=keeping(3), prefix="other")
    for ago in range(3):
        for name in ("a", "b"):
            series.insert(name, [1, 2], timestamp=NOW - 60 * ago)
            forever.insert(name, [1, 2], timestamp=NOW - 60 * ago)
            other.insert(name, [1, 2], timestamp=NOW - 60 * ago)
    unconfigured = make(url, type=kind, value_type=None if kind == "count" else "text")
    assert expire(unconfigured, now=NOW, limit=limit) == 0
    removed = []
    while piece := expire(unconfigured, now=NOW + 120, limit=limit):
        removed.append(piece)
    assert sum(removed) == 4
    assert removed == {None: [4], 1: [1, 1, 1, 1], 3: [3, 1], 100: [4]}[limit]
    clock.now += 60
    assert series.properties("a")["minute"]["first"] == NOW // 60 * 60
    assert forever.properties("a")["ever"]["first"] == NOW // 60 * 60 - 120
    assert other.expire() == 2


def test_in_pieces_of_one_transaction(make, url, clock, monkeypatch):
    monkeypatch.setattr(_expiry, "_PIECE", 7)
    series = make(url, type="histogram", clock=clock, intervals=keeping(100))
    series.bulk_insert([(name, [1, 2], NOW - 60 * ago) for name in "abc" for ago in range(100)])
    clock.now += 60 * 40
    assert series.expire(limit=25) == 25
    assert series.expire(limit=50) == 50
    assert series.expire() == 45
    assert series.expire() == 0
    assert expire(series, now=clock.now + 60 * 30) == 90


def test_a_cell_is_kept_as_long_as_the_longest_life_that_was_written_in_it(make, url, clock):
    """The rows of a cell may come from different configurations; none is removed before all are past."""
    short = make(url, type="histogram", clock=clock, intervals=keeping(3))
    long = make(url, type="histogram", clock=clock, intervals=keeping(100))
    ever = make(url, type="histogram", clock=clock, intervals=keeping(None))
    short.bulk_insert([(name, 1, NOW) for name in "abc"])
    long.insert("b", 2, timestamp=NOW)
    ever.insert("c", 2, timestamp=NOW)
    assert expire(short, now=NOW + 3 * 60) == 1
    assert ever.get("b", "minute", timestamp=NOW)[NOW // 60 * 60] == {1: 1, 2: 1}
    assert expire(short, now=NOW + 100 * 60) == 1
    assert expire(short, now=NOW + 10_000 * 60) == 0
    assert ever.list() == ["c"]


def test_the_last_write_sets_the_life_of_what_it_changes(make, url, clock):
    short = make(url, type="count", clock=clock, intervals=keeping(3))
    long = make(url, type="count", clock=clock, intervals=keeping(100))
    for series, name in ((short, "a"), (long, "a"), (long, "b"), (short, "b")):
        series.insert(name, 1, timestamp=NOW)
    assert expire(short, now=NOW + 3 * 60) == 1
    assert long.list() == ["a"]


def test_without_a_table_there_is_nothing_to_expire(make, url, path):
    path.touch()
    assert expire(make(url, create=False)) == 0
    assert expire(make(url)) == 0


def test_a_file_that_is_not_there_is_not_made(make, url, path):
    series = make(url, create=False)
    for verb in (lambda: expire(series), series.expire, series.list, lambda: series.insert("a", 1)):
        with pytest.raises(BackendError, match=r"test\.db: there is no such file$"):
            verb()
    assert not list(path.parent.iterdir())


def test_the_command_says_that_a_file_is_missing(url, path, capsys):
    assert main(["expire", url, "--type", "count"]) == 1
    assert capsys.readouterr().err.endswith("test.db: there is no such file\n")
    assert not list(path.parent.iterdir())
    path.touch()
    assert main(["expire", url, "--type", "count"]) == 0
