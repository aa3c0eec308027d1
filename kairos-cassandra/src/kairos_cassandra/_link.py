"""The session, whose it is, and how a flow waits for it in either colour."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, field, frozen
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, Session
from cassandra.policies import FallthroughRetryPolicy
from cassandra.query import (
    BatchStatement,
    BatchType,
    BoundStatement,
    PreparedStatement,
    named_tuple_factory,
    tuple_factory,
)

from kairos.backend import Flow
from kairos.errors import ConfigurationError
from kairos_cassandra._errors import DRIVER_ERRORS, translation
from kairos_cassandra._requests import Requests

__all__ = ["Cql", "Link", "check_session"]

# How many bytes of values go into a batch, all of one partition: below the 5 KiB from which a server warns.
_BATCH_BYTES = 4_500
# After how many statements an event loop gets a turn.
_TURN = 200
_LEGACY = 1

# What is prepared on a session, by its consistency level: for all Timeseries on it, since it takes a round trip each.
_PREPARED: WeakKeyDictionary[Session, dict[tuple[Cql, int], PreparedStatement]] = WeakKeyDictionary()


@frozen
class Cql:
    """A statement to prepare. ``counts`` marks the one that must never be sent twice."""

    text: str
    writes: bool = False
    counts: bool = False


def check_session(target: object) -> Session:
    """A session of the user's, which serves both colours."""
    if not isinstance(target, Session):
        raise ConfigurationError(
            f"client: expected a URL or a Session, as Cluster(...).connect() gives it, not "
            f"{type(target).__module__}.{type(target).__qualname__}"
        )
    return target


@define(eq=False, kw_only=True)
class Link:
    """Carries out statements on a session, which it opens at the first one if it was made from a URL.

    What blocks (connecting, preparing, making tables) is done in a thread where that would keep an event loop.
    """

    where: str
    asynchronous: bool
    read_level: int
    write_level: int
    make: Callable[[], Cluster] | None = field(default=None, repr=False)
    _session: Session | None = field(default=None, alias="session")
    _execute: Any = None
    _prepared: dict[tuple[Cql, int], PreparedStatement] = field(factory=dict, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)
    _inherited: list[object] = field(factory=list, repr=False)

    # --- The session ------------------------------------------------------------------------------------------------

    def open(self) -> Flow[Session]:
        """The session, connected."""
        if self._execute is None:
            yield from self.blocking(self._open)
        assert self._session is not None
        return self._session

    def _open(self) -> None:
        with self._lock:
            if self._session is None:
                assert self.make is not None
                cluster = self.make()
                try:
                    self._session = cluster.connect()
                except BaseException:
                    cluster.shutdown()
                    raise
            self._prepared = _PREPARED.setdefault(self._session, {})
            self._execute = _executor(self._session)

    def close(self) -> Flow[None]:
        """Close what was opened here."""
        with self._lock:
            session, self._session, self._execute = self._session, None, None
            self._prepared = {}
        if session is not None and self.make is not None:
            yield from self.blocking(session.cluster.shutdown)

    def after_fork(self) -> None:
        """Leave the parent's connections alone, and open others when they are needed."""
        self._lock = threading.Lock()
        self._prepared = {}
        if self.make is not None:
            self._inherited.append(self._session)
            self._session = self._execute = None

    # --- Waiting ----------------------------------------------------------------------------------------------------

    def blocking(self, function: Callable[..., Any], *args: Any) -> Flow[Any]:
        """Call what blocks."""
        try:
            return (yield asyncio.to_thread(function, *args) if self.asynchronous else function(*args))
        except DRIVER_ERRORS as error:
            raise translation(error, self.where) from error

    def send(self, statements: Sequence[Any], *, writing: bool = False, sent: bool = False) -> Flow[list[list[Any]]]:
        """Carry out statements at the same time, and give the rows of each. ``sent`` says that an earlier request of
        this verb has written something.
        """
        requests = Requests(self._execute, statements)
        try:
            rows: list[list[Any]] = yield self._wait(requests.start())
        except DRIVER_ERRORS as error:
            raise translation(
                error, self.where, writing=writing, sent=sent or (writing and requests.done > 0)
            ) from error
        except BaseException:
            requests.stop()
            raise
        return rows

    def _wait(self, future: Future[Any]) -> Any:
        return asyncio.wrap_future(future) if self.asynchronous else future.result()

    # --- Statements -------------------------------------------------------------------------------------------------

    def prepared(self, cql: Cql) -> Flow[PreparedStatement]:
        """A statement as the server knows it."""
        level = self.write_level if cql.writes else self.read_level
        found = self._prepared.get((cql, level))
        if found is None:
            session = yield from self.open()
            found = yield from self.blocking(session.prepare, cql.text)
            found.consistency_level = level
            found.is_idempotent = not cql.counts
            if cql.counts:
                found.retry_policy = FallthroughRetryPolicy()
            self._prepared[cql, level] = found
        return found

    def rows(self, cql: Cql, arguments: Iterable[Sequence[Any]], *, sent: bool = False) -> Flow[list[list[Any]]]:
        """The rows that a statement gives with each of these arguments."""
        return (yield from self.send((yield from self.bound(cql, arguments)), writing=cql.writes, sent=sent))

    def bound(self, cql: Cql, arguments: Iterable[Sequence[Any]]) -> Flow[list[BoundStatement]]:
        """A statement with each of these arguments."""
        prepared = yield from self.prepared(cql)
        found = []
        for turn, values in enumerate(arguments, 1):
            found.append(prepared.bind(values))
            if turn % _TURN == 0:
                yield
        return found

    def batches(self, cql: Cql, arguments: Iterable[Sequence[Any]]) -> Flow[list[Any]]:
        """Statements of one partition, put together in batches below the size from which a server warns."""
        prepared = yield from self.prepared(cql)
        found: list[list[BoundStatement]] = []
        room = 0
        for turn, values in enumerate(arguments, 1):
            statement = prepared.bind(values)
            size = sum(len(value) for value in statement.values)
            if size > room:
                found.append([])
                room = _BATCH_BYTES
            found[-1].append(statement)
            room -= size
            if turn % _TURN == 0:
                yield
        return [self._batch(cql, some) if len(some) > 1 else some[0] for some in found]

    def _batch(self, cql: Cql, statements: Sequence[BoundStatement]) -> BatchStatement:
        kind = BatchType.COUNTER if cql.counts else BatchType.UNLOGGED
        policy = FallthroughRetryPolicy() if cql.counts else None
        batch = BatchStatement(kind, retry_policy=policy, consistency_level=self.write_level)
        batch.is_idempotent = not cql.counts
        for statement in statements:
            batch.add(statement)
        return batch


def _executor(session: Session) -> Any:
    """What sends a statement and gives tuples, whatever the session gives its owner."""
    # Only this says whether the Cluster was configured without execution profiles, and then it takes none.
    if getattr(session.cluster, "_config_mode", None) == _LEGACY:
        if session.row_factory not in {tuple_factory, named_tuple_factory}:
            raise ConfigurationError(
                "client: a session with a row_factory of its own needs an execution profile for it"
            )
        return session.execute_async
    profile = session.execution_profile_clone_update(EXEC_PROFILE_DEFAULT, row_factory=tuple_factory)
    return partial(session.execute_async, execution_profile=profile)
