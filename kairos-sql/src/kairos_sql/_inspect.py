"""The schema as it is in the database: is it there, is it ours, or must it be made."""

from __future__ import annotations

import re
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.schema import CreateTable

from kairos.errors import BackendError, ConfigurationError
from kairos_sql._schema import Layout
from kairos_sql._transactions import Transactions

__all__ = ["prepare", "table_exists"]


# What a database calls a type otherwise than it was declared.
_ALIASES = {"BOOL": "TINYINT", "NUMERIC": "DECIMAL", "CHARACTER VARYING": "VARCHAR", "FLOAT": "DOUBLE PRECISION"}
# All that `_described` asks SQLAlchemy for, which needs five queries and three times as long.
_POSTGRESQL = sa.text("""
SELECT a.attname, format_type(a.atttypid, NULL), array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
WHERE a.attrelid = to_regclass(CAST(:name AS text)) AND a.attnum > 0 AND NOT a.attisdropped
""")

Description: TypeAlias = tuple[dict[str, str], list[str]]
"""The type of each column, and the columns of the key in their order."""


def table_exists(connection: sa.Connection, table: sa.Table) -> bool:
    """Whether there is a table of this name."""
    return sa.inspect(connection).has_table(table.name, schema=table.schema)


def prepare(
    connection: sa.Connection, layout: Layout, transactions: Transactions, *, writing: bool, create: bool
) -> bool:
    """Find the table, or make it if both flags say so; False if it is not there. One that does not fit is a
    `ConfigurationError`.
    """
    table, where = layout.table, transactions.where
    description = _describe(connection, table, where)
    if description is None:
        if not create:
            raise BackendError(f"{where}: there is no table {table.fullname!r}, and create=False")
        if not writing:
            return False
        with transactions.begin(connection):
            if isinstance(layout.stored.column, sa.types.SchemaType):  # an enumeration is a type of PostgreSQL's own
                layout.stored.column.create(connection, checkfirst=True)
            connection.execute(CreateTable(table, if_not_exists=True))  # another process may be faster
        description = _describe(connection, table, where)
        assert description is not None
    if writing:
        reason = None if transactions.explicit else _autocommit(connection)
        if reason := reason or transactions.own.unfit(connection):
            raise ConfigurationError(f"client: {where}: {reason}")
    _check(description, layout, connection.dialect, where)
    return True


def _autocommit(connection: sa.Connection) -> str | None:
    """Whether the user has told the driver, past SQLAlchemy, to commit each statement by itself."""
    driver = connection.connection.dbapi_connection
    ask = getattr(driver, "get_autocommit", None)
    if (ask() if callable(ask) else getattr(driver, "autocommit", None)) is not True:
        return None
    return "its driver is set to autocommit, and so writes no batch as a whole"


def _describe(connection: sa.Connection, table: sa.Table, where: str) -> Description | None:
    """The table as it is; None if there is none."""
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.format_table(table)
        rows = connection.execute(_POSTGRESQL, {"name": name}).all()
        key = sorted((place, column) for column, _, place in rows if place is not None)
        return ({column: _family(kind) for column, kind, _ in rows}, [column for _, column in key]) if rows else None
    if not table_exists(connection, table):
        return None
    inspector = sa.inspect(connection)
    try:
        names = inspector.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]
        columns = inspector.get_columns(table.name, schema=table.schema)
    except exc.NoSuchTableError as error:
        raise ConfigurationError(
            f"table_name: a table {table.fullname!r} is in {where}, in other capitals; spell it alike"
        ) from error
    return {column["name"]: _declared(column["type"], connection.dialect) for column in columns}, names


def _check(description: Description, layout: Layout, dialect: sa.Dialect, where: str) -> None:
    table = layout.table
    found, key = description
    expected = {column.name: _declared(column.type, dialect) for column in table.columns}
    if layout.stored.values.name == "any" and "value" in found and "value" in expected:
        expected["value"] = found["value"]  # a type of the user's own need not be told from its column
    wrong = [
        f"its column {name} is {found[name]}, not {expected[name]}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    wrong += [f"it has no column {name}" for name in expected if name not in found]
    wrong += [f"it has a column {name}" for name in found if name not in expected]
    if not wrong and key != list(layout.key):
        wrong = [f"its key is {', '.join(key)}"]
    if wrong:
        raise ConfigurationError(
            f"table_name: the table {table.fullname!r} in {where} holds another type or value_type than "
            f"{layout.stored.values.name}: {'; '.join(wrong)}. Give the value_type that it holds, or another table_name"
        )


def _declared(column: sa.types.TypeEngine[object], dialect: sa.Dialect) -> str:
    return "of no type" if isinstance(column, sa.types.NullType) else _family(column.compile(dialect=dialect))


def _family(declared: str) -> str:
    """The type as its DDL without lengths: a column that was made shorter or longer is still the same. And without
    collation, of which a migration need not know.
    """
    found = re.sub(r"\(.*?\)| (COLLATE|CHARACTER SET) .*", "", declared.upper())
    return _ALIASES.get(found, found)
