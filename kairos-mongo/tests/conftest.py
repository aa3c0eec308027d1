"""Timeseries of either colour on a server, and a look at what they stored past kairos."""

import asyncio
import os
from inspect import isawaitable
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from pymongo import MongoClient

import kairos
from kairos_conformance.servers import Lasting, secantus
from kairos_conformance.servers import refuse as refused

SERVER = Lasting(secantus)
MINUTE = {"minute": {"step": 60}}


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
