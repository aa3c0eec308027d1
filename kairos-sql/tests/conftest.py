"""What the tests of kairos-sql share: a file for each test, and both colours behind one face."""

import asyncio
import os
import re
import select
import socket
import threading
from contextlib import closing, suppress
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from kairos import AsyncTimeseries, Timeseries
from kairos_conformance.servers import Lasting, Missing, mariadb, postgresql, refuse, shared

SHARED = {"postgresql": Lasting(partial(shared, postgresql)), "mariadb": Lasting(partial(shared, mariadb))}
DRIVERS = {"postgresql": "psycopg", "mariadb": "pymysql"}
MINUTE = {"minute": {"step": 60}}


class Series:
    """A Timeseries in either colour, whose verbs return their results."""

    def __init__(self, colour, client, keywords):
        self.runner = asyncio.Runner() if colour == "async" else None
        self.timeseries = (AsyncTimeseries if colour == "async" else Timeseries)(client, **keywords)
        self.backend = self.timeseries.backend

    def run(self, result):
        """What a call gave, awaited if it must be."""

        async def awaited():
            return await result

        return self.runner.run(awaited()) if hasattr(result, "__await__") else result

    def __getattr__(self, verb):
        return lambda *args, **keywords: self.run(getattr(self.timeseries, verb)(*args, **keywords))

    def end(self):
        if self.runner is not None:
            self.run(_ended())
            self.runner.close()


async def _ended():
    """Wait for the threads of aiosqlite, each of which ends with its connection: that of one that could not connect
    would else tell so to a loop that is closed."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


@pytest.fixture(params=["blocking", "async"])
def colour(request):
    return request.param


@pytest.fixture
def make(colour):
    """Open Timeseries of one colour; they are closed at the end."""
    opened = []

    def open_one(client, **keywords):
        keywords.setdefault("intervals", MINUTE)
        opened.append(Series(colour, client, keywords))
        return opened[-1]

    yield open_one
    for series in opened:
        series.run(series.timeseries.close())
    for series in opened:
        series.end()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


# --- Servers --------------------------------------------------------------------------------------------------------


class Database:
    """An empty database on a server, and a way to it past kairos."""

    def __init__(self, product, url):
        self.product = product
        self.url = sa.make_url(url)
        self.engine = sa.create_engine(self.through(DRIVERS[product]), poolclass=NullPool)

    def through(self, driver):
        """The URL with a driver."""
        return self.url.set(drivername=f"{self.product}+{driver}")

    def __str__(self):
        return self.url.render_as_string(hide_password=False)

    def execute(self, *statements):
        """What the last of some statements gives."""
        with self.engine.begin() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else None


def emptied(product, url):
    """The database of a server, without tables."""
    database = Database(product, url)
    everything = sa.MetaData()
    everything.reflect(database.engine)
    everything.drop_all(database.engine)
    return database


@pytest.fixture(params=["postgresql", "mariadb"])
def product(request):
    return request.param


@pytest.fixture
def database(product, database_of):
    """An empty database."""
    return database_of(product)


@pytest.fixture
def database_of():
    """Gives an empty database of this worker's own on the server that all share."""
    return partial(_database, os.environ.get("PYTEST_XDIST_WORKER", "gw0"))


def _database(worker, product):
    server = Database(product, SHARED[product].demand().url)
    name = f"kairos_{worker}"
    if name not in sa.inspect(server.engine).get_schema_names() and product == "mariadb":
        server.execute(f"CREATE DATABASE {name}")
    elif product == "postgresql" and not server.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return emptied(product, server.url.set(database=name))


@pytest.fixture
def server(product):
    """A server of the test's own, to be killed."""
    try:
        started = {"postgresql": postgresql, "mariadb": mariadb}[product]()
    except Missing as error:
        refuse(str(error))
    with started:
        yield started


class Proxy:
    """Stands between a client and a server. Once ``cutting`` is set to a pattern it lets the next of these through, and
    breaks the connection instead of bringing the answer. ``sent`` is how often the client has sent something."""

    def __init__(self, port):
        self.cutting, self.sent = None, 0
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with closing(client), socket.create_connection(("127.0.0.1", self.target)) as server, suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for one in ready:
                    data = one.recv(65536)
                    (server if one is client else client).sendall(data)
                    if not data:
                        return
                    self.sent += one is client
                    if one is client and self.cutting and re.search(self.cutting, data):
                        self.cutting = None
                        server.recv(65536)  # it is done
                        return


@pytest.fixture
def proxy(database):
    found = Proxy(database.url.port)
    yield found
    found.listener.close()
