"""What SQLAlchemy has no portable way for, in one table: a row for each database that kairos serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Literal

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import sqlite

from kairos.errors import ConfigurationError

__all__ = ["DIALECTS", "Dialect", "Updates", "dialect_of"]

Updates = Callable[[Any], Mapping[str, Any]]
"""Given the columns of the new row: what an existing row is set to."""


@frozen(kw_only=True)
class Dialect:
    """How one database does it.

    ``upsert`` makes an INSERT that updates the row with the same key, ``sequence`` the expression for the ``seq`` of a
    new row (None: the column numbers itself). ``lock`` is a statement that makes a transaction which reads before it
    writes the only writer. ``unavailable`` and ``overflow`` tell from a driver's error whether the database cannot be
    reached, and whether a number has left its 64 bits. ``asynchronous`` is the driver for a URL that names none;
    ``cancellable`` tells whether it ends what it does when the task that waits for it is cancelled. ``sums`` is how
    ints add up exactly: by SUM, where that is a NUMERIC, or in halves of 32 bits, where it would overflow.
    """

    upsert: Callable[[sa.Table, Updates], sa.Insert]
    sequence: Callable[[sa.Table, Mapping[str, Any]], sa.ColumnElement[Any]] | None
    lock: Callable[[sa.Table], sa.Delete]
    unavailable: Callable[[BaseException], bool]
    overflow: Callable[[BaseException], bool]
    asynchronous: str
    cancellable: bool
    sums: Literal["numeric", "halves"]


def _sqlite_upsert(table: sa.Table, updates: Updates) -> sa.Insert:
    insert = sqlite.insert(table)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=dict(updates(insert.excluded))
    )


def _sqlite_sequence(table: sa.Table, row: Mapping[str, Any]) -> sa.ColumnElement[Any]:
    """The next number in the cell: there is one writer at a time, and the key ends with the number."""
    cell = [column for column in table.primary_key.columns if column.name != "seq"]
    last = sa.select(sa.func.max(table.c.seq)).where(*(column == row[column.name] for column in cell))
    return sa.func.coalesce(last.scalar_subquery() + sa.literal_column("1"), sa.literal_column("0"))


def _sqlite_code(error: BaseException) -> int:
    code = getattr(error, "sqlite_errorcode", 0)  # the driver's own errors have none
    assert isinstance(code, int)
    return code


_SQLITE_UNAVAILABLE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN})

DIALECTS: Mapping[str, Dialect] = {
    "sqlite": Dialect(
        upsert=_sqlite_upsert,
        sequence=_sqlite_sequence,
        # Any write takes the lock, and the driver begins no transaction before one.
        lock=lambda table: sa.delete(table).where(sa.false()),
        unavailable=lambda error: _sqlite_code(error) & 0xFF in _SQLITE_UNAVAILABLE,
        overflow=lambda error: _sqlite_code(error) == sqlite3.SQLITE_CONSTRAINT_CHECK,
        asynchronous="aiosqlite",
        cancellable=False,  # it works in threads
        sums="halves",
    ),
}


def dialect_of(name: str) -> Dialect:
    """The row of a database, or a `ConfigurationError` that lists those that there are."""
    if name not in DIALECTS:
        raise ConfigurationError(f"client: kairos-sql serves {', '.join(DIALECTS)}; not {name}")
    return DIALECTS[name]
