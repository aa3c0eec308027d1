"""The conformance suite on MongoDB: by URL, and by clients and databases of the user's."""

import atexit
import os
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import urlsplit

import pytest
from pymongo import AsyncMongoClient, MongoClient

from kairos_conformance import BackendSuite, Colour
from kairos_conformance.servers import Lasting, ServerHarness, secantus

SERVER = Lasting(lambda: secantus(ttl_sweep_seconds=1))
DATABASE = f"kairos_conformance_{os.getpid()}"


def with_database(url):
    """The URL of the server with a database of this process's own, since several may share a server."""
    return urlsplit(url)._replace(path=f"/{DATABASE}").geturl()


def fetch(handle, spec, sort, method):
    """The one of the documentation."""
    if method == "find":
        return handle.find(spec, sort=sort)
    return handle.find_one(spec)


class MongoHarness(ServerHarness):
    """What the suite can look up past kairos."""

    def __init__(self):
        super().__init__(
            SERVER,
            "KAIROS_TEST_MONGODB_URL",
            to_url=with_database,
            fetch=dict.fromkeys(("count", "gauge", "histogram", "series", "set"), fetch),
            # SecantusDB takes a time with the square of them for $in, $addToSet and $inc, and 0.7 ms for an upsert.
            many=5000 if "KAIROS_TEST_MONGODB_URL" in os.environ else 300,
            cleaning="KAIROS_TEST_MONGODB_URL" in os.environ,
            unreachable="mongodb://ann:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=200",
        )

    @cached_property
    def looking(self):
        """The database past kairos."""
        client = MongoClient(self.url)
        atexit.register(client.close)
        return client[DATABASE]

    @contextmanager
    def target(self, colour, run):
        """Thousands of tests would leave a few collections each."""
        yield self.url
        if len(self.looking.list_collection_names()) > 50:
            self.looking.client.drop_database(DATABASE)

    @contextmanager
    def plant(self):
        """A collection that is not ours."""
        foreign = self.looking["kairos_foreign"]
        foreign.replace_one({}, {"name": "a"}, upsert=True)
        yield lambda: [document["name"] for document in foreign.find()] == ["a"]

    def stored(self, kind, prefix):
        names = self.looking.list_collection_names(filter={"name": {"$regex": f"^kairos_{kind}"}})
        return sum(self.looking[name].count_documents({"chunk": 0}) for name in names if name.endswith(f"_{prefix}"))


class ClientHarness(MongoHarness):
    """Clients of the user's, and the database by its name."""

    def __init__(self):
        super().__init__()
        self.options = {"database": DATABASE}
        self.variant = True

    @contextmanager
    def target(self, colour, run):
        with super().target(colour, run):
            client = (AsyncMongoClient if colour is Colour.ASYNC else MongoClient)(self.url)
            yield client
            run(client.close())


class TestURL(BackendSuite):
    """By URL."""

    harness = MongoHarness()


@pytest.mark.full
class TestClient(BackendSuite):
    """By a client."""

    harness = ClientHarness()
