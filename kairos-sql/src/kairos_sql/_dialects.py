"""What SQLAlchemy has no portable way for, in one table: a row for each database that kairos serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import mysql, postgresql, sqlite

from kairos_sql._verdicts import Verdict, mysql_verdict, postgresql_verdict, sqlite_verdict

__all__ = ["DIALECTS", "PORTABLE", "Dialect", "Updates", "dialect_of"]

Updates = Callable[[Any], Mapping[str, Any]]
"""Given the columns of the new row: what an existing row is set to."""


@frozen(kw_only=True)
class Dialect:
    """How one database does it.

    ``upsert`` makes an INSERT that updates the row with the same key (None: there is none, or none that we know; see
    `kairos_sql._portable`). ``sequence`` is the expression for the ``seq`` of a new row where there is one writer at a
    time; it depends on the rows that are there, so that each new row needs a statement to itself (None: the rows come
    numbered, see `kairos_sql._rows.Stamps`). ``lock`` is a statement that makes a transaction which reads before it
    writes the only writer, where that is how the database keeps writers apart. ``judge`` tells what a driver's error
    means, ``unfit`` what is wrong with a database as it is set up. ``drivers`` are those of a URL that names none, the
    blocking (None: that of SQLAlchemy) and the asynchronous one; ``cancellable`` tells whether the latter ends what it
    does when the task that waits for it is cancelled. ``key_bytes`` is how long a key may be, ``extra`` what to
    install. ``sums`` is how ints add up exactly: by SUM, where that is a NUMERIC, or in halves of 32 bits, where it
    would overflow (None: nobody knows).
    """

    upsert: Callable[[sa.Table, Updates], sa.Insert] | None
    sequence: Callable[[sa.Table, Mapping[str, Any]], sa.ColumnElement[Any]] | None = None
    lock: Callable[[sa.Table], sa.Delete] | None = None
    judge: Callable[[BaseException], Verdict]
    unfit: Callable[[sa.Connection], str | None] = lambda _: None
    drivers: tuple[str | None, str]
    cancellable: bool = True
    key_bytes: int | None = None
    extra: str
    sums: Literal["numeric", "halves"] | None = "numeric"
    locks_rows: bool = False  # whether SELECT ... FOR UPDATE keeps other writers from the rows that it finds
    skips: bool = False  # whether GROUP BY goes from one group to the next in the index; a recursion would not
    autocommits: bool = False  # whether our engines commit each statement by itself, which saves round trips
    switches: bool = False  # whether the drivers can be told to do so without a round trip


def _on_conflict(insert: Any, table: sa.Table, updates: Updates) -> sa.Insert:
    found: sa.Insert = insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=dict(updates(insert.excluded))
    )
    return found


def _mysql_upsert(table: sa.Table, updates: Updates) -> sa.Insert:
    insert = mysql.insert(table)
    return insert.on_duplicate_key_update(dict(updates(insert.inserted)))


def _sqlite_sequence(table: sa.Table, row: Mapping[str, Any]) -> sa.ColumnElement[Any]:
    """The next number in the cell: there is one writer at a time, and the key ends with the number."""
    cell = [column for column in table.primary_key.columns if column.name != "seq"]
    last = sa.select(sa.func.max(table.c.seq)).where(*(column == row[column.name] for column in cell))
    return sa.func.coalesce(last.scalar_subquery() + sa.literal_column("1"), sa.literal_column("0"))


def _mysql_unfit(connection: sa.Connection) -> str | None:
    mode = str(connection.exec_driver_sql("SELECT @@sql_mode").scalar())
    if "STRICT_ALL_TABLES" in mode or "STRICT_TRANS_TABLES" in mode:
        return None
    return "its sql_mode is not strict, so it would cut and round values in silence; add STRICT_ALL_TABLES to it"


_MYSQL = Dialect(
    upsert=_mysql_upsert,
    judge=mysql_verdict,
    unfit=_mysql_unfit,
    drivers=("pymysql", "asyncmy"),
    key_bytes=3_072,
    extra="mysql",
    locks_rows=True,
    skips=True,
    autocommits=True,
)

DIALECTS: Mapping[str, Dialect] = {
    "mariadb": _MYSQL,
    "mysql": _MYSQL,
    "postgresql": Dialect(
        upsert=lambda table, updates: _on_conflict(postgresql.insert(table), table, updates),
        judge=postgresql_verdict,
        drivers=("psycopg", "psycopg"),
        key_bytes=2_600,  # a third of a page, less what each column adds
        extra="postgresql",
        locks_rows=True,
        autocommits=True,
        switches=True,
    ),
    "sqlite": Dialect(
        upsert=lambda table, updates: _on_conflict(sqlite.insert(table), table, updates),
        sequence=_sqlite_sequence,
        # Any write takes the lock, and the driver begins no transaction before one.
        lock=lambda table: sa.delete(table).where(sa.false()),
        judge=sqlite_verdict,
        drivers=(None, "aiosqlite"),
        cancellable=False,  # it works in threads
        extra="asyncio",
        sums="halves",
    ),
}


# A database of which nothing is known but what SQLAlchemy knows: it need have transactions, savepoints and unique keys.
PORTABLE = Dialect(
    upsert=None,
    sequence=None,
    judge=lambda _: Verdict.FAILED,
    drivers=("", ""),
    cancellable=False,
    extra="",
    sums=None,
)


def dialect_of(name: str) -> Dialect:
    """The row of a database; of one that has none, what works everywhere."""
    return DIALECTS.get(name, PORTABLE)
