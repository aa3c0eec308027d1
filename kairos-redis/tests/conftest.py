"""Servers of a test's own: a Valkey starts in a few hundredths of a second."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import isawaitable
from typing import Self

import pytest
import redis

from kairos import BackendError
from kairos_conformance.servers import RedisServer, refuse, valkey
from kairos_conformance.servers._process import Missing


class Proxy:
    """Passes bytes on, until it is told to swallow the next reply and hang up, or to ``answer`` everything itself. If
    it is ``deaf``, it listens no more after that."""

    def __init__(self, port: int) -> None:
        self.swallowing = False
        self.answer: bytes | None = None
        self.deaf = False
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for source, sink, replies in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass, args=(source, sink, replies), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if replies and self.swallowing:
                    self.swallowing = False
                    if self.deaf:
                        self._listener.shutdown(socket.SHUT_RDWR)
                        self._listener.close()
                    break
                if self.answer is None:
                    sink.sendall(data)
                else:
                    source.sendall(self.answer)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


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


@pytest.fixture
def proxied() -> Callable[[int], Proxy]:
    """Makes a proxy of a port."""
    return Proxy


@pytest.fixture
def eventually() -> Callable:
    """Calls something until it succeeds; what it raises meanwhile must be a BackendError."""

    def eventually(work: Callable[[], object], patience: float = 30) -> object:
        deadline = time.monotonic() + patience
        while True:
            try:
                return work()
            except BackendError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    return eventually
