"""The conformance suite on each database: by URL, and by engines of the user's."""

import os
import sqlite3
from contextlib import closing, contextmanager
from functools import cached_property, partial
from typing import ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kairos_conformance import BackendSuite, Colour, Harness, UrlHarness
from kairos_conformance.servers import Lasting, ServerHarness, mariadb, postgresql, shared


def _rows(connection, table, name, interval, *span):
    """The rows of a custom fetch, by plain SQLAlchemy Core. The tests have the database to themselves, so the prefix is
    not asked for."""
    c = table.c
    i_start, i_end = span
    wanted = c.i_time == i_start if i_end is None else c.i_time.between(i_start, i_end)
    query = sa.select(table).where(c.name == name, c.interval == interval, wanted)
    return connection.execute(query.order_by(*table.primary_key.columns)).mappings()


def _gathering(empty, add):
    def fetch(*args):
        found = {}
        for row in _rows(*args):
            r_time = None if row["r_time"] == -1 else row["r_time"]
            cells = found.setdefault(row["i_time"], {})
            cells[r_time] = add(cells.get(r_time, empty()), row)
        return found

    return fetch


FETCH = {
    "series": _gathering(list, lambda data, row: [*data, row["value"]]),
    "histogram": _gathering(dict, lambda data, row: {**data, row["value"]: row["n"]}),
    "count": _gathering(int, lambda _, row: row["n"] + row["f"]),
    "gauge": _gathering(int, lambda _, row: row["value"]),
    "set": _gathering(set, lambda data, row: data | {row["value"]}),
}


class _File:
    """What a harness on a file can look up past kairos. ``path`` is the file."""

    def plant(self):
        """A table that is not ours, and a row in a table of ours that somebody else's prefix owns."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kairos_foreign (name TEXT)")
            connection.execute("DELETE FROM kairos_foreign")
            connection.execute("INSERT INTO kairos_foreign VALUES ('a')")

        def whole():
            with closing(sqlite3.connect(self.path)) as connection:
                return connection.execute("SELECT name FROM kairos_foreign").fetchall() == [("a",)]

        return _entered(whole)

    def stored(self, kind, prefix):
        with closing(sqlite3.connect(self.path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE ?", (f"kairos_{kind}%",))
            return sum(
                connection.execute(
                    f'SELECT count(DISTINCT name || "interval" || i_time || r_time) FROM "{table}" WHERE prefix = ?',
                    (prefix,),
                ).fetchone()[0]
                for (table,) in tables.fetchall()
            )


@contextmanager
def _entered(value):
    yield value


class FileHarness(_File, UrlHarness):
    """A file that kairos opens: in WAL mode, for several processes."""

    def __init__(self, path):
        super().__init__(f"sqlite:///{path}")
        self.path = path
        self.disposable = True
        self.fetch = FETCH


class EngineHarness(_File, Harness):
    """Engines of the user's with a pool of his choice, on a file in SQLite's own journal mode."""

    def __init__(self, path):
        super().__init__(disposable=True, fetch=FETCH, variant=True)
        self.path = path

    @contextmanager
    def target(self, colour, run):
        if colour is Colour.ASYNC:
            engine = create_async_engine(f"sqlite+aiosqlite:///{self.path}", poolclass=NullPool)
        else:
            engine = sa.create_engine(f"sqlite:///{self.path}", poolclass=NullPool)
        yield engine
        run(engine.dispose())


class MemoryHarness(UrlHarness):
    """A database of its own for each Timeseries."""

    def __init__(self):
        super().__init__("sqlite://")
        self.disposable = self.variant = True
        self.fetch = FETCH


@pytest.mark.full
class TestMemory(BackendSuite):
    """By URL, in memory."""

    harness = MemoryHarness()


class TestFile(BackendSuite):
    """By URL, on a file."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def file(cls, tmp_path_factory):
        cls.harness = FileHarness(tmp_path_factory.mktemp("file") / "conformance.db")


@pytest.mark.full
class TestEngine(BackendSuite):
    """By an engine, on a file."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def file(cls, tmp_path_factory):
        cls.harness = EngineHarness(tmp_path_factory.mktemp("engine") / "conformance.db")


# --- Servers --------------------------------------------------------------------------------------------------------

POSTGRESQL = Lasting(partial(shared, postgresql))
MARIADB = Lasting(partial(shared, mariadb))
FOREIGN = f"kairos_foreign_{os.getpid()}"


class DatabaseHarness(ServerHarness):
    """A server, found by URL. ``driver`` is that of the tests themselves."""

    def __init__(self, server, environment, driver, unreachable, **attributes):
        super().__init__(server, environment, fetch=FETCH, unreachable=unreachable, **attributes)
        self.driver = driver

    @cached_property
    def engine(self):
        """A way past kairos."""
        url = sa.make_url(self.url)
        return sa.create_engine(url.set(drivername=f"{url.get_backend_name()}+{self.driver}"), poolclass=NullPool)

    @contextmanager
    def plant(self):
        foreign = sa.Table(FOREIGN, sa.MetaData(), sa.Column("name", sa.String(9), primary_key=True))
        foreign.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(foreign.delete())
            connection.execute(foreign.insert().values(name="a"))

        def whole():
            with self.engine.connect() as connection:
                return connection.scalars(sa.select(foreign.c.name)).all() == ["a"]

        yield whole

    def stored(self, kind, prefix):
        found = 0
        with self.engine.connect() as connection:
            for name in sa.inspect(connection).get_table_names(schema=self.options.get("schema")):
                if name.startswith(f"kairos_{kind}"):
                    table = sa.Table(name, sa.MetaData(), schema=self.options.get("schema"), autoload_with=connection)
                    c = table.c
                    mine = sa.cast(c.prefix, sa.LargeBinary) == prefix.encode()
                    cells = sa.select(c.name, c.interval, c.i_time, c.r_time).where(mine).distinct()
                    found += connection.scalar(sa.select(sa.func.count()).select_from(cells.subquery()))
        return found


class PostgreSQLHarness(DatabaseHarness):
    """PostgreSQL by URL."""

    def __init__(self, **attributes):
        unreachable = "postgresql://ann:hunter2@127.0.0.1:1/kairos"
        super().__init__(POSTGRESQL, "KAIROS_TEST_POSTGRESQL_URL", "psycopg", unreachable, **attributes)


class MariaDBHarness(DatabaseHarness):
    """MariaDB by URL, or a MySQL that is given."""

    def __init__(self, **attributes):
        unreachable = "mariadb://ann:hunter2@127.0.0.1:1/kairos"
        super().__init__(MARIADB, "KAIROS_TEST_MARIADB_URL", "pymysql", unreachable, **attributes)

    @contextmanager
    def target(self, colour, run):
        # PyMySQL reads all certificates of the machine for each connection, and each test makes some.
        yield self.url if colour is Colour.ASYNC else f"{self.url}{'&' if '?' in self.url else '?'}ssl_disabled=1"


class TestPostgreSQL(BackendSuite):
    """PostgreSQL by URL, in both colours by psycopg."""

    harness = PostgreSQLHarness()


class TestMariaDB(BackendSuite):
    """MariaDB by URL, blocking by PyMySQL and asynchronous by asyncmy."""

    harness = MariaDBHarness()


class _Engines:
    """Engines of the user's, one for each test. ``drivers`` are the blocking and the asynchronous one, ``arguments``
    what the blocking one connects with.
    """

    arguments: ClassVar = {}

    @contextmanager
    def target(self, colour, run):
        url = sa.make_url(self.url).set(drivername=self.drivers[colour is Colour.ASYNC])
        if colour is Colour.ASYNC:
            engine = create_async_engine(url)
        else:
            engine = sa.create_engine(url, connect_args=self.arguments)
        yield engine
        run(engine.dispose())


class PostgreSQLEngineHarness(_Engines, PostgreSQLHarness):
    """Other drivers, in a schema."""

    drivers = ("postgresql+psycopg2", "postgresql+asyncpg")

    def __init__(self):
        super().__init__(options={"schema": "conformance"}, variant=True)

    def missing(self):
        reason = super().missing()
        if reason is None:
            with self.engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema("conformance", if_not_exists=True))
        return reason


class MariaDBEngineHarness(_Engines, MariaDBHarness):
    """Under the name of MySQL."""

    drivers = ("mysql+pymysql", "mysql+asyncmy")
    arguments: ClassVar = {"ssl_disabled": True}


@pytest.mark.full
class TestPostgreSQLEngine(BackendSuite):
    """PostgreSQL by engines, blocking by psycopg2 and asynchronous by asyncpg, in a schema."""

    harness = PostgreSQLEngineHarness()


@pytest.mark.full
class TestMariaDBEngine(BackendSuite):
    """MariaDB by engines, under the name of MySQL."""

    harness = MariaDBEngineHarness(variant=True)
