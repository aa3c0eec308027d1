"""The backend: who owns the engine, and the verbs.

A verb is a plain function of an ordinary Connection, in both colours: with an AsyncEngine it runs inside ``run_sync``,
where SQLAlchemy awaits the driver for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.util import await_only

from kairos.backend import Backend, Capabilities, Flow, Shape, StoreConfig
from kairos.errors import ConfigurationError
from kairos.plans import Batch, Bounds, Cutoffs, Expiry, Query, Rows, Selector
from kairos.values import ValueType, show
from kairos_sql._config import check_lengths, make_options
from kairos_sql._dialects import dialect_of
from kairos_sql._engines import (
    AnyEngine,
    check_engine,
    check_file,
    commits_itself,
    in_memory,
    open_engine,
    sync_engine,
    where,
)
from kairos_sql._errors import Attempts, Refusing, Translated
from kairos_sql._expiry import Progress, expire
from kairos_sql._fetch import called
from kairos_sql._inspect import prepare, table_exists
from kairos_sql._portable import put
from kairos_sql._rows import Stamps, decoder, encoder
from kairos_sql._schema import make_layout
from kairos_sql._statements import Prepared, Statements
from kairos_sql._tasks import interruptible, to_its_end
from kairos_sql._transactions import Transactions
from kairos_sql._types import stored_type

__all__ = ["SQLBackend"]

T = TypeVar("T")

# How many names, and how many looks for a first or last bucket, go into one statement.
_NAMES = 500
_LOOKS = 200
# How many buckets one statement reads. Most drivers get all rows of a statement at once.
_PAGE = 10_000
# After how many cells or rows the event loop gets a turn.
_TURN = 5_000

_REFUSING = Refusing()


class SQLBackend(Backend):
    """A table in a SQL database, through an Engine or an AsyncEngine of SQLAlchemy."""

    default_value_type: ClassVar[str] = "float"

    def __init__(self, engine: AnyEngine, config: StoreConfig, *, asynchronous: bool, owned: bool) -> None:
        options = make_options(config.options)
        dialect = sync_engine(engine).dialect
        self._own = dialect_of(dialect.name)
        check_lengths(options, self._own.key_bytes)
        named = stored_type(config.value_type, string_length=options.string_length, text_length=options.text_length)
        stored = named.on(dialect)
        if len(config.prefix.encode()) > options.string_length:
            raise ConfigurationError(f"prefix: {show(config.prefix)} is longer than {options.string_length} bytes")
        self._engine = engine
        self._asynchronous = asynchronous
        self._owned = owned
        self._config = config
        self._where = where(engine)
        self._transactions = Transactions(self._own, commits_itself(engine), self._where)
        self._expired_to = ""
        self._inherited: object = None
        self._memory = in_memory(sync_engine(engine).url)
        layout = make_layout(
            type=config.type,
            shape=config.shape,
            stored=stored,
            table_name=options.table_name,
            string_length=options.string_length,
            schema=options.schema,
            dialect=dialect.name,
        )
        self._sql = Statements(layout, self._own, dialect)
        counts = config.shape in {Shape.COUNTER, Shape.COUNTERS}
        self._translated = Translated(self._own, dialect, self._where, counts)
        self._stamps = Stamps() if config.shape is Shape.LIST and self._sql.stamped else None
        self._encode = encoder(layout, config.prefix, dialect)
        self._decode = decoder(layout, dialect, halves=self._own.sums == "halves")
        self.value_type = stored.values
        self.capabilities = Capabilities(
            atomic_batch=True,
            checked_counts=self._own.upsert is not None,
            multi_process=not self._memory,
            typed_container="table_name",
            max_name_bytes=options.string_length,
            aggregates=self._sql.aggregates,
        )

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:
        if isinstance(target, str):
            engine = open_engine(target, config.client_config, asynchronous=asynchronous)
            return cls(engine, config, asynchronous=asynchronous, owned=True)
        check_engine(target, asynchronous=asynchronous)
        return cls(target, config, asynchronous=asynchronous, owned=False)

    @property
    def owns_client(self) -> bool:
        return self._owned

    @classmethod
    def resolve_value_type(cls, spec: object) -> ValueType:
        return stored_type(spec).values

    # --- Carrying out -----------------------------------------------------------------------------------------------

    def _flow(self, work: Callable[[sa.Connection], T]) -> Flow[T]:
        """Carry out a function of a Connection; what it has not committed at its end is rolled back."""
        if self._owned and not self._config.create:
            check_file(self._engine)
        if self._asynchronous:
            call = self._call(work)
            found: T = yield call if self._own.cancellable else to_its_end(call)
            return found
        attempts = Attempts(self._own)
        with self._translated:
            while True:
                try:
                    with self._engine.connect() as connection:
                        return work(connection)
                except exc.DBAPIError as error:
                    pause = attempts.pause(error)
                    if pause is None:
                        raise
                time.sleep(pause)

    async def _call(self, work: Callable[[sa.Connection], T]) -> T:
        attempts = Attempts(self._own)
        with self._translated:
            while True:
                try:
                    async with self._engine.connect() as connection:
                        return await interruptible(connection, work)
                except exc.DBAPIError as error:
                    pause = attempts.pause(error)
                    if pause is None:
                        raise
                await asyncio.sleep(pause)

    def prepare(self, *, writing: bool) -> Flow[bool]:
        create = self._config.create
        return self._flow(
            lambda connection: prepare(connection, self._sql.layout, self._transactions, writing=writing, create=create)
        )

    # --- Writing ----------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> Flow[None]:
        # In the order of the key, like all other writers, so that none waits for another that waits for it.
        cells = sorted(batch.cells)
        numbers = None if self._stamps is None else self._stamps.batch()
        statements: list[tuple[str, Any]] = []
        rows: list[tuple[Any, ...]] = []
        for some in _slices(cells, _TURN):
            found = self._encode(some, numbers)
            if self._own.upsert is None:
                rows += found
            else:
                statements += self._sql.write(found)
            yield
        attempts = count()

        def work(connection: sa.Connection) -> None:
            sent = statements
            if next(attempts) and self._stamps is not None:  # their numbers may be what was in the way
                sent = self._sql.write(self._encode(cells, self._stamps.batch()))
            if len(sent) == 1 and len(sent[0][1]) == 1 and (single := self._transactions.single(connection)):
                sql, (parameters,) = sent[0]
                with _REFUSING, self._transactions.committing:
                    single.exec_driver_sql(sql, parameters)
                return
            with self._transactions.begin(connection), _REFUSING:
                put(connection, self._sql, rows)
                for sql, parameters in sent:
                    # Several executions are another call of the driver, which takes it more than one.
                    connection.exec_driver_sql(sql, parameters if len(parameters) > 1 else parameters[0])

        yield from self._flow(work)

    # --- Reading ----------------------------------------------------------------------------------------------------

    def read(self, query: Query) -> Flow[Rows]:
        return self._flow(self._transactions.reading(lambda connection: self._read(connection, query)))

    def _read(self, connection: sa.Connection, query: Query) -> Rows:
        coarse = query.interval.resolution is None
        found: Rows = {}
        for first, last in _pages(query):
            for names in _slices(query.names, _NAMES):
                values = {"interval": query.interval.name, "first": first, "last": last}
                values |= _named(names)
                statement = self._sql.read(len(names), coarse=coarse, aggregates=query.aggregates)
                records = self._rows(connection, statement, values)
                page = self._decode(records, names, coarse=coarse, aggregates=query.aggregates)
                for name, buckets in page.items():
                    found.setdefault(name, {}).update(buckets)
        return found

    def _rows(
        self, connection: sa.Connection, statement: Prepared, values: Mapping[str, Any]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement as the driver gives them, some at a time."""
        parameters = statement.one({"prefix": self._config.prefix, **values})
        cursor = connection.exec_driver_sql(statement.sql, parameters).cursor
        assert cursor is not None  # it is a SELECT
        while rows := cursor.fetchmany(_TURN):
            yield from rows
            if self._asynchronous:
                await_only(asyncio.sleep(0))

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Flow[Rows]]:
        """``fetch(connection, table, name, interval, i_start, i_end)``, once per name.

        It gets an ordinary Connection in both colours, and returns ``{i_time: {r_time: data}}``, with None for an
        r_time of -1. What it writes is rolled back.
        """
        layout = self._sql.layout

        def read(query: Query) -> Flow[Rows]:
            def work(connection: sa.Connection) -> tuple[Rows, Exception | None]:
                with self._transactions.trial(connection):
                    return called(fetch, connection, layout, query)

            found, error = yield from self._flow(work)
            if error is not None:
                raise error
            return found

        return read

    def names(self, cutoffs: Cutoffs, options: Any = None) -> Flow[Sequence[str]]:  # noqa: ARG002 - no options
        if not cutoffs:
            return self._flow(lambda _: [])
        return self._flow(self._transactions.reading(lambda connection: self._names(connection, cutoffs)))

    def _names(self, connection: sa.Connection, cutoffs: Cutoffs) -> list[str]:
        statement = self._sql.names(tuple(cutoff is not None for cutoff in cutoffs.values()), _NAMES)
        values = _intervals(cutoffs) | {"after": ""}
        found: list[str] = []
        while page := list(self._rows(connection, statement, values)):
            found += [self._sql.load_name(name) for name, visible in page if visible]
            if len(page) < _NAMES:
                break
            values["after"] = page[-1][0]
        return found

    def bounds(
        self,
        names: Sequence[str],
        cutoffs: Cutoffs,
        options: Any = None,  # noqa: ARG002 - no options
    ) -> Flow[Bounds]:
        return self._flow(self._transactions.reading(lambda connection: self._bounds(connection, names, cutoffs)))

    def _bounds(self, connection: sa.Connection, names: Sequence[str], cutoffs: Cutoffs) -> Bounds:
        cut = tuple(cutoff is not None for cutoff in cutoffs.values())
        found: Bounds = {}
        for some in _slices(names, max(1, _LOOKS // max(1, len(cutoffs)))):
            values = _intervals(cutoffs) | _named(some)
            for name, *ends in self._rows(connection, self._sql.bounds(len(some), cut), values):
                found[self._sql.load_name(name)] = {
                    interval: (first, last)
                    for interval, first, last in zip(cutoffs, ends[::2], ends[1::2], strict=True)
                    if first is not None
                }
        return found

    # --- Deleting ---------------------------------------------------------------------------------------------------

    def delete(self, selector: Selector) -> Flow[int]:
        def work(connection: sa.Connection) -> int:
            with self._transactions.begin(connection):
                return self._delete(connection, selector)

        return self._flow(work)

    def _delete(self, connection: sa.Connection, selector: Selector) -> int:
        table = self._sql.layout.table
        c = table.c
        conditions = [c.prefix == self._config.prefix]
        removed = 0
        if selector.name is not None:
            conditions.append(c.name == selector.name)
            if self._own.lock is not None:
                connection.execute(self._own.lock(table))
            for interval, cutoff in selector.cutoffs.items():
                if selector.spans is None or interval in selector.spans:
                    span = [] if selector.spans is None else _within(c.i_time, selector.spans[interval])
                    visible = [c.interval == interval, *span, *_within(c.i_time, (cutoff, None))]
                    removed += connection.scalar(self._sql.count([*conditions, *visible])) or 0
        if selector.spans is None:
            connection.execute(sa.delete(table).where(*conditions))
        else:
            for interval, bounds in selector.spans.items():
                span = _within(c.i_time, bounds)
                connection.execute(sa.delete(table).where(*conditions, c.interval == interval, *span))
        return removed

    def expire(self, expiry: Expiry) -> Flow[int]:
        def work(connection: sa.Connection) -> int:
            if not table_exists(connection, self._sql.layout.table):
                return 0
            self._expired_to = expire(
                connection,
                self._sql,
                self._config.prefix,
                expiry,
                progress,
                transactions=self._transactions,
                start=self._expired_to,
            )
            return progress.removed

        progress = Progress()  # it goes on where a transaction that is begun again has stopped
        return self._flow(work)

    # --- Life -------------------------------------------------------------------------------------------------------

    def close(self) -> Flow[None]:
        if self._owned:
            yield self._engine.dispose()

    def after_fork(self) -> None:
        """The connections of the parent are kept, unused: closing them here could remove its locks and its WAL. A
        database in memory was copied with the process, and goes on.
        """
        if not self._memory or self._asynchronous:
            engine = sync_engine(self._engine)
            self._inherited = engine.pool
            engine.dispose(close=False)


def _named(names: Sequence[str]) -> dict[str, Any]:
    return {f"name_{index}": name for index, name in enumerate(names)}


def _pages(query: Query) -> Iterator[tuple[int, int]]:
    """The range in parts. Ids of calendar buckets have gaps: some parts may be small, and none is too large."""
    if query.last - query.first < _PAGE:
        yield query.first, query.last
    else:
        for buckets in _slices(query.buckets, _PAGE):
            yield buckets[0], buckets[-1]


def _intervals(cutoffs: Cutoffs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, (interval, cutoff) in enumerate(cutoffs.items()):
        found |= {f"interval_{index}": interval, f"cutoff_{index}": cutoff}
    return found


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _within(column: sa.ColumnElement[int], span: tuple[int | None, int | None]) -> list[sa.ColumnElement[bool]]:
    first, last = span
    return [*([] if first is None else [column >= first]), *([] if last is None else [column <= last])]
