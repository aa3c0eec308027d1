"""A database of which kairos-sql knows nothing: SQLite by another name, whose own upsert nobody is told of.

Its connections are in SQLite's own transactions from the first statement on, as those of a server are.
"""

import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kairos import BackendError, Timeseries
from kairos.kinds import KINDS
from kairos_conformance import BackendSuite, Colour, Harness

MINUTE = {"minute": {"step": 60}}


class ExactNumeric(sa.Numeric):
    """Decimals as text, which is exact."""

    def bind_processor(self, dialect):
        return str

    def result_processor(self, dialect, coltype):
        return Decimal


class Types(SQLiteTypeCompiler):
    def visit_NUMERIC(self, type_, **keywords):  # noqa: N802 - the name is SQLAlchemy's
        return "CHAR"


class Hidden:
    """What both drivers have in common."""

    name = "hidden"
    type_compiler_cls = Types
    colspecs = SQLiteDialect_pysqlite.colspecs | {sa.Numeric: ExactNumeric, sa.Float: sa.Float}

    def on_connect(self):
        usual = super().on_connect()

        def connected(connection):
            if usual is not None:
                usual(connection)
            connection.isolation_level = None  # the driver begins nothing by itself
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.close()

        return connected

    def do_begin(self, dbapi_connection):
        cursor = dbapi_connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.close()


class HiddenDialect(Hidden, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class HiddenAsyncDialect(Hidden, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


registry.impls["hidden"] = lambda: HiddenDialect
registry.impls["hidden.aiosqlite"] = lambda: HiddenAsyncDialect


def blocking(path, **keywords):
    return sa.create_engine(f"hidden:///{path}", connect_args={"timeout": 30}, **keywords)


def asynchronous(path, **keywords):
    return create_async_engine(f"hidden+aiosqlite:///{path}", connect_args={"timeout": 30}, **keywords)


class HiddenHarness(Harness):
    """Engines of the user's: by a URL no such database is found."""

    def __init__(self, path):
        super().__init__(disposable=True, variant=True)
        self.path = path

    @contextmanager
    def target(self, colour, run):
        engine = (asynchronous if colour is Colour.ASYNC else blocking)(self.path, poolclass=NullPool)
        yield engine
        run(engine.dispose())


@pytest.mark.full
class TestHidden(BackendSuite):
    """All that is promised of every store."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def file(cls, tmp_path_factory):
        cls.harness = HiddenHarness(tmp_path_factory.mktemp("hidden") / "conformance.db")


@pytest.fixture
def engine(path):
    made = blocking(path)
    yield made
    made.dispose()


def opened(engine, kind, **keywords):
    return Timeseries(engine, type=kind, intervals=MINUTE, **keywords)


@pytest.fixture
def sent(engine):
    """The statements."""
    found = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: found.append(args[2].split("\n")[0]))
    return found


def verbs(statements):
    return Counter(" ".join(text.split()[:2]) for text in statements)


@pytest.mark.parametrize("kind", KINDS)
def test_no_upsert_is_sent(engine, sent, kind):
    series = opened(engine, kind)
    for value in (1, 2, 2):
        series.insert("a", value, timestamp=0)
    assert not [text for text in sent if "CONFLICT" in text]
    expected = {
        "count": (3, 1, 5),
        "gauge": (3, 1, 2),
        "histogram": (3, 2, {1: 1, 2: 2}),
        "series": (0, 3, [1, 2, 2]),
        "set": (3, 2, {1, 2}),
    }
    updates, inserts, data = expected[kind]
    found = verbs(sent)
    assert (found[f"UPDATE kairos_{kind}"], found["INSERT INTO"]) == (updates, inserts)
    assert series.get("a", "minute", timestamp=0) == {0: data}


class Rival:
    """Another writer, who is faster: it writes what we are about to write, a moment before our INSERT."""

    def __init__(self, engine, row, times):
        self.row, self.times, self.on = row, times, False
        sa.event.listen(engine, "savepoint", self.write)

    def write(self, connection, name):
        if self.on and self.times:
            self.times -= 1
            marks = ", ".join("?" * len(self.row(self.times)))
            connection.exec_driver_sql(f"INSERT INTO {self.table} VALUES ({marks})", self.row(self.times))


@pytest.mark.parametrize(
    ("kind", "row", "data"),
    [
        ("count", ("", "a", "minute", 0, -1, 5, 0.0, None), 6),
        ("gauge", ("", "a", "minute", 0, -1, 5.0, None), 1.0),
        ("histogram", ("", "a", "minute", 0, -1, 1.0, 5, None), {1: 6}),
        ("set", ("", "a", "minute", 0, -1, 1.0, None), {1}),
    ],
)
def test_a_row_that_another_writer_has_just_made_is_updated(engine, kind, row, data):
    series = opened(engine, kind)
    series.insert("other", 1, timestamp=0)  # makes the table
    rival = Rival(engine, lambda _: row, times=1)
    rival.table, rival.on = f"kairos_{kind}", True
    series.insert("a", 1, timestamp=0)
    assert rival.times == 0
    assert series.get("a", "minute", timestamp=0) == {0: data}
    assert series.get("other", "minute", timestamp=0)


def test_values_go_behind_those_that_another_writer_has_just_appended(engine):
    series = opened(engine, "series")
    series.insert("a", [1, 2], timestamp=0)
    rival = Rival(engine, lambda left: ("", "a", "minute", 0, -1, 4 - left, 10.0 - left, None), times=3)
    rival.table, rival.on = "kairos_series", True
    series.insert("a", [3, 4], timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: [1, 2, 8, 9, 10, 3, 4]}


def test_a_conflict_that_does_not_end_is_an_error_and_writes_nothing(engine, path):
    series = opened(engine, "count")
    series.insert("other", 1, timestamp=0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE UNIQUE INDEX one_bucket ON kairos_count (interval)")
    with pytest.raises(BackendError):
        series.bulk_insert([("other", 1, 0), ("a", 1, 60)])
    assert series.get("other", "minute", timestamp=0) == {0: 1}


def test_the_whole_batch_is_one_transaction(engine, path, sent):
    series = opened(engine, "series")
    series.bulk_insert([(name, [1, 2, 3], minute * 60) for name in "ab" for minute in range(3)])
    assert verbs(sent)["INSERT INTO"] == 6  # one for a cell
    series.bulk_insert([("a", 9, 0)])
    assert series.series("a", "minute", start=0, end=120) == {0: [1, 2, 3, 9], 60: [1, 2, 3], 120: [1, 2, 3]}


def test_transforms_are_computed_as_far_as_every_database_does_it_alike(engine):
    assert opened(engine, "series", value_type="int").capabilities.aggregates == {"count", "min", "max"}
    assert opened(engine, "histogram", value_type="int").capabilities.aggregates == {"min", "max"}
