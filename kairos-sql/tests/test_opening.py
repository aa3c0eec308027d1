"""Opening: by URL, by an engine of the user's, and what is refused."""

import asyncio
import gc
import subprocess
import sys
import threading
import warnings

import pytest
import sqlalchemy as sa
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from kairos import AsyncTimeseries, BackendError, BackendNotFound, ConfigurationError, Timeseries
from kairos.flows import arun, run

MINUTE = {"minute": {"step": 60}}
MEMORY = [
    "sqlite://",
    "sqlite:///:memory:",
    "sqlite:///file::memory:?uri=true",
    "sqlite:///file:x?mode=memory&uri=true",
]


def pragma(series, name):
    """A setting of a connection of a Timeseries."""
    flow = series.backend._flow(lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar())
    return series.run(arun(flow)) if series.runner else run(flow)


@pytest.mark.parametrize("memory", MEMORY)
def test_a_database_in_memory_is_one_for_all_its_verbs(make, memory):
    series = make(memory, type="count")
    for _ in range(3):
        series.insert("a", 1, timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: 3}
    assert not series.backend.capabilities.multi_process
    other = make(memory, type="count")
    assert other.list() == []


@pytest.mark.parametrize("memory", MEMORY)
def test_a_database_in_memory_is_one_for_all_threads(memory):
    with Timeseries(memory, type="count", intervals=MINUTE) as count:
        failed = []

        def insert():
            try:
                for _ in range(50):
                    count.insert("a", 1, timestamp=0)
                    count.get("a", "minute", timestamp=0)
            except BaseException as error:  # noqa: BLE001 - for the thread that joins
                failed.append(error)

        threads = [threading.Thread(target=insert) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert count.get("a", "minute", timestamp=0) == {0: 400}


def test_many_tasks_on_a_database_in_memory():
    async def main():
        async with AsyncTimeseries("sqlite://", type="count", intervals=MINUTE) as count:
            await asyncio.gather(*(count.insert("a", 1, timestamp=0) for _ in range(100)))
            assert await count.get("a", "minute", timestamp=0) == {0: 100}

    asyncio.run(main())


def test_a_cancelled_verb_keeps_the_database_in_memory():
    """SQLAlchemy closes the connection of a cancelled statement, and would lose the database with it."""

    async def main():
        async with AsyncTimeseries("sqlite://", type="count", intervals=MINUTE) as count:
            await count.insert("a", 1, timestamp=0)
            for turns in range(60):
                task = asyncio.ensure_future(count.bulk_insert([("b", 1, second) for second in range(2000)]))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert await count.get("a", "minute", timestamp=0) == {0: 1}
            found = await count.series("b", "minute", start=0, end=1999)
            assert found[0] % 60 == 0
            assert {found[second] for second in range(0, 1980, 60)} == {found[0]}

    asyncio.run(main())


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///{}?timeout=5", "sqlite:///file:{}?uri=true"])
def test_files_by_url(make, path, form):
    make(form.format(path)).insert("a", 1, timestamp=0)
    assert make(form.format(path)).get("a", "minute", timestamp=0) == {0: [1.0]}
    assert path.exists()


def test_a_relative_file(make, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    make("sqlite:///relative.db").insert("a", 1, timestamp=0)
    assert (path.parent / "relative.db").exists()


def test_a_driver_in_the_url(path, url):
    with Timeseries(f"sqlite+pysqlite:///{path}", intervals=MINUTE) as series:
        assert series.list() == []

    async def main():
        async with AsyncTimeseries(f"sqlite+aiosqlite:///{path}", intervals=MINUTE) as series:
            assert await series.list() == []

    asyncio.run(main())


def test_a_constructor_and_a_read_make_no_table(make, url, path):
    series = make(url)
    assert not path.exists()
    assert series.list() == []
    assert series.get("a", "minute", timestamp=0) == {0: []}
    assert series.properties("a") == {}
    assert series.delete("a") == 0
    assert series.expire() == 0
    assert series.delete_all() is None
    engine = sa.create_engine(url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_file_is_in_wal_mode_and_a_connection_waits(make, url, path):
    series = make(url)
    series.insert("a", 1, timestamp=0)
    assert pragma(series, "journal_mode") == "wal"
    assert pragma(series, "busy_timeout") == 30_000
    assert pragma(series, "synchronous") == 2  # FULL: what was written survives a power cut
    assert (path.parent / "test.db-wal").exists()


def test_settings_of_the_user_come_first(make, path):
    series = make(
        f"sqlite:///{path}", client_config={"connect_args": {"timeout": 3}, "poolclass": pool.NullPool, "echo": False}
    )
    series.insert("a", 1, timestamp=0)
    assert pragma(series, "busy_timeout") == 3_000
    assert isinstance(getattr(series.backend._engine, "sync_engine", series.backend._engine).pool, pool.NullPool)


def test_an_engine_of_the_user_is_left_as_it_is(colour, path, make):
    url = f"sqlite:///{path}"
    if colour == "async":
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=pool.NullPool)
    else:
        engine = sa.create_engine(url, poolclass=pool.SingletonThreadPool)
    series = make(engine)
    series.insert("a", 1, timestamp=0)
    assert pragma(series, "journal_mode") == "delete"
    assert not series.backend.owns_client
    series.run(series.timeseries.close())
    again = make(engine)
    assert again.get("a", "minute", timestamp=0) == {0: [1.0]}
    again.run(engine.dispose())


@pytest.mark.parametrize("poolclass", [pool.NullPool, pool.StaticPool, pool.QueuePool, pool.SingletonThreadPool])
def test_engines_with_any_pool(path, poolclass):
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=poolclass, connect_args={"check_same_thread": False})
    count = Timeseries(engine, type="count", intervals=MINUTE)
    for _ in range(20):
        count.insert("a", 1, timestamp=0)
    assert count.get("a", "minute", timestamp=0) == {0: 20}
    engine.dispose()


def test_an_engine_with_a_begin_of_its_own(path):
    """The recipe of SQLAlchemy's documentation for transactions that begin at once."""
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def no_driver_transactions(connection, _):
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    count = Timeseries(engine, type="count", intervals=MINUTE)
    count.bulk_insert([("a", 1, second) for second in range(600)])
    assert count.delete("a") == 10
    assert count.expire() == 0
    engine.dispose()


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"nonsense": 1}, "nonsense: unknown key"),
        ({"table_name": ""}, "table_name: expected a name"),
        ({"table_name": 5}, "table_name"),
        ({"table_name": "a\0b"}, "table_name: expected a name"),
        ({"schema": ""}, "schema: expected a name"),
        ({"string_length": 0}, "string_length: expected a positive int"),
        ({"string_length": "255"}, "string_length"),
        ({"text_length": -1}, "text_length: expected a positive int"),
        ({"value_type": "nonsense"}, "value_type"),
        ({"value_type": sa.ARRAY(sa.Integer)}, "value_type: sqlite has no such type"),
        ({"prefix": "x" * 256}, "prefix: .* longer than 255 bytes"),
        ({"prefix": "é" * 128}, "prefix: .* longer than 255 bytes"),
        ({"client_config": {"nonsense": 1}}, "client_config: "),
        ({"client_config": {"pool_size": "many"}}, "client_config: "),
    ],
    ids=repr,
)
def test_bad_keywords(make, url, keywords, message):
    with pytest.raises(ConfigurationError, match=message):
        make(url, **keywords)


@pytest.mark.parametrize("bad", ["sqlite://host/x.db", "sqlite+nonsense:///x.db", "sqlite:///x.db?timeout=soon"])
def test_bad_urls(make, bad):
    with pytest.raises(ConfigurationError):
        make(bad)


def test_a_client_of_the_other_colour_or_of_another_class(path):
    engine, awaiting = sa.create_engine(f"sqlite:///{path}"), create_async_engine(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(
        ConfigurationError, match=r"Timeseries needs an Engine, not sqlalchemy\.ext\.asyncio.*AsyncEngine"
    ):
        Timeseries(awaiting, intervals=MINUTE)
    with pytest.raises(ConfigurationError, match=r"AsyncTimeseries needs an AsyncEngine, not sqlalchemy.*Engine"):
        AsyncTimeseries(engine, intervals=MINUTE)
    with pytest.raises(ConfigurationError, match=r"Timeseries needs a blocking driver, which sqlite\+aiosqlite is not"):
        Timeseries(f"sqlite+aiosqlite:///{path}", intervals=MINUTE)
    with pytest.raises(ConfigurationError, match="AsyncTimeseries needs an asynchronous driver"):
        AsyncTimeseries(f"sqlite+pysqlite:///{path}", intervals=MINUTE)
    with engine.connect() as connection:
        for factory in (Timeseries, AsyncTimeseries):
            with pytest.raises(
                ConfigurationError, match=r"expected a URL, an Engine or an AsyncEngine, not .*Connection"
            ):
                factory(connection, intervals=MINUTE)
            with pytest.raises(ConfigurationError, match=r"not .*AsyncConnection"):
                factory(awaiting.connect(), intervals=MINUTE)
    engine.dispose()


@pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])
def test_what_is_no_engine_is_refused_where_asyncio_is_not_installed(factory, monkeypatch):
    """SQLAlchemy 2.1 has greenlet by its extra `asyncio` alone; without it the module cannot be imported."""
    monkeypatch.setitem(sys.modules, "sqlalchemy.ext.asyncio", None)
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="expected a URL, an Engine"):
        factory(connection, intervals=MINUTE)
    engine.dispose()


@pytest.mark.parametrize("how", ["create_engine", "execution_options"])
def test_an_engine_that_commits_each_statement(path, how):
    engine = sa.create_engine(
        f"sqlite:///{path}", **({"isolation_level": "AUTOCOMMIT"} if how == "create_engine" else {})
    )
    if how == "execution_options":
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(ConfigurationError, match="AUTOCOMMIT writes no batch as a whole"):
        Timeseries(engine, intervals=MINUTE)


def test_a_driver_that_is_not_installed(url, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with pytest.raises(BackendNotFound, match=r"pip install 'kairos-sql\[asyncio\]'"):
        AsyncTimeseries(url, intervals=MINUTE)


# --- Ending ---------------------------------------------------------------------------------------------------------


def test_what_is_closed_leaves_no_file_open(make, url, path):
    series = make(url)
    series.insert("a", 1, timestamp=0)
    series.run(series.timeseries.close())
    assert not (path.parent / "test.db-wal").exists()  # the last connection has put it back into the file
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


def test_a_timeseries_that_is_dropped_open_is_warned_about(url):
    # Without a pool no connection is left open, of which Python 3.13 would warn by itself.
    series = Timeseries(url, intervals=MINUTE, client_config={"poolclass": pool.NullPool})
    series.insert("a", 1, timestamp=0)
    opened = [series]
    del series
    with pytest.warns(ResourceWarning, match="unclosed"):
        opened.clear()


SCRIPT = """
import asyncio
from kairos import AsyncTimeseries
async def main():
    series = AsyncTimeseries({url!r}, intervals={{"minute": {{"step": 60}}}})
    await series.insert("a", 1, timestamp=0)
    print(await series.list())
    {end}
asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["await series.close()", "pass"], ids=["closed", "left open"])
@pytest.mark.parametrize("where", ["file", pytest.param("memory", marks=pytest.mark.full)])
def test_a_process_ends_whatever_was_left_open(url, where, end):
    """aiosqlite has a thread for each connection, which must not keep the process alive."""
    script = SCRIPT.format(url=url if where == "file" else "sqlite://", end=end)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['a']\n"
    assert done.returncode == 0, done.stderr


def test_a_closed_timeseries_says_so(make, url):
    series = make(url)
    series.insert("a", 1, timestamp=0)
    series.run(series.timeseries.close())
    with pytest.raises(BackendError, match="closed"):
        series.get("a", "minute", timestamp=0)
