"""What fails: connections, servers, nodes, memory, passwords, certificates. Nothing is lost or counted twice unsaid."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

import pytest
import redis

from kairos import AsyncTimeseries, BackendError, BackendUnavailable, Timeseries
from kairos_conformance.servers import RedisServer, redis_cluster, redis_sentinel, redis_server, valkey

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
COLOURS = pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])


class Proxy:
    """Passes bytes on, until it is told to swallow the next reply and hang up."""

    def __init__(self, port: int) -> None:
        self.swallowing = False
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
            while (data := source.recv(65_536)) and not (replies and self.swallowing):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def eventually(work: Callable[[], object], patience: float = 20) -> object:
    """Try until it succeeds; what it raises meanwhile must be a BackendError."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return work()
        except BackendError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@COLOURS
@pytest.mark.parametrize("batch", [1, 500])
def test_a_lost_reply_is_an_error_and_counts_once(server: RedisServer, run, factory, batch) -> None:
    points = [(f"n{number}", 1, T0) for number in range(batch)]
    with Proxy(server.port) as proxy, Timeseries(server.url, type="count", intervals=MINUTE) as direct:
        ts = factory(f"redis://127.0.0.1:{proxy.port}", type="count", intervals=MINUTE)
        run(ts.insert("w", timestamp=T0))  # or what is lost is the reply that the script is unknown
        proxy.swallowing = True
        with pytest.raises(BackendUnavailable, match="not known") as caught:
            run(ts.bulk_insert(points))
        assert caught.value.outcome_unknown
        time.sleep(0.05)
        assert direct.get("n0", "minute", timestamp=T0) == {T0: 1}
        proxy.swallowing = False
        run(ts.insert("n0", timestamp=T0))
        assert run(ts.get("n0", "minute", timestamp=T0)) == {T0: 2}
        run(ts.close())


@COLOURS
def test_nobody_listens(run, factory) -> None:
    ts = factory("redis://:hunter2@127.0.0.1:1", type="count", intervals=MINUTE)
    for call in (lambda: ts.insert("a"), lambda: ts.get("a", "minute"), ts.list):
        with pytest.raises(BackendUnavailable) as caught:
            run(call())
        assert not caught.value.outcome_unknown
        assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)
    run(ts.close())


def test_the_server_is_killed_in_the_middle_of_a_bulk_insert(server: RedisServer) -> None:
    points = [(f"n{number % 2000}", 1, T0 + 60 * number) for number in range(60_000)]
    with Timeseries(server.url, type="count", intervals=MINUTE) as ts:
        ts.insert("a", timestamp=T0)
        killer = threading.Timer(0.6, server.process.kill)
        killer.start()

        def work() -> None:
            while True:
                ts.bulk_insert(points)

        with pytest.raises(BackendUnavailable) as caught:
            work()
        assert isinstance(caught.value, ConnectionError)
        killer.join()
        with pytest.raises(BackendUnavailable):
            ts.insert("a", timestamp=T0)
        server.process.start()
        ts.insert("a", timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 1}  # it keeps nothing on disk
        assert ts.list() == ["a"]


@COLOURS
def test_a_server_forgets_scripts(server: RedisServer, run, factory) -> None:
    ts = factory(server.url, type="count", intervals=MINUTE)
    for _ in range(3):
        server.command("SCRIPT", "FLUSH")
        run(ts.bulk_insert([("a", 1, T0), ("b", 1, T0)]))
        server.command("SCRIPT", "FLUSH")
        run(ts.insert("a", timestamp=T0))
    server.command("SCRIPT", "FLUSH")
    assert run(ts.list()) == ["a", "b"]
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: 6}
    assert run(ts.delete("a")) == 1
    run(ts.close())


@COLOURS
def test_memory_runs_out(server: RedisServer, run, factory) -> None:
    ts = factory(server.url, type="series", intervals=MINUTE)
    run(ts.insert("a", 1, timestamp=T0))
    server.command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(BackendError, match="out of memory"):
        run(ts.insert("a", 2, timestamp=T0))
    with pytest.raises(BackendError, match="out of memory"):
        run(ts.bulk_insert([(f"n{number}", 2, T0) for number in range(10)]))
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: ["1"]}
    assert run(ts.list()) == ["a"]
    server.command("CONFIG", "SET", "maxmemory", 0)
    run(ts.insert("a", 2, timestamp=T0))
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: ["1", "2"]}
    run(ts.close())


@COLOURS
def test_a_wrong_password(start, run, factory) -> None:
    server = start(lambda: valkey(password="right"))
    good = factory(server.url, type="count", intervals=MINUTE)
    run(good.insert("a", timestamp=T0))
    for url in (f"redis://:hunter2@127.0.0.1:{server.port}", f"redis://127.0.0.1:{server.port}"):
        ts = factory(url, type="count", intervals=MINUTE)
        with pytest.raises(BackendError) as caught:
            run(ts.insert("a", timestamp=T0))
        assert "hunter2" not in str(caught.value)
        run(ts.close())
    assert run(good.get("a", "minute", timestamp=T0)) == {T0: 1}
    run(good.close())


# redis-py leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl:pytest.PytestUnraisableExceptionWarning")
@COLOURS
def test_tls(start, server, run, factory) -> None:
    secure = start(lambda: redis_server(tls=True, password="secret"))
    ts = factory(secure.url, type="count", intervals=MINUTE)
    run(ts.insert("a", timestamp=T0))
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: 1}
    run(ts.close())
    untrusted = secure.url.partition("?")[0]
    plain = server.url.replace("redis://", "rediss://")
    spoken_plainly = untrusted.replace("rediss://", "redis://")
    for url in (untrusted, plain, spoken_plainly):
        ts = factory(url, type="count", intervals=MINUTE)
        with pytest.raises(BackendError) as caught:
            run(ts.insert("a", timestamp=T0))
        assert "secret" not in str(caught.value)
        run(ts.close())


@COLOURS
def test_a_sentinel_fails_over(start, run, factory) -> None:
    sentinel = start(redis_sentinel)
    ts = factory(sentinel.url, type="count", intervals=MINUTE)
    for _ in range(3):
        run(ts.insert("a", timestamp=T0))
    primary, replica = sentinel.servers
    replica.process.wait_until(lambda: "offset=0," not in primary.command("INFO", "replication"))
    assert primary.command("WAIT", 1, 5000) == "1"
    primary.process.kill()
    eventually(lambda: run(ts.insert("b", timestamp=T0)))
    assert replica.command("ROLE") == "2" or "role:master" in replica.command("INFO", "replication")
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: 3}
    assert run(ts.list()) == ["a", "b"]
    run(ts.close())


@COLOURS
def test_a_node_of_a_cluster_is_killed(start, run, factory) -> None:
    cluster = start(redis_cluster)
    ts = factory(cluster.url, type="count", intervals=MINUTE)
    names = [f"n{number}" for number in range(30)]
    run(ts.bulk_insert([(name, 1, T0) for name in names]))
    assert run(ts.list()) == sorted(names)
    victim = cluster.nodes[1]
    victim.process.kill()
    fine, failed = [], []
    for name in names:
        try:
            run(ts.get(name, "minute", timestamp=T0))
            fine.append(name)
        except BackendUnavailable:
            failed.append(name)
    assert fine
    assert failed
    with pytest.raises(BackendUnavailable):
        run(ts.bulk_insert([(name, 1, T0) for name in names]))
    victim.process.start()
    for name in failed:
        eventually(lambda name=name: run(ts.insert(name, timestamp=T0)))
    assert set(failed) <= set(eventually(lambda: run(ts.list())))
    run(ts.close())


def test_a_client_of_the_users_stays_open(server, client) -> None:
    with Timeseries(client, type="count", intervals=MINUTE) as ts:
        ts.insert("a", timestamp=T0)
        client.set("count:{b}", "x")
        with pytest.raises(BackendError):
            ts.insert("b", timestamp=T0)
    assert client.ping()


def test_a_client_that_we_open_repeats_nothing(server) -> None:
    with Timeseries(server.url, type="count", intervals=MINUTE) as ts:
        retry = ts.backend._client.get().connection_pool.connection_kwargs["retry"]
    assert retry._retries == 0
    assert isinstance(redis.Redis().get_retry()._retries, int)
