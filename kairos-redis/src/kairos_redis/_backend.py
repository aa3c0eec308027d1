"""The backend: the verbs as flows over one client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Self, TypeVar

from attrs import frozen

from kairos.backend import Backend, Capabilities, Flow, Shape, StoreConfig
from kairos.config import structure
from kairos.errors import BackendError, UnsupportedOperation
from kairos.plans import Batch, Bounds, Cell, Cutoffs, Expiry, Query, Rows, Selector, Span
from kairos.values import ValueType
from kairos_redis._clients import Client
from kairos_redis._keys import Keys
from kairos_redis._protocol import READ, TYPES, Writer, cells_found, data_key, with_scores
from kairos_redis._scripts import BOUNDS, DELETE, NAMES, SCALE, WRITE, Command
from kairos_redis._sender import Sender
from kairos_redis._values import caster, stored_type, text

__all__ = ["BulkInsertOptions", "RedisBackend"]

T = TypeVar("T")
Ids = Iterator[tuple[str, int, int | None]]

_EMPTY: tuple[Any, ...] = ([], {}, set())
_MANY = {Shape.LIST, Shape.COUNTERS, Shape.SET}

# How many buckets one wave of requests reads of a name, and how many keys of all names at most.
_BUCKETS = 10_000
_KEYS = 100_000
# After how many cells the event loop gets a turn.
_TURN = 1_000
# How many words of scripts, and how many short commands, go into one pipeline.
_WORDS = 50_000
_COMMANDS = 5_000


@frozen(kw_only=True)
class BulkInsertOptions:
    """``pipeline``: of the caller's, to which the commands are added instead of being sent."""

    pipeline: Any = None


@frozen
class _NoOptions:
    """The constructor has no keywords of its own."""


class RedisBackend(Backend):
    """Redis or Valkey, alone, under a sentinel or as a cluster, by redis-py or valkey-py."""

    default_value_type: ClassVar[str] = "str"
    options: ClassVar[Mapping[str, type]] = {"bulk_insert": BulkInsertOptions}
    capabilities = Capabilities(native_expiry=frozenset(Shape), max_name_bytes=65_535)

    def __init__(self, client: Client, config: StoreConfig) -> None:
        structure(_NoOptions, config.options)
        self.value_type = self.resolve_value_type(config.value_type)
        self._client = client
        self._shape = config.shape
        self._type = TYPES[config.shape]
        self._cast = caster(config.shape, self.value_type.name)
        self._keys = Keys(config.prefix, config.type)
        self._writer = Writer(self._keys, config.shape, self.value_type.name, client.clustered)
        scripts = {script.digest: script for script in (BOUNDS, DELETE, NAMES, WRITE[config.shape])}
        self._sender = Sender(client, scripts)

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:
        return cls(Client.open(target, config.client_config, asynchronous=asynchronous), config)

    @property
    def owns_client(self) -> bool:
        return self._client.owned

    @classmethod
    def resolve_value_type(cls, spec: object) -> ValueType:
        return stored_type(spec)

    def prepare(self, *, writing: bool) -> bool:  # noqa: ARG002 - there is no schema
        return True

    # --- Writing ----------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> Flow[None]:
        commands = self._writer.commands(batch.cells)
        pipeline = getattr(batch.options, "pipeline", None)
        if pipeline is not None:
            self._client.check_pipeline(pipeline)
            for command in [*self._name_commands(batch.cells), *(command for _, command in commands)]:
                pipeline.execute_command(*self._sender.scripts[command[1]].in_full(command))
            return
        names = self._name_commands(batch.cells)
        # A script may fail after it has written a cell, or some of the values of one.
        partly = len(batch.cells) > 1 or (self._shape in _MANY and len(batch.cells[0].payload) > 1)
        sent = False
        for part in _portions(commands):
            try:
                replies = yield from self._sender.send([*names, *part], writing=True, partly=partly)
            except BackendError as error:
                error.outcome_unknown = error.outcome_unknown or sent  # what went before is written
                raise
            sent = True
            if self._client.clustered and 1 in replies[len(names) :]:
                # Someone may have deleted the name between its listing and the first of its data.
                yield from self._sender.send(self._name_commands(batch.cells), writing=True)
            names = []

    def _name_commands(self, cells: Sequence[Cell]) -> list[Command]:
        """On a cluster, the commands that list the names of cells; elsewhere the scripts that write do it."""
        if not self._client.clustered:
            return []
        return [
            NAMES.call((shard,), *(word for name, end in names.items() for word in (end, name.encode())))
            for shard, names in self._writer.names(cells).items()
        ]

    # --- Reading ----------------------------------------------------------------------------------------------------

    def read(self, query: Query) -> Flow[Rows]:
        command, tail = READ[self._shape]
        return self._rows(query, lambda keys: self._sender.send([(command, key, *tail) for key in keys]))

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Flow[Rows]]:
        """``fetch(handle, key)``, once per key: queues exactly one command on the pipeline ``handle``."""
        return lambda query: self._rows(query, lambda keys: self._sender.fetch(fetch, keys))

    def _rows(self, query: Query, get: Callable[[list[bytes]], Flow[list[Any]]]) -> Flow[Rows]:
        rows: Rows = {name: {} for name in query.names}
        directories = {name: self._keys.directory(name) for name in query.names}
        index = self._keys.index(query.interval.name, fine=query.interval.resolution is not None)
        for part in self._windows(query):
            ids = yield from self._ids(query, part, directories, index)
            while some := list(islice(ids, _KEYS)):
                keys = [data_key(directories[name], index, bucket, fine) for name, bucket, fine in some]
                replies = yield from get(keys)
                for number, ((name, bucket, fine), key, reply) in enumerate(zip(some, keys, replies, strict=True)):
                    if number % _TURN == 0:
                        yield
                    if reply is not None and reply not in _EMPTY:
                        rows[name].setdefault(bucket, {})[fine] = self._decoded(key, reply)
        return rows

    def _decoded(self, key: bytes, reply: Any) -> Any:
        try:
            return self._cast(reply)
        except (ValueError, ArithmeticError) as error:
            raise BackendError(f"{key.decode()} holds what is no {self.value_type.name}: {error}") from error

    def _windows(self, query: Query) -> Iterator[Sequence[int]]:
        """The buckets of a query, as many at a time as one wave reads."""
        size = max(1, _BUCKETS // query.interval.cells_per_bucket)
        buckets = query.buckets
        return (buckets[start : start + size] for start in range(0, len(buckets), size))

    def _ids(self, query: Query, buckets: Sequence[int], directories: Mapping[str, bytes], index: str) -> Flow[Ids]:
        """The cells to read: those of a coarse interval whether they are there or not, else those that the index
        names.
        """
        if query.interval.resolution is None:
            return ((name, bucket, None) for name in query.names for bucket in buckets)
        low, high = buckets[0] * SCALE, (buckets[-1] + 1) * SCALE - 1
        replies = yield from self._sender.send(
            [
                ("ZRANGE", b"%b:%b" % (directories[name], index.encode()), low, high, "BYSCORE", "WITHSCORES")
                for name in query.names
            ]
        )
        return (
            (name, bucket, fine)
            for name, reply in zip(query.names, replies, strict=True)
            for bucket, fine in cells_found(reply)
        )

    # --- Discovering ------------------------------------------------------------------------------------------------

    def names(self, cutoffs: Cutoffs, options: Any = None) -> Flow[Sequence[str]]:  # noqa: ARG002 - no options
        names = yield from self._all_names()
        found = yield from self.bounds(names, cutoffs)
        return list(found)

    def _all_names(self) -> Flow[list[str]]:
        shards = yield from self._sender.send([NAMES.call((shard,)) for shard in self._keys.shards])
        return [text(name) for shard in shards for name in shard]

    def bounds(self, names: Sequence[str], cutoffs: Cutoffs, options: Any = None) -> Flow[Bounds]:  # noqa: ARG002
        asked: list[Any] = []
        for interval, cutoff in cutoffs.items():
            asked += [self._keys.index(interval, fine=fine) for fine in (False, True)]
            asked.append("" if cutoff is None else cutoff)
        found: Bounds = {}
        for start in range(0, len(names), _COMMANDS):
            left = names[start : start + _COMMANDS]
            while left:
                calls = [BOUNDS.call(self._writer.script_keys(name), self._type, *asked) for name in left]
                replies = dict(zip(left, (yield from self._sender.send(calls)), strict=True))
                for name, reply in replies.items():
                    if reply is not None:
                        ends = zip(cutoffs, reply[::2], reply[1::2], strict=True)
                        if some := {interval: (int(first), int(last)) for interval, first, last in ends if first}:
                            found[name] = some
                left = [name for name, reply in replies.items() if reply is None]
        return found

    # --- Deleting ---------------------------------------------------------------------------------------------------

    def delete(self, selector: Selector) -> Flow[int]:
        if selector.name is not None:
            return (yield from self._delete([selector.name], selector.spans, selector.cutoffs))
        names = yield from self._all_names()
        for start in range(0, len(names), _COMMANDS):
            yield from self._delete(names[start : start + _COMMANDS], None, {})
        return 0

    def _delete(self, names: Sequence[str], spans: Mapping[str, Span] | None, cutoffs: Cutoffs) -> Flow[int]:
        visible: dict[str, int | str] = {
            self._keys.index(interval, fine=fine): "" if cutoff is None else cutoff
            for interval, cutoff in cutoffs.items()
            for fine in (False, True)
        }
        left: list[tuple[str, str, Span]]
        if spans is None:
            replies = yield from self._sender.send([("ZRANGE", self._keys.directory(name), 0, -1) for name in names])
            left = [
                (name, text(member), (None, None))
                for name, members in zip(names, replies, strict=True)
                for member in members
            ]
        else:
            left = [
                (name, self._keys.index(interval, fine=fine), span)
                for name in names
                for interval, span in spans.items()
                for fine in (False, True)
            ]
        removed, gone = 0, set()
        while left:
            calls = [
                DELETE.call(
                    self._writer.script_keys(name),
                    name.encode(),
                    self._type,
                    index,
                    *("" if end is None else end for end in span),
                    visible.get(index, "none"),
                )
                for name, index, span in left
            ]
            replies = yield from self._sender.send(calls, writing=True)
            removed += sum(counted for counted, _, _ in replies)
            gone |= {name for (name, _, _), (_, _, remains) in zip(left, replies, strict=True) if not remains}
            left = [one for one, (_, more, _) in zip(left, replies, strict=True) if more]
        if self._client.clustered and gone:
            yield from self._unlist(sorted(gone))
        return removed

    def _unlist(self, names: Sequence[str]) -> Flow[None]:
        """On a cluster: take deleted names off the list, and put back those that someone has written to meanwhile."""
        yield from self._sender.send([("ZREM", self._keys.shard(name), name.encode()) for name in names], writing=True)
        tops = yield from self._sender.send(
            [("ZRANGE", self._keys.directory(name), -1, -1, "WITHSCORES") for name in names]
        )
        back = [
            NAMES.call((self._keys.shard(name),), with_scores(top)[0][1], name.encode())
            for name, top in zip(names, tops, strict=True)
            if top
        ]
        yield from self._sender.send(back, writing=True)

    def expire(self, expiry: Expiry) -> int:  # noqa: ARG002
        raise UnsupportedOperation("expire: the server expires by itself")

    # --- Life -------------------------------------------------------------------------------------------------------

    def close(self) -> Flow[None]:
        return self._client.close()

    def after_fork(self) -> None:
        self._client.after_fork()


def _portions(commands: Iterable[tuple[int, Command]]) -> Iterator[list[Command]]:
    """Commands in pipelines of bounded size."""
    part: list[Command] = []
    words = 0
    for count, command in commands:
        if part and words + count > _WORDS:
            yield part
            part, words = [], 0
        part.append(command)
        words += count
    if part:
        yield part
