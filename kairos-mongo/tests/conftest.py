"""Timeseries of either colour on a server, and a look at what they stored past kairos."""

import asyncio
import gc
import os
import warnings
from inspect import isawaitable
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pymongo import MongoClient

import kairos
from kairos_conformance.servers import Lasting, secantus
from kairos_conformance.servers import refuse as refused

SERVER = Lasting(secantus)
# A server on which tests set failpoints, which hold for all of its clients.
FAILING = Lasting(lambda: secantus("--enable-test-commands"))
MINUTE = {"minute": {"step": 60}}


# PyMongo (4.20) leaves a socket to the garbage collector if its task is cancelled while it connects, as `close` does
# with the task that watches a server: test_clients.py shows it without kairos. A client that is left unclosed is
# another warning, which stays an error.
ABANDONED = "unclosed <socket"


def pytest_itemcollected(item):
    item.add_marker(pytest.mark.filterwarnings(f"ignore:{ABANDONED}:ResourceWarning"))


@pytest.fixture(scope="module", autouse=True)
def _abandoned_sockets():
    """They are collected here, not during the tests of somebody else in the same process."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ABANDONED, ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def server_url():
    """The server at KAIROS_TEST_MONGODB_URL, else one that is started for the tests."""
    if given := os.environ.get("KAIROS_TEST_MONGODB_URL"):
        return given
    if reason := SERVER.missing():
        refused(reason)
    return SERVER.demand().url


@pytest.fixture(scope="session")
def is_mongod(server_url):
    """Whether this is MongoDB itself, whose planner uses an index where that of the wire server does not."""
    return "KAIROS_TEST_MONGODB_URL" in os.environ


@pytest.fixture
def url(server_url):
    """A database of the test's own."""
    name = f"kairos_test_{uuid4().hex[:12]}"
    yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with MongoClient(server_url) as client:
        client.drop_database(name)


@pytest.fixture
def database(url):
    """The same database, by PyMongo alone."""
    with MongoClient(url) as client:
        yield client.get_default_database()


class Both:
    """Timeseries in one of the two colours; `run` gives the value of what a verb returned."""

    def __init__(self, asynchronous):
        self.asynchronous = asynchronous
        self.runner = asyncio.Runner() if asynchronous else None
        self.opened = []

    def run(self, result):
        async def awaited():
            return await result

        return self.runner.run(awaited()) if isawaitable(result) else result

    def open(self, target, type="count", intervals=MINUTE, **keywords):
        factory = kairos.AsyncTimeseries if self.asynchronous else kairos.Timeseries
        timeseries = factory(target, type=type, intervals=intervals, **keywords)
        self.opened.append(timeseries)
        return timeseries

    def close(self):
        for timeseries in self.opened:
            self.run(timeseries.close())
        if self.runner is not None:
            self.runner.close()


@pytest.fixture(params=[False, True], ids=["blocking", "async"])
def both(request):
    opener = Both(request.param)
    yield opener
    opener.close()


@pytest.fixture
def blocking():
    opener = Both(False)
    yield opener
    opener.close()


@pytest.fixture
def failing():
    """The URL of a server that can be made to fail, and how."""
    server = FAILING.demand()

    def fail(times, **how):
        with MongoClient(server.url) as client:
            mode = {"times": times} if times else "off"
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=how)

    yield f"{server.url}failing", fail
    fail(0)
    with MongoClient(server.url) as client:
        client.drop_database("failing")
