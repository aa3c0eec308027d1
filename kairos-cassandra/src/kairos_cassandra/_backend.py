"""The backend: the verbs, each one flow for both colours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

from kairos.backend import Backend, Capabilities, Flow, Shape, StoreConfig
from kairos.errors import BackendError, ConfigurationError, InvalidValue
from kairos.plans import Batch, Bounds, Cell, Cutoffs, Expiry, Query, Rows, Selector, Span
from kairos.values import ValueType, show
from kairos_cassandra._clock import CLOCK
from kairos_cassandra._config import make_options, replication, table_properties
from kairos_cassandra._expiry import expire
from kairos_cassandra._fetch import Connection, called, checked
from kairos_cassandra._index import Index, Partitions, shard_of
from kairos_cassandra._link import Link, check_session
from kairos_cassandra._partitions import MAX_BUCKET, MIN_BUCKET, Partition, Partitioning
from kairos_cassandra._rows import Cells, Decoder, arguments, ascending
from kairos_cassandra._schema import COLUMNS, KEYSPACE, Layout, Statements, Table
from kairos_cassandra._urls import recipe
from kairos_cassandra._values import stored_type

__all__ = ["CassandraBackend"]

T = TypeVar("T")

_NATIVE = frozenset({Shape.LIST, Shape.REGISTER, Shape.SET})
# The longest TTL that Cassandra takes: 20 years of 365 days. The server's clock counts, so a little more than the life
# of a cell is asked for, that it never ends before its time.
_MAX_TTL = 20 * 365 * 86_400
_GRACE = 10
# A partition key of Cassandra has 65,535 bytes for the prefix, the names of series and interval, and some more.
_PREFIX_BYTES, _NAME_BYTES = 5_000, 30_000
# How long a server may take to make a table: all nodes must agree.
_DDL_SECONDS = 60
_ALL = 2**31 - 1
# How many partitions of a name, and of all names of a query, are read at the same time as the index.
_AHEAD, _ALL_AHEAD = 2, 32
# After how many cells or rows the event loop gets a turn.
_TURN = 2_000


class CassandraBackend(Backend):
    """Tables in a keyspace of Apache Cassandra, through a URL or a Session of the driver, which serves both colours."""

    default_value_type: ClassVar[str] = "float"

    def __init__(
        self,
        config: StoreConfig,
        url_options: dict[str, Any],
        keyspace: str | None,
        *,
        asynchronous: bool,
        make: Callable[[int], Any] | None = None,
        session: Any = None,
    ) -> None:
        options = make_options(config, url_options, keyspace)
        stored = stored_type(self.default_value_type if config.value_type is None else config.value_type, config.shape)
        assert options.keyspace is not None
        assert options.table_name is not None
        self._prefix, self._shape, self._create = config.prefix, config.shape, config.create
        self._layout = Layout(
            keyspace=options.keyspace,
            table_name=options.table_name,
            shape=config.shape,
            column=stored.column,
            properties=table_properties(options.table_options),
        )
        self._replication = options.create_keyspace
        self._sql = Statements.of(self._layout)
        self._link = Link(
            where=self._layout.where,
            asynchronous=asynchronous,
            read_level=options.read_level,
            write_level=options.write_level,
            make=None if make is None else partial(make, options.read_level),
            session=session,
        )
        rows = options.rows_per_cell if config.shape in {Shape.LIST, Shape.SET, Shape.COUNTERS} else 1
        self._partitionings = {name: Partitioning(one, rows) for name, one in config.intervals.items()}
        self._index = Index(self._link, self._sql, self._prefix, self._layout.counting, self._partitionings)
        self._decoder = Decoder(config.shape, stored.decode)
        self.value_type = stored.values
        if len(config.prefix.encode()) > _PREFIX_BYTES:
            raise ConfigurationError(f"prefix: {show(config.prefix)} is longer than {_PREFIX_BYTES} bytes")
        self.capabilities = Capabilities(
            native_expiry=_NATIVE,
            narrow_delete=_NATIVE,
            float_counts=False,
            checked_counts=False,
            typed_container="table_name",
            max_name_bytes=_NAME_BYTES,
            max_life=None if self._layout.counting else _MAX_TTL - _GRACE,
        )

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:
        if isinstance(target, str):
            found = recipe(target, config.client_config)
            return cls(config, dict(found.options), found.keyspace, asynchronous=asynchronous, make=found.make)
        session = check_session(target)
        return cls(config, {}, session.keyspace, asynchronous=asynchronous, session=session)

    @property
    def owns_client(self) -> bool:
        return self._link.make is not None

    @classmethod
    def resolve_value_type(cls, spec: object) -> ValueType:
        return stored_type(cls.default_value_type if spec is None else spec, Shape.LIST).values

    # --- The schema -------------------------------------------------------------------------------------------------

    def prepare(self, *, writing: bool) -> Flow[bool]:
        session = yield from self._link.open()
        missing = yield from self._missing()
        if missing and not self._create:
            names = ", ".join(f"{self._layout.keyspace}.{table.name}" for table in missing)
            raise BackendError(f"{names} is missing, and create=False says to make none")
        if not missing or not writing:
            return not missing
        yield from self._make_keyspace(session)
        for table in missing:
            yield from self._link.blocking(partial(session.execute, timeout=_DDL_SECONDS), self._layout.create(table))
        if missing := (yield from self._missing()):
            raise BackendError(f"{self._layout.where}: the server did not make {missing[0].name}")
        return True

    def _missing(self) -> Flow[list[Table]]:
        names = [table.name for table in self._layout.tables]
        (found,) = yield from self._link.rows(COLUMNS, [(self._layout.keyspace, names)])
        return self._layout.missing(found)

    def _make_keyspace(self, session: Any) -> Flow[None]:
        keyspace = self._layout.keyspace
        (found,) = yield from self._link.rows(KEYSPACE, [(keyspace,)])
        if found:
            return
        if self._replication is None:
            raise BackendError(
                f"keyspace {keyspace!r} is missing; make it, or say with create_keyspace how many replicas it has"
            )
        cql = f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH replication = {replication(self._replication)}'
        yield from self._link.blocking(partial(session.execute, timeout=_DDL_SECONDS), cql)

    # --- Writing ----------------------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> Flow[None]:
        yield from self._link.open()
        groups = yield from self._grouped(batch.cells)
        generations = yield from self._index.generations(dict.fromkeys(name for name, _, _ in groups))
        # One timestamp for all: a delete at the same time removes the cells and their entries in the index, or neither.
        timestamp, now = CLOCK.timestamp(), time.time()
        entries = [
            (*self._entry(name, interval, start, generations[name], now), max(timestamp, generations[name] + 1))
            for name, interval, start in groups
        ]
        index = yield from self._link.bound(self._sql.index, entries)
        data: list[Any] = []
        for (name, interval, start), cells in groups.items():
            key = (self._prefix, name, interval, generations[name], start)
            rows = arguments(self._shape, key, cells, partial(_ttl, now=now), timestamp)
            data += yield from self._link.batches(self._sql.add, rows)
        if self._layout.counting:
            # What fails before the first increment has changed nothing.
            yield from self._link.send(index)
            yield from self._link.send(data, writing=True)
        else:
            yield from self._link.send([*index, *data], writing=True)

    def _grouped(self, cells: Sequence[Cell]) -> Flow[dict[tuple[str, str, int], list[Cell]]]:
        """The cells by (name, interval, start of the partition)."""
        groups: dict[tuple[str, str, int], list[Cell]] = {}
        for turn, cell in enumerate(cells, 1):
            start = self._partitionings[cell.interval].start(cell.bucket, cell.resolution)
            groups.setdefault((cell.name, cell.interval, start), []).append(cell)
            if turn % _TURN == 0:
                yield
        return groups

    def _entry(self, name: str, interval: str, start: int, generation: int, now: float) -> tuple[Any, ...]:
        """A row of the index, with its TTL; the entry of counters has none, as they have none."""
        partitioning = self._partitionings[interval]
        partition = partitioning.partition(start, generation)
        expires_at = partitioning.expires_at(partition)
        # Past 20 years: what is in the partition does not live longer, and each write asks anew.
        ttl = 0 if self._layout.counting or expires_at is None else min(_life(expires_at, now), _MAX_TTL)
        return (*self._index.entry(name, partition), ttl)

    # --- Reading ----------------------------------------------------------------------------------------------------

    def read(self, query: Query) -> Flow[Rows]:
        yield from self._link.open()
        partitioning = self._partitionings[query.interval.name]
        likely = self._likely(query, partitioning)
        ahead = yield from self._link.bound(self._sql.read, [(*key, query.first, query.last) for key in likely])
        found, answers = yield from self._index.within(query.names, partitioning, query.first, query.last, ahead)
        known = dict(zip(likely, answers, strict=True))
        # Where the rule of partitioning has changed, a cell may lie in two partitions.
        changed = {name for name, partitions in found.items() if len({one.seconds for one in partitions}) > 1}
        rows: Rows = {name: {} for name in query.names}
        for cql, names in (
            (self._sql.read, [name for name in found if name not in changed]),
            (self._sql.read_versions, sorted(changed)),
        ):
            keys = {name: self._keys(name, found[name]) for name in names}
            had = known if cql is self._sql.read else {}
            wanted = [key for some in keys.values() for key in some if key not in had]
            further = yield from self._link.rows(cql, [(*key, query.first, query.last) for key in wanted])
            read = {**had, **dict(zip(wanted, further, strict=True))}
            for name, some in keys.items():
                rows[name] = yield from self._cells([read[key] for key in some], query, versions=name in changed)
        return rows

    def _likely(self, query: Query, partitioning: Partitioning) -> list[tuple[Any, ...]]:
        """The keys of partitions that are worth reading before the index has said that they are there: few of them, by
        the rule of now, and of a name that was never deleted.
        """
        starts = partitioning.own(query.first, query.last)
        if len(starts) > _AHEAD or len(query.names) * len(starts) > _ALL_AHEAD:
            return []
        return [(self._prefix, name, query.interval.name, 0, start) for name in query.names for start in starts]

    def _cells(self, parts: list[list[Any]], query: Query, *, versions: bool) -> Flow[Cells]:
        cells: Cells = {}
        if versions:
            parts = [self._decoder.versions(row for part in parts for row in part)]
        for part in parts:
            for some in _slices(part, _TURN):
                self._decoder.add(cells, some, fine=query.interval.resolution is not None)
                yield
        return ascending(cells)

    def _keys(self, name: str, partitions: Iterable[Partition]) -> list[tuple[Any, ...]]:
        """The partition keys, each once, in the order of time."""
        return list(dict.fromkeys(self._index.key(name, one) for one in sorted(partitions, key=lambda one: one.start)))

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Flow[Rows]]:
        """``fetch(connection, table, name, interval, i_start, i_end)``, once per partition that there is, with the
        range clipped to it: see `kairos_cassandra._fetch.Connection`. In both colours it is an ordinary function; under
        AsyncTimeseries it is called in a thread. It returns ``{i_time: {r_time: data}}``, None for an r_time of -1.
        """

        def read(query: Query) -> Flow[Rows]:
            session = yield from self._link.open()
            interval = query.interval.name
            partitioning = self._partitionings[interval]
            found, _ = yield from self._index.within(query.names, partitioning, query.first, query.last)
            rows: Rows = {}
            for name, partitions in found.items():
                cells: Cells = {}
                for one in sorted(partitions, key=lambda one: one.start):
                    first, last = partitioning.buckets(one, query.first, query.last)
                    if first > last:
                        continue
                    connection = Connection(session, self._index.key(name, one))
                    end = None if query.single else last
                    given, error = yield from self._link.blocking(
                        called, fetch, connection, self._layout.where, name, interval, first, end
                    )
                    if error is not None:
                        raise error
                    for bucket, parts in checked(given, self._decoder).items():
                        cells.setdefault(bucket, {}).update(parts)
                rows[name] = ascending(cells)
            return rows

        return read

    def names(self, cutoffs: Cutoffs, options: Any = None) -> Flow[Sequence[str]]:  # noqa: ARG002 - no options
        yield from self._link.open()
        partitions, _ = yield from self._index.everything()
        ends = yield from self._index.ends(partitions, cutoffs, last=True)
        return list(dict.fromkeys(name for name, _ in ends))

    def bounds(
        self,
        names: Sequence[str],
        cutoffs: Cutoffs,
        options: Any = None,  # noqa: ARG002 - no options
    ) -> Flow[Bounds]:
        yield from self._link.open()
        partitions = yield from self._index.of_names(names)
        firsts = yield from self._index.ends(partitions, cutoffs, last=False)
        lasts = yield from self._index.ends(partitions, cutoffs, last=True)
        found: Bounds = {}
        for (name, interval), first in firsts.items():
            if (name, interval) in lasts:  # unless it was deleted in between
                found.setdefault(name, {})[interval] = (first, lasts[name, interval])
        return found

    # --- Deleting ---------------------------------------------------------------------------------------------------

    def delete(self, selector: Selector) -> Flow[int]:
        yield from self._link.open()
        name = selector.name
        if name is None:
            partitions, dead = yield from self._index.everything()
            yield from self._forget(partitions, dead)
            return 0
        partitions = yield from self._index.of_names([name])
        removed = yield from self._count(name, partitions[name], selector)
        if selector.spans is None:
            yield from self._forget(partitions, {})
        else:
            yield from self._narrow(name, partitions[name], selector.spans)
        return removed

    def _count(self, name: str, partitions: Iterable[Partition], selector: Selector) -> Flow[int]:
        """How many cells of a delete are visible."""
        asked: list[tuple[Any, ...]] = []
        for interval, cutoff in selector.cutoffs.items():
            first, last = (None, None) if selector.spans is None else selector.spans.get(interval, (0, -1))
            low = max(MIN_BUCKET if first is None else first, MIN_BUCKET if cutoff is None else cutoff)
            high = MAX_BUCKET if last is None else last
            keys = self._keys(name, (one for one in partitions if one.interval == interval))
            asked += [(*key, low, high, _ALL) for key in keys]
        rows = yield from self._link.rows(self._sql.count, asked)
        # A cell that lies in two partitions, since the rule has changed, is one.
        cells = {(key[2], *row) for key, found in zip(asked, rows, strict=True) for row in found}
        return len(cells)

    def _forget(self, partitions: Partitions, dead: Partitions) -> Flow[None]:
        """Delete names with all that they have: first what makes it invisible, last the way to it."""
        timestamp = CLOCK.timestamp()
        times: dict[str, int] = dict.fromkeys(partitions, timestamp)
        if self._layout.counting:
            before = yield from self._index.generations(partitions)
            times = {name: max(timestamp, generation + 1) for name, generation in before.items()}
            arguments = [(self._prefix, name, time, time) for name, time in times.items()]
            yield from self._link.rows(self._sql.renew, arguments, sent=True)
        keys = [key for found in (partitions, dead) for name, some in found.items() for key in self._keys(name, some)]
        yield from self._link.rows(self._sql.drop, self._stamped(keys, timestamp), sent=True)
        entries = [(time, self._prefix, shard_of(name), name) for name, time in times.items()]
        yield from self._link.rows(self._sql.forget_name, entries, sent=True)

    def _narrow(self, name: str, partitions: Sequence[Partition], spans: Mapping[str, Span]) -> Flow[None]:
        """Delete ranges of buckets, and what is in the index of partitions that are within a range as a whole."""
        timestamp = CLOCK.timestamp()
        drops, cuts, entries = [], [], []
        for one in partitions:
            if one.interval not in spans:
                continue
            first, last = spans[one.interval]
            low, high = MIN_BUCKET if first is None else first, MAX_BUCKET if last is None else last
            key = self._index.key(name, one)
            held = self._partitionings[one.interval].buckets(one, MIN_BUCKET, MAX_BUCKET)
            if low <= held[0] and held[1] <= high:
                drops.append(key)
                entries.append((timestamp, *self._index.entry(name, one)))
            elif held[0] <= high and low <= held[1]:
                cuts.append((*key, low, high))
        yield from self._link.rows(self._sql.drop, self._stamped(drops, timestamp), sent=True)
        yield from self._link.rows(self._sql.cut, self._stamped(cuts, timestamp), sent=True)
        yield from self._link.rows(self._sql.forget_partition, entries, sent=True)

    def _stamped(self, keys: Iterable[tuple[Any, ...]], timestamp: int) -> Iterable[tuple[Any, ...]]:
        """The arguments of a delete of cells: counters take no write timestamp."""
        return keys if self._layout.counting else [(timestamp, *key) for key in keys]

    def expire(self, expiry: Expiry) -> Flow[int]:
        yield from self._link.open()
        names = [table.name for table in self._layout.tables]
        (found,) = yield from self._link.rows(COLUMNS, [(self._layout.keyspace, names)])
        if {name for name, *_ in found} != set(names):
            return 0
        removed: int = yield from expire(self._link, self._sql, self._index, expiry)
        return removed

    # --- Life -------------------------------------------------------------------------------------------------------

    def close(self) -> Flow[None]:
        return self._link.close()

    def after_fork(self) -> None:
        self._link.after_fork()


def _life(expires_at: int, now: float) -> int:
    """The TTL of what is sent now; 0 would mean for ever."""
    return max(1, math.ceil(expires_at - now) + _GRACE)


def _ttl(expires_at: int | None, *, now: float) -> int:
    """The TTL of a cell."""
    if expires_at is None:
        return 0
    if (life := _life(expires_at, now)) > _MAX_TTL:  # the core refuses it by its own clock, which may be another
        raise InvalidValue(f"what is kept until {expires_at} lives longer than the 20 years of a TTL")
    return life


def _slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
