"""The client that the backend works with: whose it is, which colour, and whether it is a cluster's."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Self

from attrs import define, field

from kairos.backend import Flow
from kairos.errors import ConfigurationError, InvalidValue
from kairos_redis._errors import Errors
from kairos_redis._urls import Recipe, check_encoding, recipe

__all__ = ["Client"]

# valkey-py is a fork of redis-py with the same classes under other names; fakeredis derives its own from both.
_CLIENTS = {"Redis": False, "Valkey": False, "RedisCluster": True, "ValkeyCluster": True}
_PIPELINES = {"Pipeline": False, "ClusterPipeline": True}


def _driver(given: object, known: Mapping[str, bool]) -> tuple[str, bool, bool] | None:
    """(driver package, whether asynchronous, whether of a cluster) of an object of one of these classes."""
    for base in type(given).__mro__:
        package, *rest = base.__module__.split(".")
        if package in {"redis", "valkey"} and base.__name__ in known:
            return package, rest[:1] == ["asyncio"], known[base.__name__]
    return None


@define(eq=False)
class Client:
    """A client of the user's, or the recipe of one that is ours."""

    asynchronous: bool
    clustered: bool
    errors: Errors
    _client: Any = None
    _recipe: Recipe | None = None
    _others: list[Any] = field(factory=list, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _inherited: list[Any] = field(factory=list, init=False)

    @classmethod
    def open(cls, target: object, client_config: Mapping[str, Any], *, asynchronous: bool) -> Self:
        """A URL or a client, checked without I/O."""
        if isinstance(target, str):
            found = recipe(target, client_config, asynchronous=asynchronous)
            opened = cls(asynchronous, found.clustered, Errors("redis"), recipe=found)
            if asynchronous or not found.clustered:
                opened.get()  # a wrong keyword is told now; a blocking RedisCluster would connect
            return opened
        what = f"{type(target).__module__}.{type(target).__qualname__}"
        driver = None if _driver(target, _PIPELINES) else _driver(target, _CLIENTS)
        if driver is None:
            raise ConfigurationError(f"client: {what} is no Redis, RedisCluster, Valkey or ValkeyCluster")
        package, other, clustered = driver
        if other is not asynchronous:
            names = ("Timeseries", "AsyncTimeseries") if other is False else ("AsyncTimeseries", "Timeseries")
            raise ConfigurationError(f"client: {what} is for {names[0]}, not for {names[1]}")
        opened = cls(asynchronous, clustered, Errors(package), target)
        check_encoding(opened.encoder.encoding)
        return opened

    @property
    def owned(self) -> bool:
        """Whether it was made here."""
        return self._recipe is not None

    def get(self) -> Any:
        """The driver's client."""
        if self._client is None:
            assert self._recipe is not None
            with self._lock:
                if self._client is None:
                    self._client, self._others = self._recipe.make()
        return self._client

    def pipeline(self) -> Any:
        """A pipeline that is no transaction."""
        return self.get().pipeline() if self.clustered else self.get().pipeline(transaction=False)

    @property
    def encoder(self) -> Any:
        """The driver's way between str and bytes."""
        client = self.get()
        return getattr(client, "encoder", None) or client.get_encoder()

    @property
    def decodes(self) -> bool:
        """Whether it turns replies into str."""
        return bool(self.encoder.decode_responses)

    @property
    def repeats(self) -> bool:
        """Whether it sends again what failed, so that its last error says nothing of what the first attempt did."""
        client = self.get()
        if getattr(client, "cluster_error_retry_attempts", 0):
            return True
        retry = client.retry if self.clustered else client.get_connection_kwargs().get("retry")
        return retry is not None and bool(retry._retries)  # noqa: SLF001 - valkey-py has no other way to ask

    def close(self) -> Flow[None]:
        """Close it if it was made here."""
        if self.owned and self._client is not None:
            for one in (self._client, *self._others):
                yield one.aclose() if self.asynchronous else one.close()

    def after_fork(self) -> None:
        """Leave the parent's connections alone, unused and unclosed, and make new ones when they are needed."""
        self._lock = threading.Lock()
        if self.owned:
            self._inherited += [self._client, *self._others]
            self._client, self._others = None, []

    def check_pipeline(self, pipeline: object) -> None:
        """Whether a pipeline of the caller's can take commands, or an `InvalidValue` before anything is queued."""
        what = f"{type(pipeline).__module__}.{type(pipeline).__qualname__}"
        driver = _driver(pipeline, _PIPELINES)
        if driver is None:
            raise InvalidValue(f"pipeline: expected a pipeline of the client, not {what}")
        _, asynchronous, clustered = driver
        if asynchronous is not self.asynchronous or clustered is not self.clustered:
            raise InvalidValue(f"pipeline: {what} belongs to a client of another class")
        if getattr(pipeline, "watching", False):
            raise InvalidValue("pipeline: it is watching, and would send each command at once")
        strategy = type(getattr(pipeline, "_execution_strategy", None)).__name__
        if strategy == "TransactionStrategy":
            raise InvalidValue("pipeline: a transaction on a cluster is bound to one hash slot, and names have others")
