"""Timeseries of either colour on a server, and a look at what they stored past kairos."""

import asyncio
import os
from functools import partial
from inspect import isawaitable
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy

import kairos
from kairos_conformance.servers import Lasting, cassandra, shared
from kairos_conformance.servers import refuse as refused

SERVER = Lasting(partial(shared, cassandra))
KEYSPACE = f"kairos_test_{os.getpid()}"
MINUTE = {"minute": {"step": 60}}


@pytest.fixture(scope="session")
def server_url():
    """The server at KAIROS_TEST_CASSANDRA_URL, else one that is started for the tests."""
    if given := os.environ.get("KAIROS_TEST_CASSANDRA_URL"):
        return given
    if reason := SERVER.missing():
        refused(reason)
    return SERVER.demand().url


@pytest.fixture(scope="session")
def session(server_url):
    """A session past kairos, with a keyspace of this process's own: making tables takes time, so tests share them."""
    parts = urlsplit(server_url)
    profile = ExecutionProfile(RoundRobinPolicy(), request_timeout=60)
    cluster = Cluster(
        [parts.hostname],
        port=parts.port,
        protocol_version=4,
        control_connection_timeout=60,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
    )
    found = cluster.connect()
    found.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE}"
        " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    found.set_keyspace(KEYSPACE)
    yield found
    found.execute(f"DROP KEYSPACE {KEYSPACE}")
    cluster.shutdown()


@pytest.fixture
def url(server_url, session):
    """The URL with the keyspace of these tests."""
    query = "timeout=60&connect_timeout=60"  # the machine may be busy
    return urlsplit(server_url)._replace(path=f"/{KEYSPACE}", query=query).geturl()


@pytest.fixture
def prefix():
    """A namespace of the test's own."""
    return uuid4().hex[:12]


class Both:
    """Timeseries in one of the two colours; `run` gives the value of what a verb returned."""

    def __init__(self, asynchronous, prefix):
        self.asynchronous = asynchronous
        self.prefix = prefix
        self.runner = asyncio.Runner() if asynchronous else None
        self.opened = []

    def run(self, result):
        async def awaited():
            return await result

        return self.runner.run(awaited()) if isawaitable(result) else result

    def open(self, target, type="count", intervals=MINUTE, **keywords):
        factory = kairos.AsyncTimeseries if self.asynchronous else kairos.Timeseries
        timeseries = factory(target, **{"type": type, "intervals": intervals, "prefix": self.prefix} | keywords)
        self.opened.append(timeseries)
        return timeseries

    def close(self):
        for timeseries in self.opened:
            self.run(timeseries.close())
        if self.runner is not None:
            self.runner.close()


@pytest.fixture(params=[False, True], ids=["blocking", "async"])
def both(request, prefix):
    opener = Both(request.param, prefix)
    yield opener
    opener.close()


@pytest.fixture
def blocking(prefix):
    opener = Both(False, prefix)
    yield opener
    opener.close()
