"""What fails: connections, servers, nodes, memory, passwords, certificates. Nothing is lost or counted twice unsaid."""

import socket
import threading
import time
from datetime import datetime
from decimal import Decimal
from importlib import import_module

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kairos import AsyncTimeseries, BackendError, BackendUnavailable, CountOverflow, Timeseries
from kairos_conformance.servers import (
    RedisServer,
    redis_binary,
    redis_sentinel,
    redis_server,
    valkey,
    valkey_binary,
)

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
BINARIES = pytest.mark.parametrize("binary", [valkey_binary, pytest.param(redis_binary, marks=pytest.mark.full)])
REPLIES = {
    "LOADING Redis is loading the dataset in memory": BackendUnavailable,
    "BUSY Redis is busy running a script.": BackendUnavailable,
    "MASTERDOWN Link with MASTER is down": BackendUnavailable,
    "READONLY You can't write against a read only replica.": BackendUnavailable,
    "TRYAGAIN Multiple keys request during rehashing of slot": BackendUnavailable,
    "CLUSTERDOWN Hash slot not served": BackendUnavailable,
    "NOREPLICAS Not enough good replicas to write.": BackendUnavailable,
    "MISCONF Redis is configured to save RDB snapshots": BackendUnavailable,
    "ERR max number of clients reached": BackendUnavailable,
    "ERR increment or decrement would overflow": CountOverflow,
    "OOM command not allowed when used memory > 'maxmemory'.": BackendError,
    "NOPERM this user has no permissions to run the 'evalsha' command": BackendError,
    "NOAUTH Authentication required.": BackendError,
    "WRONGTYPE Operation against a key holding the wrong kind of value": BackendError,
}
COLOURS = pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])


@COLOURS
@pytest.mark.parametrize("batch", [1, 500])
def test_a_lost_reply_is_an_error_and_counts_once(server: RedisServer, run, proxied, factory, batch) -> None:
    points = [(f"n{number}", 1, T0) for number in range(batch)]
    with proxied(server.port) as proxy, Timeseries(server.url, type="count", intervals=MINUTE) as direct:
        ts = factory(f"redis://127.0.0.1:{proxy.port}", type="count", intervals=MINUTE)
        run(ts.insert("w", timestamp=T0))  # or what is lost is the reply that the script is unknown
        proxy.swallowing = True
        with pytest.raises(BackendUnavailable, match="not known") as caught:
            run(ts.bulk_insert(points))
        assert caught.value.outcome_unknown
        time.sleep(0.05)
        assert direct.get("n0", "minute", timestamp=T0) == {T0: 1}
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
    # This server waits for the rest of a command, and the client for an answer: five seconds, if not told otherwise.
    plain = server.url.replace("redis://", "rediss://") + "?socket_timeout=0.5&socket_connect_timeout=0.5"
    spoken_plainly = untrusted.replace("rediss://", "redis://")
    for url in (untrusted, plain, spoken_plainly):
        ts = factory(url, type="count", intervals=MINUTE)
        with pytest.raises(BackendError) as caught:
            run(ts.insert("a", timestamp=T0))
        assert "secret" not in str(caught.value)
        run(ts.close())


@BINARIES
def test_a_sentinel_fails_over(start, run, eventually, binary) -> None:
    """One takes some seconds, so both colours look at the same."""
    sentinel = start(lambda: redis_sentinel(binary()))
    series = [
        factory(sentinel.url, type="count", intervals=MINUTE, prefix=factory.__name__)
        for factory in (Timeseries, AsyncTimeseries)
    ]
    for ts in series * 3:
        run(ts.insert("a", timestamp=T0))
    primary, replica = sentinel.servers
    replica.process.wait_until(lambda: "offset=0," not in primary.command("INFO", "replication"))
    assert primary.command("WAIT", 1, 5000) == "1"
    primary.process.kill()
    for ts in series:
        eventually(lambda ts=ts: run(ts.insert("b", timestamp=T0)))
    assert replica.command("ROLE") == "2" or "role:master" in replica.command("INFO", "replication")
    for ts in series:
        assert run(ts.get("a", "minute", timestamp=T0)) == {T0: 3}
        assert run(ts.list()) == ["a", "b"]
        run(ts.close())


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: "-".join(reply.split()[:2]))
@pytest.mark.parametrize("package", ["redis", "redis.asyncio", "valkey", "valkey.asyncio"])
def test_an_error_of_the_server_says_that_nothing_was_written(server, run, proxied, package, reply) -> None:
    """Each is an answer, so it is known that a single command was not carried out."""
    module = import_module(package)
    make = getattr(module, package.partition(".")[0].title())
    retry = import_module(f"{package}.retry").Retry(
        import_module(f"{package.partition('.')[0]}.backoff").NoBackoff(), 0
    )
    with proxied(server.port) as proxy:
        client = make(port=proxy.port, retry=retry)
        ts = (AsyncTimeseries if "asyncio" in package else Timeseries)(client, type="count", intervals=MINUTE)
        run(ts.insert("a", timestamp=T0))
        proxy.answer = f"-{reply}\r\n".encode()
        for verb in (lambda: ts.insert("a", timestamp=T0), lambda: ts.get("a", "minute", timestamp=T0)):
            with pytest.raises(REPLIES[reply]) as caught:
                run(verb())
            assert type(caught.value) is REPLIES[reply]
            assert not caught.value.outcome_unknown
        run(client.aclose() if "asyncio" in package else client.close())


@COLOURS
@pytest.mark.parametrize("intervals", [MINUTE, {**MINUTE, "hour": {"step": 3600}}])
def test_without_a_connection_nothing_was_written(run, factory, intervals) -> None:
    ts = factory("redis://127.0.0.1:1", type="count", intervals=intervals)
    for points in ([("a", 1, T0)], [(f"n{number}", 1, T0) for number in range(100)]):
        with pytest.raises(BackendUnavailable) as caught:
            run(ts.bulk_insert(points))
        assert not caught.value.outcome_unknown
    run(ts.close())


def test_a_client_that_repeats_cannot_know(server, proxied) -> None:
    """The last error is that nobody listens, and yet the first attempt was carried out."""
    retry = Retry(NoBackoff(), 2)
    with proxied(server.port) as proxy, redis.Redis(port=proxy.port, retry=retry) as client:
        ts = Timeseries(client, type="count", intervals=MINUTE)
        ts.insert("a", timestamp=T0)
        proxy.swallowing = True
        proxy.deaf = True
        with pytest.raises(BackendUnavailable, match="connecting") as caught:
            ts.insert("a", timestamp=T0)
        assert caught.value.outcome_unknown
    with Timeseries(server.url, type="count", intervals=MINUTE) as direct:
        assert direct.get("a", "minute", timestamp=T0) == {T0: 2}


@COLOURS
def test_nobody_answers_in_time(run, factory) -> None:
    """Within the handshake too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://:hunter2@127.0.0.1:{silent.getsockname()[1]}?socket_timeout=0.05"
        ts = factory(url, type="count", intervals=MINUTE)
        with pytest.raises(BackendUnavailable):
            run(ts.get("a", "minute", timestamp=T0))
        with pytest.raises(BackendUnavailable):
            run(ts.insert("a", timestamp=T0))
        run(ts.close())


@COLOURS
def test_what_cannot_be_decoded_is_named(server, client, run, factory) -> None:
    key = f"series:{{a}}:minute:{T0 // 60}"
    client.rpush(key, b"\xff")
    for query, value_type in (("", str), ("?decode_responses=1", int), ("?protocol=3", Decimal), ("", datetime)):
        ts = factory(server.url + query, type="series", intervals=MINUTE, value_type=value_type)
        with pytest.raises(BackendError) as caught:
            run(ts.get("a", "minute", timestamp=T0))
        assert key in str(caught.value)
        run(ts.close())


@COLOURS
def test_a_client_that_decodes_cannot_fetch_bytes(server, run, factory) -> None:
    ts = factory(f"{server.url}?decode_responses=1", type="series", intervals=MINUTE, value_type=bytes)
    run(ts.bulk_insert([("a", [b"\xff", b"a"], T0)]))
    for _ in range(3):
        with pytest.raises(BackendError, match="utf-8"):
            run(ts.get("a", "minute", timestamp=T0, fetch=lambda handle, key: handle.lrange(key, 0, -1)))
        assert run(ts.get("a", "minute", timestamp=T0)) == {T0: [b"\xff", b"a"]}
    run(ts.close())


@COLOURS
@pytest.mark.parametrize("ahead", [100, 7300])
def test_the_clock_of_the_server_is_ahead(server, client, run, factory, ahead) -> None:
    """What is already past by it is not kept, and all else is."""
    intervals = {"second": {"step": 1, "steps": 2}, "hour": {"step": 3600, "steps": 2}, "day": {"step": "daily"}}
    now = int(time.time()) - ahead
    ts = factory(server.url, type="count", intervals=intervals, clock=lambda: now)
    for _ in range(2):
        run(ts.bulk_insert([("a", 1, now), ("b", 1, now)]))
    short = factory(
        server.url, type="count", prefix="short", clock=lambda: now, intervals={"second": {"step": 1, "steps": 2}}
    )
    run(short.insert("a"))
    assert run(ts.get("a", "day")) == {now // 86400 * 86400: 2}
    assert sum(run(ts.get("a", "hour")).values()) == (2 if ahead < 3600 else 0)
    assert sum(run(ts.get("a", "second")).values()) == 0
    assert run(ts.list()) == ["a", "b"]
    assert run(short.list()) == []
    run(ts.delete_all())
    assert client.dbsize() == 0
    run(ts.close())
    run(short.close())


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
