"""The schema as it is in the database: is it there, is it ours, or must it be made."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from kairos.errors import BackendError, ConfigurationError
from kairos_sql._schema import Layout

__all__ = ["prepare", "table_exists"]


def table_exists(connection: sa.Connection, table: sa.Table) -> bool:
    """Whether there is a table of this name."""
    return sa.inspect(connection).has_table(table.name, schema=table.schema)


def prepare(connection: sa.Connection, layout: Layout, *, writing: bool, create: bool, where: str) -> bool:
    """Find the table, or make it if both flags say so; False if it is not there. One that does not fit is a
    `ConfigurationError`.
    """
    table = layout.table
    if not table_exists(connection, table):
        if not create:
            raise BackendError(f"{where}: there is no table {table.fullname!r}, and create=False")
        if not writing:
            return False
        connection.execute(CreateTable(table, if_not_exists=True))  # another process may be faster
        connection.commit()
    _check(connection, table, where)
    return True


def _check(connection: sa.Connection, table: sa.Table, where: str) -> None:
    found = sa.inspect(connection)
    key = found.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]
    types = {
        column["name"]: _family(column["type"], connection.dialect)
        for column in found.get_columns(table.name, schema=table.schema)
    }
    expected = {column.name: _family(column.type, connection.dialect) for column in table.columns}
    if key == [column.name for column in table.primary_key.columns] and types == expected:
        return
    wrong = [
        f"{name} is {types.get(name, 'missing')}, not {expected.get(name, 'there')}"
        for name in {**expected, **types}
        if types.get(name) != expected.get(name)
    ]
    if not wrong:
        wrong = [f"its key is {', '.join(key)}"]
    raise ConfigurationError(
        f"table_name: the table {table.fullname!r} in {where} holds another type or value_type "
        f"({'; '.join(wrong)}); give one of its own"
    )


def _family(column: sa.types.TypeEngine[object], dialect: sa.Dialect) -> str:
    """The type as its DDL without lengths: a column that was made shorter or longer is still the same."""
    return re.sub(r"\(.*?\)", "", column.compile(dialect=dialect))
