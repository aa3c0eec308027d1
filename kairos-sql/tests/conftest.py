"""What the tests of kairos-sql share: a file for each test, and both colours behind one face."""

import asyncio
import threading

import pytest

from kairos import AsyncTimeseries, Timeseries

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
