"""The tables and the statements on them, as CQL. Pure.

Three tables, called after the first: the cells; the names, each with its partitions; and for what is counted the
generation of each name that was ever deleted. Every identifier was checked, everything else is bound.
"""
# ruff: noqa: S608 - the checker cannot see that

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from kairos.backend import Shape
from kairos.errors import ConfigurationError
from kairos_cassandra._link import Cql

__all__ = ["COLUMNS", "KEYSPACE", "KEY_WHERE", "SHARDS", "Layout", "Statements"]

SHARDS = 16
"""Over how many partitions the names of a prefix are spread."""

_KEY = {"prefix": "text", "name": "text", "interval": "text", "generation": "bigint", "start": "bigint"}
_TIMES = {"i_time": "bigint", "r_time": "bigint"}
_INDEX = {
    "interval": "text",
    "start": "bigint",
    "seconds": "bigint",
    "generation": "bigint",
    "step": "text",
    "steps": "bigint",
}
_COUNTING = frozenset({Shape.COUNTER, Shape.COUNTERS})
KEY_WHERE = " AND ".join(f"{column} = %s" for column in _KEY)
"""The condition that finds a partition, in the driver's style for statements that are not prepared."""

COLUMNS = Cql(
    "SELECT table_name, column_name, kind, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name IN ?"
)
KEYSPACE = Cql("SELECT durable_writes FROM system_schema.keyspaces WHERE keyspace_name = ?")


def _where(columns: Iterable[str]) -> str:
    return " AND ".join(f"{column} = ?" for column in columns)


@frozen
class Table:
    """A table: its columns with their types, the partition key first, then the clustering key, then the rest."""

    name: str
    partition: Mapping[str, str]
    clustering: Mapping[str, str]
    regular: Mapping[str, str]

    def create(self, keyspace: str, properties: Sequence[str]) -> str:
        """The CQL that makes it."""
        columns = {**self.partition, **self.clustering, **self.regular}
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        key = ", ".join([f"({', '.join(self.partition)})", *self.clustering])
        options = f" WITH {' AND '.join(properties)}" if properties else ""
        return f'CREATE TABLE IF NOT EXISTS "{keyspace}"."{self.name}" ({body}, PRIMARY KEY ({key})){options}'

    def matches(self, found: Mapping[str, tuple[str, str]]) -> bool:
        """Whether a table with these columns, each with its kind and type, is this one. It may have further columns
        outside of its key.
        """
        kinds = {"partition_key": self.partition, "clustering": self.clustering, "regular": self.regular}
        wanted = {column: (kind, cql) for kind, columns in kinds.items() for column, cql in columns.items()}
        return wanted.items() <= found.items() and all(
            kind in {"regular", "static"} for column, (kind, _) in found.items() if column not in wanted
        )


@frozen(kw_only=True)
class Layout:
    """The tables of a Timeseries."""

    keyspace: str
    table_name: str
    shape: Shape
    column: str
    """The type of values in CQL."""
    properties: Sequence[str] = ()
    cells: Table = field(init=False)
    names: Table = field(init=False)
    generations: Table = field(init=False)

    @cells.default
    def _cells(self) -> Table:
        clustering, regular = {
            Shape.LIST: ({"id": "timeuuid"}, {"value": self.column}),
            Shape.REGISTER: ({}, {"value": self.column}),
            Shape.SET: ({"value": self.column}, {}),
            Shape.COUNTER: ({}, {"count": "counter"}),
            Shape.COUNTERS: ({"value": self.column}, {"count": "counter"}),
        }[self.shape]
        return Table(self.table_name, _KEY, {**_TIMES, **clustering}, regular)

    @names.default
    def _names(self) -> Table:
        partition = {"prefix": "text", "shard": "int"}
        return Table(f"{self.table_name}_names", partition, {"name": "text", **_INDEX}, {})

    @generations.default
    def _generations(self) -> Table:
        key = {"prefix": "text", "name": "text"}
        return Table(f"{self.table_name}_generations", key, {}, {"generation": "bigint"})

    @property
    def counting(self) -> bool:
        """Whether the cells are counters, which can have no TTL and do not start anew when they are deleted."""
        return self.shape in _COUNTING

    @property
    def tables(self) -> list[Table]:
        """All tables that there must be; that of the cells is made last, so that it says that all are there."""
        return [self.names, *([self.generations] if self.counting else []), self.cells]

    @property
    def where(self) -> str:
        """The table of the cells, as a message or a user's CQL names it."""
        return f"{self.keyspace}.{self.table_name}"

    def create(self, table: Table) -> str:
        """The CQL that makes a table."""
        return table.create(self.keyspace, self.properties if table is self.cells else ())

    def missing(self, found: Iterable[tuple[str, str, str, str]]) -> list[Table]:
        """The tables that are not there, among the columns that are; one that is another is a `ConfigurationError`."""
        columns: dict[str, dict[str, tuple[str, str]]] = {}
        for name, column, kind, cql in found:
            columns.setdefault(name, {})[column] = (kind, cql)
        for table in self.tables:
            if table.name in columns and not table.matches(columns[table.name]):
                raise ConfigurationError(
                    f"table_name: {self.keyspace}.{table.name} is there, and not a table of kairos for this type and "
                    f"value_type; name another one"
                )
        return [table for table in self.tables if table.name not in columns]


@frozen(kw_only=True)
class Statements:
    """What is done with the tables of a layout. The arguments of each are in the order of its text."""

    add: Cql
    """Add to a cell: the key, i_time, r_time, [id], value, TTL, write timestamp; where it counts: the number, the
    key, i_time, r_time, [value]."""
    read: Cql
    """The rows of a partition from one i_time to another."""
    read_versions: Cql
    """The same, with what orders the versions of a cell that lies in several partitions."""
    first: Cql
    """The first i_time of a partition from one on."""
    last: Cql
    """The last i_time of a partition from one on."""
    count: Cql
    """The (i_time, r_time) of so many cells of a partition, from one i_time to another."""
    drop: Cql
    """Delete a partition. Here and below, where it does not count: the write timestamp first."""
    cut: Cql
    """Delete the cells of a partition from one i_time to another."""
    expire: Cql
    """Delete the cells of a partition up to an (i_time, r_time)."""
    index: Cql
    """Enter a partition in the index: prefix, shard, name, the columns of a `Partition`, TTL, write timestamp."""
    partitions: Cql
    """The partitions of a name."""
    partitions_of: Cql
    """The partitions of a name and an interval, from one start to another."""
    shard: Cql
    """The names of a shard with their partitions."""
    forget_partition: Cql
    """Take a partition out of the index; here and below, the write timestamp first."""
    forget_name: Cql
    """Take a name out of the index."""
    generation: Cql
    """The generation of a name."""
    renew: Cql
    """Start a generation: prefix, name, generation, write timestamp."""

    @classmethod
    def of(cls, layout: Layout) -> Statements:
        """The statements on the tables of a layout."""
        return cls(**_cells(layout), **_index(layout), **_generations(layout))


def _cells(layout: Layout) -> dict[str, Cql]:
    table, shape = layout.cells, layout.shape
    quoted, counting = f'"{layout.keyspace}"."{table.name}"', layout.counting
    key, row = _where(_KEY), _where([*_KEY, *table.clustering])
    columns = [*_KEY, *table.clustering, *table.regular]
    data = [column for column in ("value", "count") if column in columns]
    order = {Shape.LIST: ["id"], Shape.REGISTER: ["WRITETIME(value)"]}.get(shape, [])
    select = f"SELECT {', '.join([*_TIMES, *data])}"
    group = f" GROUP BY {', '.join([*_KEY, *_TIMES])}" if len(table.clustering) > len(_TIMES) else ""
    between = "i_time >= ? AND i_time <= ?"
    at = "" if counting else " USING TIMESTAMP ?"
    if counting:
        add = f"UPDATE {quoted} SET count = count + ? WHERE {row}"
    else:
        marks = ", ".join("?" for _ in columns)
        add = f"INSERT INTO {quoted} ({', '.join(columns)}) VALUES ({marks}) USING TTL ? AND TIMESTAMP ?"
    return {
        "add": Cql(add, writes=True, counts=counting),
        "read": Cql(f"{select} FROM {quoted} WHERE {key} AND {between}"),
        "read_versions": Cql(f"{', '.join([select, *order])} FROM {quoted} WHERE {key} AND {between}"),
        "first": Cql(f"SELECT i_time FROM {quoted} WHERE {key} AND i_time >= ? LIMIT 1"),
        "last": Cql(f"SELECT i_time FROM {quoted} WHERE {key} AND i_time >= ? ORDER BY i_time DESC LIMIT 1"),
        "count": Cql(f"SELECT i_time, r_time FROM {quoted} WHERE {key} AND {between}{group} LIMIT ?"),
        "drop": Cql(f"DELETE FROM {quoted}{at} WHERE {key}", writes=True),
        "cut": Cql(f"DELETE FROM {quoted}{at} WHERE {key} AND {between}", writes=True),
        "expire": Cql(f"DELETE FROM {quoted}{at} WHERE {key} AND (i_time, r_time) <= (?, ?)", writes=True),
    }


def _index(layout: Layout) -> dict[str, Cql]:
    table = layout.names
    quoted = f'"{layout.keyspace}"."{table.name}"'
    shard, name = _where(table.partition), _where([*table.partition, "name"])
    columns = [*table.partition, *table.clustering]
    entry = ", ".join(_INDEX)
    marks = ", ".join("?" for _ in columns)
    delete = f"DELETE FROM {quoted} USING TIMESTAMP ? WHERE"
    return {
        "index": Cql(
            f"INSERT INTO {quoted} ({', '.join(columns)}) VALUES ({marks}) USING TTL ? AND TIMESTAMP ?", writes=True
        ),
        "partitions": Cql(f"SELECT {entry} FROM {quoted} WHERE {name}"),
        "partitions_of": Cql(
            f"SELECT {entry} FROM {quoted} WHERE {name} AND interval = ? AND start >= ? AND start <= ?"
        ),
        "shard": Cql(f"SELECT name, {entry} FROM {quoted} WHERE {shard}"),
        "forget_partition": Cql(f"{delete} {_where(columns)}", writes=True),
        "forget_name": Cql(f"{delete} {name}", writes=True),
    }


def _generations(layout: Layout) -> dict[str, Cql]:
    quoted = f'"{layout.keyspace}"."{layout.generations.name}"'
    return {
        "generation": Cql(f"SELECT generation FROM {quoted} WHERE prefix = ? AND name = ?"),
        "renew": Cql(
            f"INSERT INTO {quoted} (prefix, name, generation) VALUES (?, ?, ?) USING TIMESTAMP ?", writes=True
        ),
    }
