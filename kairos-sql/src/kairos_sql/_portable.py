"""Writing where no upsert is known: UPDATE a row or, if there is none, INSERT it in a savepoint. If another writer was
faster, the savepoint is rolled back, and there is a row to update. It costs two or more statements for each row.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from kairos.backend import Shape
from kairos_sql._schema import CELL
from kairos_sql._statements import Prepared, Statements

__all__ = ["put"]

Row = tuple[Any, ...]

# How often another writer may be faster before it is taken for another error.
_ATTEMPTS = 100

_cell = itemgetter(slice(len(CELL)))


def put(connection: sa.Connection, sql: Statements, rows: Iterable[Row]) -> None:
    """Add rows to the table, those of a list at the ends of their cells."""
    if sql.layout.shape is Shape.LIST:
        for cell, values in groupby(rows, key=_cell):
            _append(connection, sql, cell, list(values))
    else:
        for row in rows:
            _add(connection, sql, row)


def _add(connection: sa.Connection, sql: Statements, row: Row) -> None:
    for attempt in count(1):
        if _send(connection, sql.update(), [row]).rowcount > 0:
            return
        if _inserted(connection, sql, [row], last=attempt == _ATTEMPTS):
            return


def _append(connection: sa.Connection, sql: Statements, cell: Row, rows: list[Row]) -> None:
    for attempt in count(1):
        last = _send(connection, sql.last(), [cell]).scalar()
        first = 0 if last is None else last + 1
        numbered = [(*row, seq) for seq, row in enumerate(rows, first)]
        if _inserted(connection, sql, numbered, last=attempt == _ATTEMPTS):
            return


def _inserted(connection: sa.Connection, sql: Statements, rows: list[Row], *, last: bool) -> bool:
    """Insert all of the rows, or none, if one is there already."""
    try:
        with connection.begin_nested():
            _send(connection, sql.insert(), rows)
    except exc.IntegrityError:
        if last:
            raise
        return False
    return True


def _send(connection: sa.Connection, statement: Prepared, rows: list[Row]) -> sa.CursorResult[Any]:
    parameters = statement.many(rows)
    return connection.exec_driver_sql(statement.sql, parameters if len(rows) > 1 else parameters[0])
