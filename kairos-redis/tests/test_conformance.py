"""The conformance suite on every way to reach a Redis or a Valkey."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import redis

from kairos_conformance import BackendSuite
from kairos_conformance.servers import Lasting, ServerHarness, redis_binary, redis_cluster, redis_server, valkey

VALKEY, REDIS, CLUSTER = Lasting(valkey), Lasting(redis_server), Lasting(redis_cluster)
REDIS_CLUSTER = Lasting(lambda: redis_cluster(redis_binary()))

FETCH = {
    "count": lambda handle, key: handle.get(key),
    "gauge": lambda handle, key: handle.get(key),
    "histogram": lambda handle, key: handle.hgetall(key),
    "series": lambda handle, key: handle.lrange(key, 0, -1),
    "set": lambda handle, key: handle.smembers(key),
}


class RedisHarness(ServerHarness):
    """Looks past kairos with a client of its own."""

    def __init__(self, server: Lasting, environment: str, query: str = "", **keywords: object) -> None:
        super().__init__(
            server,
            environment,
            to_url=lambda url: f"{url}{'&' if '?' in url else '?'}{query}" if query else url,
            fetch=FETCH,
            # A server of our own holds nothing else, and goes away.
            disposable=not os.environ.get(environment),
            cleaning=bool(os.environ.get(environment)),
            unreachable="redis://user:hunter2@127.0.0.1:1/0",
            **keywords,
        )

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        assert self.url is not None
        if self.url.startswith("redis+cluster"):
            host, port = self.url.partition("://")[2].split(",")[0].split("?")[0].split(":")
            found = redis.RedisCluster(host, int(port))
        else:
            found = redis.Redis.from_url(self.url.partition("?")[0])
        with found:
            yield found

    def plant(self) -> AbstractContextManager[Callable[[], bool]]:
        return self._planted()

    @contextmanager
    def _planted(self) -> Iterator[Callable[[], bool]]:
        """Keys of somebody else's that look much like kairos's."""
        texts = ["kairos", "count", "count:names", "count:{a", "count:{a}minute", "{a}", "series:names:16", "stats:a"]
        with self.client() as client:
            for key in texts:
                client.set(key, "theirs", ex=600)
            yield lambda: all(client.get(key) == b"theirs" for key in texts)
            for key in texts:
                client.delete(key)

    def stored(self, kind: str, prefix: str) -> int:
        space = f"{prefix}:{kind}" if prefix else kind
        with self.client() as client:
            keys = [key.decode("utf-8", "replace") for key in client.scan_iter(match=f"{space}:{{*", count=10_000)]
        # space:{name}:interval:bucket[:resolution bucket]
        return sum(key.rpartition("}")[2].count(":") >= 2 and not key.endswith(":") for key in keys)


class TestValkey(BackendSuite):
    harness = RedisHarness(VALKEY, "KAIROS_TEST_VALKEY_URL")


@pytest.mark.full
class TestRedis(BackendSuite):
    harness = RedisHarness(REDIS, "KAIROS_TEST_REDIS_URL", variant=True)


@pytest.mark.full
class TestDecodedResponses(BackendSuite):
    harness = RedisHarness(VALKEY, "KAIROS_TEST_VALKEY_URL", "decode_responses=true", variant=True)


@pytest.mark.full
class TestProtocol2(BackendSuite):
    harness = RedisHarness(REDIS, "KAIROS_TEST_REDIS_URL", "protocol=2", variant=True)


@pytest.mark.full
class TestProtocol3(BackendSuite):
    harness = RedisHarness(VALKEY, "KAIROS_TEST_VALKEY_URL", "protocol=3&decode_responses=true", variant=True)


@pytest.mark.full
class TestCluster(BackendSuite):
    harness = RedisHarness(CLUSTER, "KAIROS_TEST_VALKEY_CLUSTER_URL", variant=True)


@pytest.mark.full
class TestRedisCluster(BackendSuite):
    harness = RedisHarness(REDIS_CLUSTER, "KAIROS_TEST_REDIS_CLUSTER_URL", "decode_responses=true", variant=True)
