"""Servers of a test's own: a Valkey starts in a few hundredths of a second."""

import asyncio
from collections.abc import Callable, Iterator
from inspect import isawaitable

import pytest
import redis

from kairos_conformance.servers import RedisServer, refuse, valkey
from kairos_conformance.servers._process import Missing


def started(start: Callable) -> object:
    try:
        return start()
    except Missing as error:
        refuse(str(error))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with started(valkey) as found:
        yield found


@pytest.fixture
def start() -> Iterator[Callable]:
    """Starts a server of another kind; it ends with the test."""
    running = []

    def start(make: Callable) -> object:
        running.append(started(make))
        return running[-1]

    yield start
    for found in running:
        found.stop()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url) as found:
        yield found


@pytest.fixture
def run() -> Iterator[Callable]:
    """The value of what a call in either colour gave."""

    async def awaited(result: object) -> object:
        return await result

    with asyncio.Runner() as runner:
        yield lambda result: runner.run(awaited(result)) if isawaitable(result) else result
