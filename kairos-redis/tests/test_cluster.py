"""What only a cluster does: it answers by several nodes, which fail one by one, and it moves slots about."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import redis
import valkey as valkey_py

from kairos import AsyncTimeseries, BackendUnavailable, Timeseries
from kairos_conformance.servers import Lasting, RedisCluster, redis_binary, redis_cluster, valkey_binary

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
BOTH = {**MINUTE, "hour": {"step": 3600, "resolution": 60}}
CLUSTER = Lasting(redis_cluster)
BINARIES = pytest.mark.parametrize("binary", [valkey_binary, pytest.param(redis_binary, marks=pytest.mark.full)])
COLOURS = pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    """One for all tests of this module that leave it whole, emptied."""
    found = CLUSTER.demand()
    yield found
    for node in found.nodes:
        node.command("FLUSHALL")


def slot_of(key: str, cluster: RedisCluster) -> int:
    return int(cluster.nodes[0].command("CLUSTER", "KEYSLOT", key))


class Move:
    """Moves the slot of a key from its node to another one, step by step."""

    def __init__(self, cluster: RedisCluster, key: str) -> None:
        self.cluster, self.slot = cluster, slot_of(key, cluster)
        self.old, self.new = cluster.nodes[self.slot * 3 // 16_384], cluster.nodes[(self.slot * 3 // 16_384 + 1) % 3]

    def begin(self) -> None:
        self.new.command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.old.command("CLUSTER", "MYID"))
        self.old.command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.new.command("CLUSTER", "MYID"))

    def keys(self, number: int) -> None:
        """Move so many keys."""
        with redis.Redis(port=self.old.port) as client:
            for key in client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, number):
                client.migrate("127.0.0.1", self.new.port, key, 0, 5000)

    def end(self) -> None:
        for node in (self.new, self.old, *self.cluster.nodes):
            node.command("CLUSTER", "SETSLOT", self.slot, "NODE", self.new.command("CLUSTER", "MYID"))


@COLOURS
@pytest.mark.parametrize("batch", [1, 100])
def test_a_lost_reply_is_an_error_and_counts_once(cluster, run, proxied, factory, batch) -> None:
    """redis-py's blocking pipeline of a cluster sends each command again whose reply was lost, whatever its retries."""
    names = [f"n{number}" for number in range(batch)]
    with ExitStack() as stack, Timeseries(cluster.url, type="count", intervals=MINUTE) as direct:
        proxies = {node.port: stack.enter_context(proxied(node.port)) for node in cluster.nodes}
        ports = {port: proxy.port for port, proxy in proxies.items()}
        remap = {"address_remap": lambda address: (address[0], ports.get(address[1], address[1]))}
        ts = factory(cluster.url, type="count", intervals=MINUTE, client_config=remap)
        run(ts.bulk_insert([(name, 1, T0) for name in names]))
        for proxy in proxies.values():
            proxy.swallowing = True  # each of them once
        with pytest.raises(BackendUnavailable) as caught:
            run(ts.bulk_insert([(name, 1, T0) for name in names]))
        assert caught.value.outcome_unknown
        for proxy in proxies.values():
            proxy.swallowing = False
        found = direct.get(names, "minute", timestamp=T0, join_rows=list)[T0]
        assert set(found) <= {1, 2}
        run(ts.bulk_insert([(name, 1, T0) for name in names]))
        after = direct.get(names, "minute", timestamp=T0, join_rows=list)[T0]
        assert after == [count + 1 for count in found]
        run(ts.close())


@COLOURS
@BINARIES
def test_a_slot_moves(start, run, eventually, factory, binary) -> None:
    """Whatever is written and read while a slot moves is right, or an error that says that it may be tried again."""
    cluster = start(lambda: redis_cluster(binary()))
    ts = factory(cluster.url, type="count", intervals=BOTH)
    names = [f"n{number}" for number in range(30)]
    buckets = [T0 + 60 * number for number in range(10)]
    counted = 0

    def write() -> None:
        nonlocal counted
        with suppress(BackendUnavailable):
            run(ts.bulk_insert([("n0", 1, T0 + 60)]))
            counted += 1
        run(ts.bulk_insert([(name, 1, bucket) for name in names[1:] for bucket in buckets]))

    def check(times: int) -> None:
        assert run(ts.get("n0", "minute", timestamp=T0 + 60)) == {T0 + 60: counted + 1}
        found = run(ts.series(names, "minute", start=buckets[0], end=buckets[-1], join_rows=list))
        assert found[T0] == [1, *[times + 1] * 29]
        assert found[T0 + 60] == [counted + 1, *[times + 1] * 29]

    run(ts.bulk_insert([(name, 1, bucket) for name in names for bucket in buckets]))
    move = Move(cluster, "count:{n0}")
    move.begin()
    check(0)
    move.keys(5)
    write()
    check(1)
    move.keys(100)
    write()
    check(2)
    move.end()
    eventually(lambda: run(ts.insert("n0", timestamp=T0 + 60)))
    counted += 1
    write()
    check(3)
    assert run(ts.list()) == sorted(names)
    assert run(ts.delete("n0")) == 20
    run(ts.close())


def both_colours(url: str, number: int = 1) -> list[Timeseries | AsyncTimeseries]:
    """So many of each colour, each with a prefix of its own: a cluster takes some seconds to start and to fail."""
    factories = [Timeseries, AsyncTimeseries] * number
    return [
        factory(url, type="count", intervals=MINUTE, prefix=f"p{number}") for number, factory in enumerate(factories)
    ]


@BINARIES
def test_a_node_of_a_cluster_is_killed(start, run, eventually, binary) -> None:
    cluster = start(lambda: redis_cluster(binary()))
    series = both_colours(cluster.url)
    names = [f"n{number}" for number in range(30)]
    for ts in series:
        run(ts.bulk_insert([(name, 1, T0) for name in names]))
        assert run(ts.list()) == sorted(names)
    victim = cluster.nodes[1]
    victim.process.kill()
    lost = []
    for ts in series:
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
        lost.append(failed)
    victim.process.start()
    for ts, failed in zip(series, lost, strict=True):
        for name in failed:
            eventually(lambda ts=ts, name=name: run(ts.insert(name, timestamp=T0)))
        assert set(failed) <= set(eventually(lambda ts=ts: run(ts.list())))
        run(ts.close())


def test_all_nodes_are_killed(start, run, eventually) -> None:
    """Whether a client has spoken with the cluster before or not."""
    cluster = start(redis_cluster)
    series = both_colours(cluster.url, 2)
    for ts in series[:2]:
        run(ts.bulk_insert([(f"n{number}", 1, T0) for number in range(30)]))
    for node in cluster.nodes:
        node.process.kill()
    for ts in series * 2:
        for verb in (
            lambda ts: ts.insert("a", timestamp=T0),
            lambda ts: ts.bulk_insert([("a", 1, T0), ("b", 1, T0)]),
            lambda ts: ts.get("a", "minute", timestamp=T0),
            lambda ts: ts.get(["a", "b"], "minute", timestamp=T0, fetch=lambda handle, key: handle.get(key)),
            lambda ts: ts.list(),
            lambda ts: ts.delete("a"),
        ):
            with pytest.raises(BackendUnavailable):
                run(verb(ts))
    for node in cluster.nodes:
        node.process.start()
    for ts in series:
        eventually(lambda ts=ts: run(ts.bulk_insert([(name, 1, T0) for name in "ab"])))
        assert run(ts.list()) == ["a", "b"]
        run(ts.close())


# redis-py leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl:pytest.PytestUnraisableExceptionWarning")
def test_tls(start, run) -> None:
    cluster = start(lambda: redis_cluster(redis_binary(), tls=True))
    assert cluster.url.startswith("rediss+cluster://")
    names = [f"n{number}" for number in range(20)]
    for ts in both_colours(cluster.url):
        run(ts.bulk_insert([(name, 1, T0) for name in names]))
        assert run(ts.list()) == sorted(names)
        assert run(ts.get(names, "minute", timestamp=T0)) == {T0: 20}
        run(ts.close())
    for untrusted in both_colours(cluster.url.partition("?")[0]):
        with pytest.raises(BackendUnavailable, match="certificate verify failed"):
            run(untrusted.insert("a", timestamp=T0))
        run(untrusted.close())


@COLOURS
@pytest.mark.parametrize("query", ["protocol=2", "protocol=3", "decode_responses=1", "protocol=3&decode_responses=1"])
def test_replies_of_every_form(cluster, run, factory, query) -> None:
    forms = {"set": {b"\xff", b"a"}, "series": [b"\xff", b"a"], "histogram": {b"\xff": 1, b"a": 1}}
    for kind, expected in forms.items():
        ts = factory(f"{cluster.url}?{query}", type=kind, intervals=BOTH, value_type=bytes)
        run(ts.bulk_insert([(name, [b"\xff", b"a"], T0) for name in "abcdef"]))
        for interval in BOTH:
            assert run(ts.get("a", interval, timestamp=T0)) == {T0: expected}
            assert run(ts.get(["a", "b"], interval, timestamp=T0, join_rows=list)) == {T0: [expected] * 2}
        assert run(ts.list()) == list("abcdef")
        assert set(run(ts.properties("a"))) == {"hour", "minute"}
        assert run(ts.delete("a")) == 2
        run(ts.close())


def test_clients_of_valkey_py(cluster) -> None:
    with valkey_py.ValkeyCluster("127.0.0.1", cluster.nodes[0].port) as client:
        ts = Timeseries(client, type="count", intervals=MINUTE)
        ts.bulk_insert([(name, 1, T0) for name in "abcdef"])
        assert ts.get(list("abcdef"), "minute", timestamp=T0) == {T0: 6}
        assert ts.list() == list("abcdef")
        ts.delete_all()
        assert ts.list() == []
