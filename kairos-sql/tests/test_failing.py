"""When the database fails: a clear error of kairos's own, nothing half-written, and no connection lost."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from kairos import AsyncTimeseries, BackendError, BackendUnavailable, ConfigurationError, KairosError, Timeseries

MINUTE = {"minute": {"step": 60}}
KINDS = ("count", "gauge", "histogram", "series", "set")
ONE = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}


def verbs(series):
    """Each verb that asks the database, by its name."""
    return {
        "insert": lambda: series.insert("a", 1, timestamp=0),
        "bulk_insert": lambda: series.bulk_insert([("a", 1, 0)]),
        "get": lambda: series.get("a", "minute", timestamp=0),
        "series": lambda: series.series("a", "minute", start=0, end=60),
        "list": series.list,
        "properties": lambda: series.properties("a"),
        "delete": lambda: series.delete("a"),
        "delete_all": series.delete_all,
        "expire": series.expire,
    }


def test_a_file_that_is_no_database(make, url, path):
    path.write_bytes(b"This is a letter, and no database. " * 100)
    series = make(url)
    for name, verb in verbs(series).items():
        with pytest.raises(BackendError, match="file is not a database") as caught:
            verb()
        assert isinstance(caught.value.__cause__, (sa.exc.DBAPIError, sqlite3.Error)), name
    assert path.read_bytes().startswith(b"This is a letter")


def test_a_file_that_is_damaged_in_the_middle(make, url, path):
    series = make(url, type="histogram")
    series.bulk_insert([("a", number, second) for second in range(0, 60_000, 60) for number in range(5)])
    series.run(series.timeseries.close())
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    series = make(url, type="histogram")
    with pytest.raises(BackendError, match="malformed"):
        series.series("a", "minute", start=0, end=60_000)


def test_a_folder_that_is_not_there(make, path):
    series = make(f"sqlite:///{path.parent}/missing/test.db")
    for verb in verbs(series).values():
        with pytest.raises(BackendUnavailable, match="unable to open database file"):
            verb()


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_database_can_be_read_and_not_written(make, url, path, kind):
    make(url, type=kind).insert("a", 1, timestamp=0)
    series = make(f"sqlite:///file:{path}?mode=ro&uri=true", type=kind)
    assert series.get("a", "minute", timestamp=0)[0]
    assert series.list() == ["a"]
    assert series.properties("a") == {"minute": {"first": 0, "last": 0}}
    for verb in (
        lambda: series.insert("a", 1, timestamp=0),
        lambda: series.bulk_insert([("a", 1, 0)]),
        lambda: series.delete("a"),
        series.delete_all,
    ):
        with pytest.raises(BackendError, match="readonly database"):
            verb()
    assert series.list() == ["a"]


READER = """
import os, sys
from kairos import BackendError, Timeseries
minute = {"minute": {"step": 60}}
with Timeseries("sqlite://", intervals=minute) as series:
    series.insert("a", 1, timestamp=0)  # all that must be imported is, while it can be read
os.setuid(65534)
with Timeseries(sys.argv[1], intervals=minute) as series:
    print(series.get("a", "minute", timestamp=0))
    try:
        series.insert("a", 1, timestamp=0)
    except BackendError as error:
        print("refused" if "readonly" in str(error) else error)
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_written():
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/test.db"
        with Timeseries(url, intervals=MINUTE) as series:
            series.insert("a", 1, timestamp=0)
        Path(folder, "test.db").chmod(0o444)
        Path(folder).chmod(0o777)  # SQLite makes the files of a WAL beside it, to read too
        done = subprocess.run(
            [sys.executable, "-c", READER, url], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.stdout == "{0: [1.0]}\nrefused\n", done.stderr


def engine_with(url, colour, pragma):
    """An engine that sets something in each of its connections."""
    if colour == "async":
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
    else:
        engine = sa.create_engine(url)

    @sa.event.listens_for(getattr(engine, "sync_engine", engine), "connect")
    def set_it(connection, _):
        cursor = connection.cursor()
        cursor.execute(pragma)
        cursor.close()

    return engine


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_writes_nothing_of_a_batch(make, url, colour, kind):
    engine = engine_with(url, colour, "PRAGMA max_page_count = 12")
    series = make(engine, type=kind)
    series.insert("a", 1, timestamp=0)
    with pytest.raises(BackendError, match="full") as caught:
        series.bulk_insert([(f"{name:0200}", 1, 0) for name in range(1000)])
    assert not caught.value.outcome_unknown
    assert series.list() == ["a"]
    series.insert("a", 2, timestamp=0)
    assert series.delete("a") == 1
    series.run(engine.dispose())


def test_a_full_disk_makes_no_table(make, url, colour):
    engine = engine_with(url, colour, "PRAGMA max_page_count = 1")
    series = make(engine)
    with pytest.raises(BackendError, match="full"):
        series.insert("a", 1, timestamp=0)
    assert series.list() == []
    series.run(engine.dispose())


def test_a_database_that_somebody_keeps_locked(make, url, path):
    series = make(url, client_config={"connect_args": {"timeout": 0.1}, **ONE})
    series.insert("a", 1, timestamp=0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            for name in ("insert", "bulk_insert", "delete", "delete_all"):
                with pytest.raises(BackendUnavailable, match="database is locked") as caught:
                    verbs(series)[name]()
                assert not caught.value.outcome_unknown
        assert series.get("a", "minute", timestamp=0) == {0: [1.0]}  # readers need not wait
        other.execute("ROLLBACK")
    series.insert("a", 2, timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: [1.0, 2.0]}


def test_a_pool_that_is_used_up(url):
    with Timeseries(url, intervals=MINUTE, client_config={**ONE, "pool_timeout": 0.1}) as series:
        series.insert("a", 1, timestamp=0)
        with series.backend._engine.connect(), pytest.raises(BackendUnavailable, match="QueuePool"):
            series.list()
        assert series.list() == ["a"]


def test_an_error_of_sqlalchemy_itself(make, url, colour):
    engine = engine_with(url, colour, "PRAGMA cache_size")
    series = make(engine)
    series.insert("a", 1, timestamp=0)

    @sa.event.listens_for(getattr(engine, "sync_engine", engine), "before_cursor_execute")
    def refuse(*_):
        raise sa.exc.InvalidRequestError("not today")

    with pytest.raises(BackendError, match="not today"):
        series.list()
    series.run(engine.dispose())


# --- The schema -----------------------------------------------------------------------------------------------------


def test_without_a_table_and_the_right_to_make_one(make, url, path):
    path.touch()
    series = make(url, create=False, table_name="mine")
    for verb in verbs(series).values():
        with pytest.raises(BackendError, match="there is no table 'mine', and create=False"):
            verb()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_table_that_is_there_is_used_without_the_right_to_make_one(make, url):
    make(url).insert("a", 1, timestamp=0)
    assert make(url, create=False).get("a", "minute", timestamp=0) == {0: [1.0]}


TYPES = ("float", "int", "str", "text", "blob", "bool", "decimal", "date", "datetime", "time")


@pytest.mark.parametrize("kind", ["series", "histogram", "gauge", "set"])
def test_a_table_of_another_type_or_value_type(make, url, path, kind):
    values = {"blob": b"x", "date": sa.Date().python_type(2013, 1, 1), "str": "x", "text": "x"}
    for stored in ("float", "text", "decimal"):
        make(url, type=kind, value_type=stored, table_name=stored).insert("a", values.get(stored, 1), timestamp=0)
        for other in TYPES:
            if other != stored:
                wrong = make(url, type=kind, value_type=other, table_name=stored)
                with pytest.raises(ConfigurationError, match=f"^table_name: the table '{stored}'"):
                    wrong.get("a", "minute", timestamp=0)
        for other in KINDS:
            if other != kind:
                wrong = make(url, type=other, value_type=None if other == "count" else stored, table_name=stored)
                with pytest.raises(ConfigurationError, match=f"^table_name: the table '{stored}'"):
                    wrong.list()
        assert make(url, type=kind, value_type=stored, table_name=stored).list() == ["a"]


def test_a_table_of_somebody_else(make, url, path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE kairos_series (name TEXT, value REAL)")
        connection.execute("INSERT INTO kairos_series VALUES ('a', 1)")
    series = make(url)
    for name, verb in verbs(series).items():
        with pytest.raises(ConfigurationError, match="table_name: the table 'kairos_series'"):
            verb()
        assert name
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM kairos_series").fetchall() == [("a", 1.0)]


def test_a_table_whose_name_differs_in_capitals(make, url):
    """SQLite's names of tables ignore case."""
    make(url, table_name="mine").insert("a", 1, timestamp=0)
    series = make(url, table_name="Mine")
    for verb in (series.list, lambda: series.insert("a", 1, timestamp=0)):
        with pytest.raises(ConfigurationError, match=r"table_name: a table 'Mine' is in .*, in other capitals"):
            verb()
    assert make(url, table_name="mine").get("a", "minute", timestamp=0) == {0: [1.0]}


def test_other_lengths_are_the_same_table(make, url):
    make(url, value_type="str", string_length=20).insert("a", "x", timestamp=0)
    assert make(url, value_type="str").get("a", "minute", timestamp=0) == {0: ["x"]}


# --- Connections ----------------------------------------------------------------------------------------------------


def test_no_connection_is_lost_by_errors(make, url):
    series = make(url, type="count", client_config=ONE)
    series.insert("a", 2**62, timestamp=0)
    for _ in range(20):
        for verb in (
            lambda: series.insert("a", 2**62, timestamp=0),
            lambda: series.get("a", "minute", timestamp=0, fetch=lambda *_: 1 / 0),
            lambda: series.get("a", "minute", timestamp=0, process_row=lambda _: 1 / 0),
            lambda: series.insert("a", "x", timestamp=0),
        ):
            with pytest.raises((KairosError, ZeroDivisionError)):
                verb()
    assert series.get("a", "minute", timestamp=0) == {0: 2**62}


def test_no_connection_is_lost_by_iterators_that_are_left(url):
    with Timeseries(url, type="count", intervals=MINUTE, client_config=ONE) as count:
        count.bulk_insert([("a", 1, second) for second in range(0, 6000, 60)])
        for _ in range(5):
            items = count.iterate("a", "minute")
            next(items)
            assert count.list() == ["a"]  # no connection is held between items
            items.close()


def test_a_cancelled_verb_gives_its_connection_back(url):
    async def main():
        async with AsyncTimeseries(url, type="count", intervals=MINUTE, client_config=ONE) as count:
            await count.insert("a", 1, timestamp=0)
            for turns in range(40):
                if turns % 2:
                    verb = count.series("b", "minute", start=0, end=30_000)
                else:
                    verb = count.bulk_insert([("b", 1, second) for second in range(0, 30_000, 60)])
                task = asyncio.ensure_future(verb)
                for _ in range(turns // 2):
                    await asyncio.sleep(0)
                task.cancel()
                (found,) = await asyncio.gather(task, return_exceptions=True)
                await count.insert("c", 1, timestamp=0)  # no transaction is left open
                assert turns % 2 or isinstance(found, asyncio.CancelledError) or found.cells == 500
                assert await count.get("a", "minute", timestamp=0) == {0: 1}
            # Each batch was written as a whole or not at all.
            found = await count.series("b", "minute", start=0, end=29_940)
            assert len(set(found.values())) == 1

    asyncio.run(main())


def test_a_cancelled_verb_gives_its_connection_back_to_a_pool_of_the_user(path):
    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}?timeout=1")
        count = AsyncTimeseries(engine, type="count", intervals=MINUTE)
        kept = []
        for turns in range(1, 30):
            await count.insert("a", 1, timestamp=0)
            task = asyncio.ensure_future(count.bulk_insert([("b", 1, second) for second in range(0, 30_000, 60)]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            task.cancel()
            kept += await asyncio.gather(task, return_exceptions=True)  # with their tracebacks
        assert await count.get("a", "minute", timestamp=0) == {0: 29}
        await engine.dispose()
        assert any(isinstance(found, asyncio.CancelledError) for found in kept)

    asyncio.run(main())


class Interrupting:
    """A value at which the driver is interrupted, as by Ctrl-C."""

    def __conform__(self, protocol):
        raise KeyboardInterrupt


class Anything(sa.types.UserDefinedType):
    cache_ok = True

    def get_col_spec(self):
        return "ANYTHING"


@pytest.mark.parametrize("where", ["file", "memory"])
def test_an_interrupted_write_leaves_no_transaction_open(url, where):
    """Also while the traceback is kept, as an interactive session keeps it."""
    with Timeseries(
        f"{url}?timeout=1" if where == "file" else "sqlite://", value_type=Anything(), intervals=MINUTE
    ) as series:
        series.insert("a", 1, timestamp=0)
        with pytest.raises(KeyboardInterrupt) as kept:
            series.insert("a", [2, Interrupting()], timestamp=0)
        series.insert("a", 3, timestamp=0)
        assert series.get("a", "minute", timestamp=0) == {0: [1, 3]}
    assert kept.value


def test_a_connection_that_breaks_in_commit_says_that_nobody_knows(url, colour, make):
    series = make(url, type="count")
    series.insert("a", 1, timestamp=0)
    engine = getattr(series.backend._engine, "sync_engine", series.backend._engine)
    dialect = engine.dialect
    commit, is_disconnect = dialect.do_commit, dialect.is_disconnect

    def break_off(connection):
        commit(connection)
        raise sqlite3.OperationalError("server closed the connection unexpectedly")

    dialect.do_commit = break_off
    dialect.is_disconnect = lambda *_: True
    try:
        with pytest.raises(BackendUnavailable, match="committed") as caught:
            series.insert("a", 1, timestamp=0)
    finally:
        dialect.do_commit, dialect.is_disconnect = commit, is_disconnect
    assert caught.value.outcome_unknown
    assert series.get("a", "minute", timestamp=0) == {0: 2}
