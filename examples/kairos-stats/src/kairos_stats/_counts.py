"""How many values a bucket holds, counted by the store: the values themselves stay there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen

from kairos import HookContext, hookimpl
from kairos.plans import Query, Rows

__all__ = ["StoreCounts"]

# One command for each key, as kairos-redis documents its fetch.
COMMANDS = {"series": "llen", "histogram": "hlen", "set": "scard"}
REDIS = {"redis", "rediss", "unix", "valkey", "valkeys", "fakeredis"}
SQL = {"sqlite", "postgresql", "mysql", "mariadb", "sqlalchemy"}


def counted(  # noqa: PLR0917 - the form that kairos-sql documents
    prefix: str, connection: Any, table: Any, name: str, interval: str, first: int, last: int | None
) -> dict[int, dict[int, int]]:
    """The number of rows of each cell, as kairos-sql documents its fetch."""
    import sqlalchemy as sa  # noqa: PLC0415 - only who reads from SQL has it

    cell = (table.c.i_time, table.c.r_time)
    query = sa.select(*cell, sa.func.count()).group_by(*cell)
    query = query.where(table.c.prefix == prefix, table.c.name == name, table.c.interval == interval)
    query = query.where(table.c.i_time.between(first, first if last is None else last))
    found: dict[int, dict[int, int]] = {}
    for bucket, part, n in connection.execute(query):
        found.setdefault(bucket, {})[part] = n
    return found


@frozen
class StoreCounts:
    """A plugin for one Timeseries, ``plugins=[StoreCounts()]``, on Redis or SQL: every read gives the number of values
    of a series, or of distinct values of a histogram or set, instead of the values.

    Numbers of a series add up under condense, collapse and several names. Numbers of distinct values do not (a value
    may be in both buckets), so those reads are a ValueError. A bucket without data reads as without this plugin: an
    empty container. On SQL, ``prefix`` is that of the Timeseries, without a colon at its end.
    """

    prefix: str = ""

    def _applies(self, context: HookContext) -> bool:
        return context.kind in COMMANDS and context.scheme.partition("+")[0] in REDIS | SQL

    @hookimpl
    def fetch(self, context: HookContext) -> Callable[[Query], Rows] | None:
        """Ask the store for numbers."""
        if not self._applies(context):
            return None
        if context.scheme.partition("+")[0] in SQL:
            return context.adapt(partial(counted, self.prefix))
        command = COMMANDS[context.kind]
        return context.adapt(lambda handle, key: getattr(handle, command)(key))

    @hookimpl
    def process_row(self, context: HookContext) -> Callable[[Any], int] | None:
        """Leave a number as it is."""
        return int if self._applies(context) else None

    def _added(self, context: HookContext) -> Callable[[Any], int] | None:
        if not self._applies(context):
            return None
        if context.kind == "series":
            return lambda given: sum(given.values() if isinstance(given, dict) else (n or 0 for n in given))
        raise ValueError(f"how many distinct values several buckets of a {context.kind} have cannot be added up")

    @hookimpl
    def condense(self, context: HookContext) -> Callable[[dict[int, Any]], int] | None:
        """Add the numbers of the parts of a bucket."""
        return self._added(context)

    @hookimpl
    def join_rows(self, context: HookContext) -> Callable[[list[Any]], int] | None:
        """Add the numbers of several names."""
        return self._added(context)

    @hookimpl
    def collapse(self, context: HookContext) -> Callable[[dict[int, Any]], int] | None:
        """Add the numbers of a range."""
        return self._added(context)
