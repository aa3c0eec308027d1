"""From a URL to a way to make the client, without any I/O."""

from __future__ import annotations

import re
from codecs import lookup
from collections.abc import Callable, Mapping
from typing import Any

import redis
import redis.asyncio
from attrs import frozen
from redis.backoff import NoBackoff

from kairos.errors import ConfigurationError

__all__ = ["Recipe", "check_encoding", "recipe"]

# What a scheme is to redis-py, and what stands after the plus.
_PLAIN = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::(?P<port>\d{1,5}))?\Z")
_SENTINEL_PORT = 26_379
_PORT = 6379


@frozen
class Recipe:
    """How to make a client, and the others that were made on the way and are to be closed with it."""

    make: Callable[[], tuple[Any, list[Any]]]
    clustered: bool = False


def recipe(url: str, client_config: Mapping[str, Any], *, asynchronous: bool) -> Recipe:
    """Check a URL and the keywords for the driver. What is wrong is a `ConfigurationError` that shows no URL."""
    scheme, _, rest = url.partition("://")
    base, _, mode = scheme.lower().partition("+")
    if base not in _PLAIN or mode not in {"", "cluster", "sentinel"} or (mode and base == "unix"):
        # The scheme is not shown: without "://" a password may stand in it.
        raise ConfigurationError("client: the scheme of this URL is not one of Redis (such as redis:// or rediss://)")
    rest, mark, query = rest.partition("?")
    user, at, rest = rest.rpartition("@")
    hosts, slash, path = rest.partition("/")
    if mode == "sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise ConfigurationError(f"client: {scheme}://sentinels/service/db needs the name of the service")
    first = hosts if not mode else "placeholder"
    plain = f"{_PLAIN[base]}://{user}{at}{first}{slash}{path}{mark}{query}"
    keywords = _keywords(plain, scheme, asynchronous=asynchronous)
    asyncio_or_not: Any = redis.asyncio if asynchronous else redis
    # Nothing is sent twice: whoever counts twice cannot tell (semantics 3.7). A user may ask for it.
    keywords = {"retry": asyncio_or_not.retry.Retry(NoBackoff(), 0), **keywords, **client_config}
    check_encoding(keywords.get("encoding", "utf-8"))
    if not mode:
        return Recipe(_checked(scheme, lambda: (asyncio_or_not.Redis(**keywords), [])))
    del keywords["host"]
    if mode == "cluster":
        if keywords.pop("db", 0):
            raise ConfigurationError(f"client: a cluster has one database, 0, and {scheme} names another")
        cluster = asyncio_or_not.cluster
        nodes = [cluster.ClusterNode(host, port) for host, port in _addresses(hosts, _PORT, scheme)]
        return Recipe(
            _checked(scheme, lambda: (cluster.RedisCluster(startup_nodes=nodes, **keywords), [])), clustered=True
        )
    sentinel_kwargs = keywords.pop("sentinel_kwargs", None)
    addresses = _addresses(hosts, _SENTINEL_PORT, scheme)

    def make() -> tuple[Any, list[Any]]:
        found = asyncio_or_not.sentinel.Sentinel(addresses, sentinel_kwargs=sentinel_kwargs, **keywords)
        return found.master_for(service), found.sentinels

    return Recipe(_checked(scheme, make))


def check_encoding(name: str) -> None:
    """Names and keys are UTF-8. A custom fetch gets keys as str, and would look for others in another encoding."""
    if lookup(name).name != "utf-8":
        raise ConfigurationError(f"client: its encoding is {name}, and kairos needs utf-8")


def _keywords(url: str, scheme: str, *, asynchronous: bool) -> dict[str, Any]:
    """What redis-py's own parser makes of a URL, as keywords for the constructor of a client."""
    module: Any = redis.asyncio if asynchronous else redis
    try:
        found: dict[str, Any] = module.connection.parse_url(url)
    except ValueError as error:
        # The host may hold what its owner took for part of a password.
        raise ConfigurationError(f"client: not a valid {scheme} URL ({type(error).__name__})") from None
    connection = found.pop("connection_class", None)
    if connection is module.SSLConnection:
        found["ssl"] = True
    if "path" in found:
        found["unix_socket_path"] = found.pop("path")
    elif "host" not in found:
        found["host"] = "localhost"
    path = re.match(r"[^/]*//[^/?]*/([^?]*)", url)
    if path and path[1] and "unix_socket_path" not in found and not path[1].isdigit():
        raise ConfigurationError(f"client: the path of a {scheme} URL is the number of a database")
    return found


def _addresses(hosts: str, port: int, scheme: str) -> list[tuple[str, int]]:
    found = []
    for part in hosts.split(","):
        match = _HOST.match(part)
        if match is None or not match["host"] or int(match["port"] or 0) > 65_535:
            raise ConfigurationError(f"client: a {scheme} URL lists host:port,host:port; one of these is neither")
        found.append((match["host"].strip("[]"), int(match["port"] or port)))
    return found


def _checked(scheme: str, make: Callable[[], tuple[Any, list[Any]]]) -> Callable[[], tuple[Any, list[Any]]]:
    def checked() -> tuple[Any, list[Any]]:
        try:
            return make()
        except (TypeError, ValueError, redis.DataError, redis.exceptions.RedisClusterException) as error:
            if error.__cause__ is not None or isinstance(error.__context__, OSError):
                raise  # it has tried to connect
            raise ConfigurationError(f"client_config: {type(error).__name__} of {scheme}: {error}") from error

    return checked
