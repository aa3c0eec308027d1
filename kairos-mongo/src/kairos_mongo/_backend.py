"""The backend: who owns the client, and the verbs.

Every verb is a flow: PyMongo's blocking and asynchronous classes have the same methods, so one line serves both.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Concatenate, NoReturn, ParamSpec, Self, TypeVar

from pymongo import IndexModel, ReadPreference, UpdateOne
from pymongo import errors as driver

from kairos.backend import Backend, Capabilities, Flow, Shape, StoreConfig
from kairos.config import structure
from kairos.errors import BackendError, ConfigurationError, UnsupportedOperation
from kairos.plans import Batch, Bounds, Cell, Cutoffs, Expiry, Query, Rows, Selector
from kairos_mongo._clients import AnyDatabase, check_session, database_of, open_client
from kairos_mongo._config import MongoOptions, VerbOptions, collection_name
from kairos_mongo._errors import DRIVER_ERRORS, DUPLICATE, TOO_LARGE, is_foreign_loop, translation
from kairos_mongo._fetch import Fetching
from kairos_mongo._reads import (
    PROJECTION,
    Decoder,
    bounds_in,
    counted,
    discovery,
    selection,
    wanted,
)
from kairos_mongo._schema import CELL, Schema
from kairos_mongo._updates import OPEN, Updates, address, sealed_number
from kairos_mongo._values import stored_type

__all__ = ["MongoBackend"]

P = ParamSpec("P")
T = TypeVar("T")

# How many updates go into one request, how many bytes of names into one filter, how many documents into one page of a
# result.
_UPDATES = 5_000
_NAMES = 8 * 2**20
_PAGE = 5_000
# After how many steps of pure computation an event loop gets a turn.
_TURN = 500
# How often an update is tried that meets the first document of its bucket being made, or a full one being put away.
_ATTEMPTS = 50
_MAX_NAME_BYTES = 4096


def _translated(
    method: Callable[Concatenate[MongoBackend, P], Flow[T]],
) -> Callable[Concatenate[MongoBackend, P], Flow[T]]:
    """Make kairos's own errors of the driver's that come out of a flow that writes no data."""

    @functools.wraps(method)
    def flow(self: MongoBackend, /, *args: P.args, **keywords: P.kwargs) -> Flow[T]:
        try:
            return (yield from method(self, *args, **keywords))
        except DRIVER_ERRORS as error:
            self.fail(error)

    return flow


class MongoBackend(Backend):
    """A collection in MongoDB, through a client or a database of PyMongo, blocking or asynchronous."""

    options: ClassVar = dict.fromkeys(
        ("insert", "bulk_insert", "get", "series", "iterate", "list", "properties", "delete", "delete_all"), VerbOptions
    )
    capabilities = Capabilities(
        native_expiry=frozenset(Shape), typed_container="collection", max_name_bytes=_MAX_NAME_BYTES
    )

    def __init__(
        self, database: AnyDatabase, config: StoreConfig, *, asynchronous: bool, make: Callable[[], Any] | None
    ) -> None:
        options = structure(MongoOptions, config.options)
        self._options = options
        self._asynchronous = asynchronous
        self._make = make
        self._lock = threading.Lock()
        self._inherited: list[object] = []
        self._database: AnyDatabase | None = database
        self._create = config.create
        self._name = collection_name(config, options, database.name)
        self._where = f"{database.name}.{self._name}"
        self._codec = database.codec_options.with_options(document_class=dict)
        if not database.write_concern.acknowledged:
            raise ConfigurationError("client: with w=0 the server answers no write, and one that fails would be lost")
        stored = stored_type(self.resolve_value_type(config.value_type), config.shape, self._codec)
        self.value_type = stored.values
        self._schema = Schema(
            collection=self._name,
            type=config.type,
            value_type=stored.values.name,
            prefix=config.prefix,
            shape=config.shape,
        )
        self._updates = Updates(config.shape, stored, self._codec)
        self._decoder = Decoder(config.shape, stored)

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:
        named = structure(MongoOptions, config.options).database
        make = None
        if isinstance(target, str):
            target, make = open_client(target, config.client_config, asynchronous=asynchronous)
        database = database_of(target, named, asynchronous=asynchronous)
        return cls(database, config, asynchronous=asynchronous, make=make)

    @property
    def owns_client(self) -> bool:
        return self._make is not None

    # --- The client -------------------------------------------------------------------------------------------------

    def _collection(self) -> Any:
        """The collection, on a client of this process."""
        with self._lock:
            if self._database is None:
                assert self._make is not None
                self._database = database_of(self._make(), self._options.database, asynchronous=self._asynchronous)
            return self._database.get_collection(self._name, codec_options=self._codec)

    def _primary(self) -> Any:
        """The same for what a write depends on, which a secondary that lags would tell wrong."""
        return self._collection().with_options(read_preference=ReadPreference.PRIMARY)

    def _session(self, options: VerbOptions | None) -> Any:
        given = None if options is None else options.session
        return check_session(given, self._collection().database, asynchronous=self._asynchronous)

    def fail(self, error: Exception, *, writing: bool = False, sent: bool = False) -> NoReturn:
        """Raise kairos's own error for one of `DRIVER_ERRORS`."""
        if isinstance(error, RuntimeError) and not is_foreign_loop(error):
            raise error
        raise translation(error, self._where, writing=writing, sent=sent) from error

    @_translated
    def prepare(self, *, writing: bool) -> Flow[bool]:
        collection = self._primary()
        missing = yield from self._missing(collection)
        if missing and not self._create:
            raise BackendError(f"{self._where} has no index {_named(missing)}, and create=False says to make none")
        if not writing:
            return self._schema.cell not in missing
        if missing:
            yield collection.create_indexes(list(missing.values()))
            # Another process may have made one with other options at the same time.
            if missing := (yield from self._missing(collection)):
                raise BackendError(f"{self._where}: the server made no index {_named(missing)}")
        return True

    def _missing(self, collection: Any) -> Flow[dict[str, IndexModel]]:
        """The indexes to make, by name. Documents without an index are not ours, unless another process made both just
        after we looked.
        """
        for again in (False, True):
            cursor = yield collection.list_indexes()
            missing = self._schema.missing((yield cursor.to_list()))
            if self._schema.cell not in missing or (yield collection.find_one({}, {"_id": 1})) is None:
                break
            if again:
                raise self._schema.foreign()
        return missing

    # --- Writing ----------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> Flow[None]:
        session = self._session(batch.options)
        # The first update of every cell, the second of those that have two, and so on: each in one go.
        waves: list[list[tuple[Cell, UpdateOne]]] = []
        for done, cell in enumerate(batch.cells):
            if done % _TURN == 0:
                yield
            for number, update in enumerate(self._updates.of(cell)):
                if number == len(waves):
                    waves.append([])
                waves[number].append((cell, update))
        sent = False
        for wave in waves:
            for some in _chunks(wave, _UPDATES):
                yield from self._send(some, session, sent=sent)
                sent = True

    def _send(self, todo: Sequence[tuple[Cell, UpdateOne]], session: Any, *, sent: bool) -> Flow[None]:
        """Carry out updates of different cells. What the server refused because another writer came between, or because
        a chunk is full, has changed nothing and is tried again.
        """
        collection = self._primary()
        whole = session is not None and session.in_transaction  # the server aborts it with the first error
        for _ in range(_ATTEMPTS):
            try:
                try:
                    yield collection.bulk_write([update for _, update in todo], ordered=False, session=session)
                except driver.BulkWriteError as error:
                    failed = error.details["writeErrors"]
                    sent = sent or (len(failed) < len(todo) and not whole)
                    codes = {one["code"] for one in failed}
                    if whole or error.details["writeConcernErrors"] or not codes <= {DUPLICATE, *TOO_LARGE}:
                        raise
                    for one in failed:
                        if one["code"] in TOO_LARGE:
                            yield from self._seal(collection, todo[one["index"]][0], session)
                    todo = [todo[one["index"]] for one in failed]
                else:
                    return
            except DRIVER_ERRORS as error:
                self.fail(error, writing=True, sent=sent)
        raise BackendError(f"{self._where}: other writers kept coming between; gave up", outcome_unknown=sent)

    def _seal(self, collection: Any, cell: Cell, session: Any) -> Flow[None]:
        """Put the full chunk of a cell away, so that the next update starts a new one.

        If another writer has done so at the same time, a chunk that is not full may be put away: it costs a document,
        and the order stays. A read in the order of the index misses nothing: the chunk moves to right after the last
        one that was put away.
        """
        where = address(cell)
        last = yield collection.find_one(
            {**where, "chunk": {"$lt": OPEN}}, {"_id": 0, "chunk": 1}, sort=[("chunk", -1)], session=session
        )
        number = sealed_number(None if last is None else last["chunk"])
        with suppress(driver.DuplicateKeyError):  # that writer took the same number
            yield collection.update_one({**where, "chunk": OPEN}, {"$set": {"chunk": number}}, session=session)

    # --- Reading ----------------------------------------------------------------------------------------------------

    @_translated
    def read(self, query: Query) -> Flow[Rows]:
        session = self._session(query.options)
        found: Rows = {name: {} for name in query.names}
        for names in _portions(query.names):
            cursor = self._collection().find(
                wanted(query, names), PROJECTION, sort=list(CELL), batch_size=_PAGE, session=session
            )
            while page := (yield cursor.to_list(_PAGE)):
                for some in _chunks(page, _TURN):
                    self._decoder.rows(some, query.interval, found)
                    yield
        return found

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Flow[Rows]]:
        return Fetching(
            fetch=fetch,
            handle=self._collection,
            decoder=self._decoder,
            asynchronous=self._asynchronous,
            fail=self.fail,
        ).read

    @_translated
    def names(self, cutoffs: Cutoffs, options: Any = None) -> Flow[Sequence[str]]:
        if not cutoffs:
            return []
        found: list[str] = []
        cursor = yield self._collection().aggregate(discovery(self._name, cutoffs), session=self._session(options))
        while page := (yield cursor.to_list(_PAGE)):
            found += [document["_id"] for document in page]
        return found

    @_translated
    def bounds(self, names: Sequence[str], cutoffs: Cutoffs, options: Any = None) -> Flow[Bounds]:
        found: Bounds = {}
        for some in _portions(names):
            pipeline = discovery(self._name, cutoffs, some)
            cursor = yield self._collection().aggregate(pipeline, session=self._session(options))
            found |= bounds_in((yield cursor.to_list()), cutoffs)
        return found

    # --- Deleting ---------------------------------------------------------------------------------------------------

    def delete(self, selector: Selector) -> Flow[int]:
        session = self._session(selector.options)
        collection = self._collection()
        removed = 0
        try:
            visible = None if selector.name is None else counted(selector)
            if visible is not None:
                removed = (yield collection.delete_many(visible, session=session)).deleted_count
            yield collection.delete_many(selection(selector), session=session)
        except DRIVER_ERRORS as error:
            self.fail(error, writing=True, sent=removed > 0)
        return removed

    def expire(self, expiry: Expiry) -> int:  # noqa: ARG002 - the server does it
        raise UnsupportedOperation("expire: the server removes what is past by itself")

    # --- Life -------------------------------------------------------------------------------------------------------

    @_translated
    def close(self) -> Flow[None]:
        if self._make is not None and self._database is not None:
            yield self._database.client.close()

    def after_fork(self) -> None:
        """The client of the parent is kept, unused: to close it could take a lock that a thread of the parent held."""
        self._lock = threading.Lock()
        if self._make is not None:
            self._inherited.append(self._database)
            self._database = None


def _named(missing: Mapping[str, IndexModel]) -> str:
    return " and no ".join(missing)


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names for one request each; nearly always all of them."""
    portion: list[str] = []
    total = 0
    for name in names:
        size = len(name.encode()) + 16
        if portion and total + size > _NAMES:
            yield portion
            portion, total = [], 0
        portion.append(name)
        total += size
    yield portion


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
