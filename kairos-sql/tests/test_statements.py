"""The SQL that is sent: few statements, each of which finds its rows by the key."""

import sqlite3
from contextlib import closing
from itertools import product

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from kairos.kinds import KINDS
from kairos_sql._dialects import dialect_of
from kairos_sql._schema import make_layout
from kairos_sql._statements import Prepared, Statements
from kairos_sql._types import stored_type

every_kind = pytest.mark.parametrize("kind", KINDS)


def statements(kind, value_type="float", **keywords):
    layout = make_layout(
        type=kind, shape=KINDS[kind].shape, stored=stored_type(value_type), dialect="sqlite", **keywords
    )
    return Statements(layout, dialect_of("sqlite"), sqlite.dialect())


def plan(sql, text, values=None):
    """The steps by which SQLite carries out a statement, without those that only name a part of it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(str(CreateTable(sql.layout.table).compile(dialect=sqlite.dialect())))
        steps = connection.execute(f"EXPLAIN QUERY PLAN {text}", values or ()).fetchall()
    return [detail for *_, detail in steps]


def assert_by_key(sql, text, values=None):
    """Each access to the table is a search by its key, at least by the prefix, and nothing is sorted."""
    table = sql.layout.table.name
    steps = plan(sql, text, values)
    on_table = [step for step in steps if table in step]
    assert on_table
    assert all(step.startswith(f"SEARCH {table} USING PRIMARY KEY (prefix=?") for step in on_table), steps
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    return on_table


@every_kind
@pytest.mark.parametrize(("names", "coarse"), [*product([1, 2, 500], [True, False])])
def test_a_read_is_a_range_of_the_key_in_its_order(kind, names, coarse):
    sql = statements(kind)
    read = sql.read(names, coarse=coarse)
    (step,) = assert_by_key(sql, read.sql, range(len(read.names)))
    assert step.endswith("(prefix=? AND name=? AND interval=? AND i_time>? AND i_time<?)")
    assert read.names == ("prefix", *(f"name_{index}" for index in range(names)), "interval", "first", "last")


@every_kind
@pytest.mark.parametrize("cut", [(True,), (False,), (True, False, True)])
def test_names_are_found_from_one_to_the_next(kind, cut):
    sql = statements(kind)
    names = sql.names(cut, 500)
    steps = assert_by_key(sql, names.sql, ["x"] * len(names.names))
    assert sum(step.endswith("(prefix=? AND name>?)") for step in steps) == 2
    assert sum(step.endswith("AND name=? AND interval=? AND i_time>?)") for step in steps) == sum(cut)
    assert len(steps) == 2 + len(cut)


@every_kind
@pytest.mark.parametrize(("names", "cut"), [*product([1, 3], [(True,), (True, False)])])
def test_bounds_are_two_looks_for_each_interval(kind, names, cut):
    sql = statements(kind)
    bounds = sql.bounds(names, cut)
    steps = assert_by_key(sql, bounds.sql, ["x"] * len(bounds.names))
    assert len(steps) == 2 * names * len(cut)
    assert all("(prefix=? AND name=? AND interval=?" in step for step in steps)


@every_kind
def test_what_is_counted_or_removed_is_found_by_the_key(kind):
    sql = statements(kind)
    c = sql.layout.table.c
    cell = [c.prefix == "", c.name == "a", c.interval == "minute"]
    for statement in (
        sql.count([*cell, c.i_time >= 3]),
        sql.cells(*cell).having(sa.func.max(c.expires_at) <= 5).order_by(c.name, c.interval, c.i_time, c.r_time),
        sql.cells(*cell, sa.tuple_(c.i_time, c.r_time) > sa.tuple_(sa.literal(3), sa.literal(4))),
        sa.select(sa.func.min(c.name)).where(c.prefix == "", c.name > "a"),
        sa.delete(sql.layout.table).where(*cell, c.i_time.between(1, 2)),
    ):
        text = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        assert_by_key(sql, text)
    for prepared in (sql.remove(), sql.count_up_to(), sql.remove_up_to()):
        assert_by_key(sql, prepared.sql, range(len(prepared.names)))


@every_kind
def test_a_write_is_one_upsert(kind):
    ((text, parameters),) = statements(kind).write([("p", "a", "minute", 1, -1, *range(4))[: 5 + _columns(kind)]])
    assert text.startswith(f"INSERT INTO kairos_{kind} (")
    assert (" ON CONFLICT (" in text) is (kind != "series")
    assert len(parameters) == 1


def _columns(kind):
    return {"histogram": 3, "count": 3}.get(kind, 2)


@pytest.mark.parametrize(
    ("rows", "groups"),
    [(1, [(1, 1)]), (7, [(1, 7)]), (8, [(1, 8)]), (64, [(1, 64)]), (151, [(2, 64), (1, 16), (1, 7)])],
)
def test_many_rows_are_written_by_few_statements(rows, groups):
    """One with 64 rows as often as it fits, then each with half as many, and one for the last few."""
    found = statements("gauge").write([("p", "a", "minute", row, -1, 0.5, None) for row in range(rows)])
    assert [(len(parameters), len(parameters[0]) // 7) for _, parameters in found] == groups
    buckets = [value for _, parameters in found for row in parameters for value in row[3::7]]
    assert buckets == list(range(rows))


def test_the_rows_of_a_list_are_numbered_one_by_one():
    """On SQLite, where the number of one depends on those before it."""
    ((_, parameters),) = statements("series").write([("p", "a", "minute", 1, -1, 0.5, None)] * 100)
    assert len(parameters) == 100


def test_nothing_is_sent_for_nothing():
    assert statements("gauge").write([]) == []


def test_parameters_go_to_the_places_of_their_names():
    assert Prepared("…", ("b", "a", "b"), positional=True).one({"a": 1, "b": 2, "c": 3}) == (2, 1, 2)
    assert Prepared("…", ("b", "a", "b"), positional=True, given=("a", "b")).many([(1, 2)]) == [(2, 1, 2)]
    assert Prepared("…", ("b", "a"), positional=False, given=("a", "b")).many([(1, 2)]) == [{"a": 1, "b": 2}]
    rows = [(1, 2)]
    assert Prepared("…", ("a", "b"), positional=True, given=("a", "b")).many(rows) is rows


@every_kind
def test_a_verb_that_only_reads_sends_one_statement(make, url, kind):
    series = make(url, type=kind, value_type="int" if kind != "count" else None)
    series.bulk_insert([(name, 1, 0) for name in ("a", "b", "c")])
    sent = []
    engine = series.backend._engine
    sa.event.listen(getattr(engine, "sync_engine", engine), "before_cursor_execute", lambda *args: sent.append(args[2]))
    for verb in (
        lambda: series.get("a", "minute", timestamp=0),
        lambda: series.series(["a", "b", "c"], "minute", start=0, end=60_000),
        series.list,
        lambda: series.properties("a"),
    ):
        sent.clear()
        assert verb()
        assert len(sent) == 1
