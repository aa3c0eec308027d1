"""Which clients and URLs are taken, and the caller's own pipelines."""

import asyncio

import fakeredis
import pytest
import redis
import redis.asyncio
import valkey
import valkey.asyncio

from kairos import AsyncTimeseries, BackendError, ConfigurationError, InvalidValue, Timeseries, Written
from kairos_conformance.servers import Lasting, redis_cluster

CLUSTER = Lasting(redis_cluster)
T0 = 1_356_998_400
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
KINDS = {"count": 3, "gauge": "2", "histogram": {"1": 1, "2": 1}, "series": ["1", "2"], "set": {"1", "2"}}


def use(make, run, kind: str, expected: object, factory=Timeseries) -> None:
    """All verbs, on a client."""
    ts = factory(make, type=kind, intervals=BOTH)
    run(ts.bulk_insert([("a", value, T0) for value in (1, 2)]))
    assert run(ts.get("a", "minute", timestamp=T0)) == {T0: expected}
    assert run(ts.get("a", "hour", timestamp=T0)) == {T0: expected}
    assert run(ts.list()) == ["a"]
    assert run(ts.properties("a"))["hour"] == {"first": T0, "last": T0}
    assert run(ts.delete("a")) == 2
    run(ts.delete_all())
    assert run(ts.list()) == []
    run(ts.close())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("package", [redis, valkey, fakeredis])
def test_blocking_clients(server, run, kind, decode, package) -> None:
    if package is fakeredis:
        client = fakeredis.FakeRedis(decode_responses=decode)
    else:
        client = getattr(package, package.__name__.title())(port=server.port, decode_responses=decode)
    with client:
        use(client, run, kind, KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("package", [redis, valkey, fakeredis])
def test_asynchronous_clients(server, run, kind, decode, package) -> None:
    if package is fakeredis:
        client = fakeredis.FakeAsyncRedis(decode_responses=decode)
    else:
        client = getattr(package.asyncio, package.__name__.title())(port=server.port, decode_responses=decode)
    use(client, run, kind, KINDS[kind], AsyncTimeseries)
    run(client.aclose())


@pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])
@pytest.mark.parametrize("scheme", ["redis", "valkey", "unix", "redis+cluster", "REDIS"])
def test_urls(server, run, factory, scheme) -> None:
    match scheme:
        case "unix":
            url = f"unix://{server.socket_path}?db=3"
        case "redis+cluster":
            url = CLUSTER.demand().url
        case _:
            url = f"{scheme}://127.0.0.1:{server.port}/3"
    use(url, run, "series", ["1", "2"], factory)


def test_client_config_and_options_of_a_url(server) -> None:
    url = f"redis://127.0.0.1:{server.port}/2?decode_responses=true&socket_timeout=3"
    with Timeseries(url, type="count", intervals=BOTH, client_config={"client_name": "me"}) as ts:
        ts.insert("a", timestamp=T0)
        client = ts.backend._client.get()
        assert client.client_getname() == "me"
        assert client.get_connection_kwargs()["db"] == 2
        assert ts.backend._client.decodes


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://h:port/0", "redis URL"),
        ("redis://h/zero", "number of a database"),
        ("redis://h?no_such_option=1", "no_such_option"),
        ("redis+cluster://h:1,:2", "host:port"),
        ("redis+cluster://h:1,h:99999", "host:port"),
        ("redis+cluster://h:1/2", "database"),
        ("redis+sentinel://h:1", "name of the service"),
        ("redis+sentinel:///kairos/0", "host:port"),
        ("redis+other://h", "scheme"),
        ("unix+cluster://h", "scheme"),
    ],
)
def test_a_bad_url_is_refused_at_once(url, message) -> None:
    for given in (url, url.replace("://", "://user:hunter2@")):
        with pytest.raises(ConfigurationError, match=message) as caught:
            Timeseries(given, intervals=BOTH)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("slash", ["", "/", "/0"])
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster", "redis+sentinel"])
def test_a_query_may_hold_what_else_would_part_a_url(scheme, slash) -> None:
    where = f"{scheme}://:secret@h:7000" + ("/service" if "sentinel" in scheme else "") + slash
    ts = AsyncTimeseries(f"{where}?client_name=a@b/c:d,e", intervals=BOTH)
    client = ts.backend._client.get()
    if "cluster" in scheme:
        (node,) = client.nodes_manager.startup_nodes.values()
        assert (node.host, node.port) == ("h", 7000)
        assert node.connection_kwargs["client_name"] == "a@b/c:d,e"
    else:
        keywords = client.get_connection_kwargs()
        assert keywords["client_name"] == "a@b/c:d,e"
        assert keywords["password"] == "secret"
    asyncio.run(ts.close())


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_another_encoding_is_refused(scheme) -> None:
    """A custom fetch would look for the key of another name."""
    with pytest.raises(ConfigurationError, match="latin-1"):
        Timeseries(f"{scheme}://h?encoding=latin-1", intervals=BOTH)
    with pytest.raises(ConfigurationError, match="latin-1"):
        Timeseries(redis.Redis(encoding="latin-1"), intervals=BOTH)
    Timeseries(redis.Redis(encoding="UTF8"), intervals=BOTH)


def test_an_unknown_keyword_for_the_driver() -> None:
    with pytest.raises(ConfigurationError, match="no_such_keyword"):
        Timeseries("redis://h", intervals=BOTH, client_config={"no_such_keyword": 1})


@pytest.mark.parametrize(
    ("client", "factory"),
    [
        (redis.asyncio.Redis, Timeseries),
        (valkey.asyncio.Valkey, Timeseries),
        (fakeredis.FakeAsyncRedis, Timeseries),
        (redis.Redis, AsyncTimeseries),
        (lambda: redis.Redis().pipeline(), Timeseries),
        (redis.ConnectionPool, Timeseries),
    ],
    ids=["redis.asyncio", "valkey.asyncio", "fakeredis.asyncio", "redis", "pipeline", "pool"],
)
def test_another_kind_of_client_is_refused(client, factory) -> None:
    made = client()
    with pytest.raises(ConfigurationError, match=type(made).__name__):
        factory(made, intervals=BOTH)


# --- Pipelines of the caller's --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_bulk_insert_joins_a_pipeline(client, kind, transaction) -> None:
    ts = Timeseries(client, type=kind, intervals=BOTH)
    pipe = client.pipeline(transaction=transaction)
    pipe.set("other", "1")
    written = ts.bulk_insert([("a", 1, T0), ("a", 2, T0), ("b", 1, T0)], pipeline=pipe)
    assert written == Written(3, 4, 0)
    assert ts.list() == []
    pipe.set("another", "2")
    assert pipe.execute()[0] is True
    assert client.mget("other", "another") == [b"1", b"2"]
    assert ts.list() == ["a", "b"]
    assert ts.get("a", "hour", timestamp=T0) == {T0: KINDS[kind]}


def test_bulk_insert_joins_an_asynchronous_pipeline(server) -> None:
    async def main() -> None:
        async with redis.asyncio.Redis(port=server.port) as client:
            ts = AsyncTimeseries(client, type="count", intervals=BOTH)
            pipe = client.pipeline()
            await ts.bulk_insert([("a", 1, T0), ("b", 2, T0)], pipeline=pipe)
            assert await ts.list() == []
            await pipe.execute()
            assert await ts.get(["a", "b"], "hour", timestamp=T0) == {T0: 3}
            with pytest.raises(InvalidValue, match="another class"):
                await ts.bulk_insert([("a", 1, T0)], pipeline=redis.Redis(port=server.port).pipeline())
            await pipe.watch("key")
            with pytest.raises(InvalidValue, match="watching"):
                await ts.bulk_insert([("a", 1, T0)], pipeline=pipe)
            await pipe.reset()

    asyncio.run(main())


def test_bulk_insert_joins_the_pipeline_of_a_cluster() -> None:
    cluster = CLUSTER.demand()
    with redis.RedisCluster("127.0.0.1", cluster.nodes[0].port) as client:
        ts = Timeseries(client, type="count", intervals=BOTH, prefix="pipelines")
        names = [f"n{number}" for number in range(20)]
        pipe = client.pipeline()
        ts.bulk_insert([(name, 1, T0) for name in names], pipeline=pipe)
        pipe.execute()
        assert ts.list() == sorted(names)
        with pytest.raises(InvalidValue, match="hash slot"):
            ts.bulk_insert([("a", 1, T0)], pipeline=client.pipeline(transaction=True))
        ts.delete_all()
        assert ts.list() == []


def test_bulk_insert_joins_the_asynchronous_pipeline_of_a_cluster() -> None:
    cluster = CLUSTER.demand()

    async def main() -> None:
        async with redis.asyncio.RedisCluster("127.0.0.1", cluster.nodes[0].port) as client:
            ts = AsyncTimeseries(client, type="count", intervals=BOTH, prefix="async pipelines")
            names = [f"n{number}" for number in range(20)]
            pipe = client.pipeline()
            await ts.bulk_insert([(name, 1, T0) for name in names], pipeline=pipe)
            await pipe.execute()
            assert await ts.list() == sorted(names)
            with pytest.raises(InvalidValue, match="hash slot"):
                await ts.bulk_insert([("a", 1, T0)], pipeline=client.pipeline(transaction=True))
            await ts.delete_all()
            assert await ts.list() == []

    asyncio.run(main())


def test_errors_of_a_pipeline_are_the_callers(client) -> None:
    client.set("count:{a}:minute:22616640", "theirs")
    ts = Timeseries(client, type="count", intervals=BOTH)
    pipe = client.pipeline()
    ts.bulk_insert([("a", 1, T0)], pipeline=pipe)
    with pytest.raises(redis.ResponseError, match="22616640"):
        pipe.execute()


def test_what_is_no_pipeline_of_the_client_is_refused(client) -> None:
    ts = Timeseries(client, type="count", intervals=BOTH)
    with client.pipeline() as watching:
        watching.watch("key")
        for pipeline, message in [(watching, "watching"), (client, "expected a pipeline"), ("pipe", "expected")]:
            with pytest.raises(InvalidValue, match=message):
                ts.bulk_insert([("a", 1, T0)], pipeline=pipeline)
        assert len(watching) == 0
    assert client.dbsize() == 0


# --- Custom fetch ---------------------------------------------------------------------------------------------------


def test_fetch_queues_one_command_per_key(client) -> None:
    ts = Timeseries(client, type="histogram", intervals=BOTH)
    ts.bulk_insert([("a", [1, 2, 2], T0), ("a", 5, T0 + 120)])
    keys = []

    def sizes(handle: redis.Redis, key: str) -> object:
        keys.append(key)
        return handle.hlen(key)

    def same(data: object) -> object:
        return data

    assert ts.get("a", "hour", timestamp=T0, fetch=sizes, process_row=same) == {T0: 2, T0 + 120: 1}
    assert keys == ["histogram:{a}:hour:376944:22616640", "histogram:{a}:hour:376944:22616642"]
    found = ts.series("a", "minute", start=T0, end=T0 + 120, fetch=sizes, process_row=same)
    assert found == {T0: 2, T0 + 60: 0, T0 + 120: 1}  # 0 is data
    for wrong in (lambda handle, key: None, lambda handle, key: [handle.hlen(key), handle.hlen(key)]):
        with pytest.raises(InvalidValue, match="exactly one command"):
            ts.get("a", "minute", timestamp=T0, fetch=wrong)
    with pytest.raises(BackendError, match="WRONGTYPE"):
        ts.get("a", "minute", timestamp=T0, fetch=lambda handle, key: handle.lrange(key, 0, -1))
    with pytest.raises(ZeroDivisionError):
        ts.get("a", "minute", timestamp=T0, fetch=lambda handle, key: 1 / 0)


def test_an_asynchronous_fetch(server) -> None:
    async def lengths(handle: redis.asyncio.Redis, key: str) -> object:
        await asyncio.sleep(0)
        return handle.llen(key)

    async def main() -> None:
        async with AsyncTimeseries(server.url, type="series", intervals=BOTH) as ts:
            await ts.bulk_insert([("a", [7, 8], T0)])
            assert await ts.get("a", "hour", timestamp=T0, fetch=lengths, process_row=lambda data: data) == {T0: 2}

    asyncio.run(main())
