"""Reclaiming what is past, in pieces, so that no other writer waits long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, TypeAlias

import sqlalchemy as sa

from kairos.plans import Expiry
from kairos_sql._statements import Statements

__all__ = ["expire"]

Cell: TypeAlias = tuple[str, str, int, int]
"""(name, interval, i_time, r_time)."""

# How many cells one transaction removes.
_PIECE = 1_000


def expire(
    connection: sa.Connection,
    sql: Statements,
    prefix: str,
    expiry: Expiry,
    *,
    start: str,
    commit: Callable[[sa.Connection], None],
) -> tuple[int, str]:
    """Remove the cells that are past, of all names from ``start`` on and around; how many they were, and the name
    where it ended, so that a job which does it limit by limit need not look through everything each time.
    """
    found = _past(connection, sql, prefix, expiry, start)
    if expiry.limit is not None:
        found = islice(found, expiry.limit)
    removed, name = 0, ""
    while piece := list(islice(found, _PIECE)):
        connection.execute(sql.own.lock(sql.layout.table))
        for name, interval, i_time, r_time in piece:
            values = {"prefix": prefix, "name": name, "interval": interval, "i_time": i_time, "r_time": r_time}
            # What was written again since it was found, by who keeps it longer, stays.
            statement = sql.remove(stored=interval not in expiry.cutoffs)
            parameters = statement.one({**values, "now": expiry.now})
            # A cell that another process was faster to remove does not count.
            removed += connection.exec_driver_sql(statement.sql, parameters).rowcount > 0
        commit(connection)
    return removed, name if expiry.limit is not None and removed >= expiry.limit else ""


def _past(connection: sa.Connection, sql: Statements, prefix: str, expiry: Expiry, start: str) -> Iterator[Cell]:
    """The cells that are past, each once: of an interval with a cutoff by their bucket, of others by what is stored. A
    cell is past if all of its rows are, since an older configuration may have written some of them.
    """
    c = sql.layout.table.c
    mine = c.prefix == prefix
    stored = sa.and_(sa.func.max(c.expires_at) <= expiry.now, sa.func.count() == sa.func.count(c.expires_at))
    names: Iterator[str] = iter([expiry.name or ""])
    if expiry.name is None:
        names = chain(
            _distinct(connection, c.name, [mine, c.name >= start]),
            _distinct(connection, c.name, [mine, c.name < start]),
        )
    for name in names:
        for interval in _distinct(connection, c.interval, [mine, c.name == name]):
            cells = sql.cells(mine, c.name == name, c.interval == interval)
            if interval not in expiry.cutoffs:
                yield from _pieces(connection, sql, cells.having(stored))
            elif (cutoff := expiry.cutoffs[interval]) is not None:
                yield from _pieces(connection, sql, cells.where(c.i_time < cutoff))


def _distinct(connection: sa.Connection, column: sa.Column[str], conditions: list[Any]) -> Iterator[str]:
    """The values of a column of the key, each found by one look into the index."""
    least = sa.select(sa.func.min(column)).where(*conditions)
    found = connection.scalar(least)
    while found is not None:
        yield found
        found = connection.scalar(least.where(column > found))


def _pieces(connection: sa.Connection, sql: Statements, cells: Any) -> Iterator[Cell]:
    """The cells of one name and interval in order. A piece is read whole, and the next one begins where it ended, so
    that no cursor is open while they are removed.
    """
    c = sql.layout.table.c
    cells = cells.order_by(c.name, c.interval, c.i_time, c.r_time).limit(_PIECE)  # as it is grouped: no sorting
    piece = connection.execute(cells).all()
    while piece:
        for name, interval, i_time, r_time in piece:
            yield name, interval, i_time, r_time
        _, _, i_time, r_time = piece[-1]
        after = sa.tuple_(c.i_time, c.r_time) > sa.tuple_(sa.literal(i_time), sa.literal(r_time))
        piece = connection.execute(cells.where(after)).all()
