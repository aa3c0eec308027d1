"""Reclaiming what is past, in pieces, so that no other writer waits long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from attrs import define

from kairos.plans import Expiry
from kairos_sql._schema import CELL
from kairos_sql._statements import Statements
from kairos_sql._transactions import Transactions

__all__ = ["Progress", "expire"]

Cell: TypeAlias = tuple[str, str, int, int]
"""(name, interval, i_time, r_time)."""

# How many cells one transaction removes.
_PIECE = 1_000


@define
class Progress:
    """How many cells were removed by what is committed."""

    removed: int = 0


def expire(
    connection: sa.Connection,
    sql: Statements,
    prefix: str,
    expiry: Expiry,
    progress: Progress,
    *,
    transactions: Transactions,
    start: str,
) -> str:
    """Remove the cells that are past, of all names from ``start`` on and around; the name where it ended, so that a job
    which does it limit by limit need not look through everything each time.
    """
    found = _past(connection, sql, prefix, expiry, start)
    if expiry.limit is not None:
        found = islice(found, expiry.limit - progress.removed)
    name = ""
    while piece := list(islice(found, _PIECE)):
        name = piece[-1][0]
        removed = 0
        with transactions.begin(connection):
            if sql.own.lock is not None:
                connection.execute(sql.own.lock(sql.layout.table))
            for (_, interval), cells in groupby(sorted(piece), itemgetter(0, 1)):  # in the order of the writers
                if interval in expiry.cutoffs:
                    removed += _remove_all(connection, sql, prefix, list(cells))
                else:
                    removed += _remove_each(connection, sql, prefix, cells, expiry.now)
        progress.removed += removed
    return name if expiry.limit is not None and progress.removed >= expiry.limit else ""


def _remove_all(connection: sa.Connection, sql: Statements, prefix: str, cells: list[Cell]) -> int:
    """Remove cells of one name and interval, all that are past from the first to the last."""
    values = dict(zip(CELL, (prefix, *cells[-1]), strict=True)) | {"first": cells[0][2]}
    count, remove = sql.count_up_to(), sql.remove_up_to()
    # A cell that another process was faster to remove does not count.
    removed: int = connection.exec_driver_sql(count.sql, count.one(values)).scalar_one()
    connection.exec_driver_sql(remove.sql, remove.one(values))
    return removed


def _remove_each(connection: sa.Connection, sql: Statements, prefix: str, cells: Iterable[Cell], now: float) -> int:
    """Remove cells between which there may be others that stay. So does what was written again since it was found, by
    who keeps it longer.
    """
    remove, removed = sql.remove(), 0
    for cell in cells:
        values = dict(zip(CELL, (prefix, *cell), strict=True)) | {"now": now}
        removed += connection.exec_driver_sql(remove.sql, remove.one(values)).rowcount > 0
    return removed


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
