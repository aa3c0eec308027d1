"""The one table of a Timeseries: its columns, keys and names, the same on every database.

A cell is (prefix, name, interval, i_time, r_time): the interval's and the resolution's bucket, as integers. Of a coarse
interval r_time is `NO_RESOLUTION`. The columns after these depend on the shape:

========  ==========================  ==============================================
shape     further columns of the key  further columns
========  ==========================  ==============================================
list      seq (the order of arrival)  value
counters  value, or its digest        [value,] n
counter                               n, f (a whole number and a float, to be added)
register                              value
set       value, or its digest        [value]
========  ==========================  ==============================================

Every table also has expires_at: when the bucket stops being visible in Unix seconds, NULL for never. A value is part of
the key if it is short and compares alike everywhere; a text, say, may be too long for an index, or equal another one by
the collation of the column. Then ``digest``, 16 bytes of BLAKE2 of it, is the key.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

from kairos.backend import Shape
from kairos.errors import ConfigurationError
from kairos.kinds import KINDS
from kairos.values import show
from kairos_sql._config import STRING_LENGTH, TEXT_LENGTH
from kairos_sql._types import MYSQL, Name, StoredType, stored_type

__all__ = ["DIGEST_BYTES", "NO_RESOLUTION", "Layout", "make_layout", "metadata"]

DIGEST_BYTES = 16
NO_RESOLUTION = -1
"""r_time of the cells of a coarse interval."""


@frozen(kw_only=True)
class Layout:
    """A table and how its columns are used. ``key`` and ``data`` name columns, in order; ``digested`` tells whether
    the last of the key is the digest of a value.
    """

    table: sa.Table
    shape: Shape
    stored: StoredType
    key: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def digested(self) -> bool:
        return self.key[-1] == "digest"


CELL = ("prefix", "name", "interval", "i_time", "r_time")


def make_layout(
    *,
    type: str,
    shape: Shape,
    stored: StoredType,
    table_name: str | None = None,
    string_length: int = STRING_LENGTH,
    schema: str | None = None,
    dialect: str | None = None,
    into: sa.MetaData | None = None,
) -> Layout:
    """The table of one type of series, in ``into`` or in a MetaData of its own; for a dialect, or for any."""
    name = f"kairos_{type}" if table_name is None else table_name
    member = "value" if stored.key else "digest"
    key = CELL + {Shape.LIST: ("seq",), Shape.COUNTERS: (member,), Shape.SET: (member,)}.get(shape, ())
    held: dict[Shape, tuple[str, ...]] = {Shape.COUNTERS: ("value", "n"), Shape.COUNTER: ("n", "f")}
    data = tuple(column for column in held.get(shape, ("value",)) if column not in key)
    columns: dict[str, sa.Column[Any]] = {
        "prefix": sa.Column("prefix", Name(string_length)),
        "name": sa.Column("name", Name(string_length)),
        "interval": sa.Column("interval", Name(string_length)),
        "i_time": sa.Column("i_time", sa.BigInteger, autoincrement=False),
        "r_time": sa.Column("r_time", sa.BigInteger, autoincrement=False),
        "seq": sa.Column("seq", sa.BigInteger, autoincrement=False),
        "digest": sa.Column("digest", sa.LargeBinary(DIGEST_BYTES).with_variant(mysql.BINARY(DIGEST_BYTES), *MYSQL)),
        "value": sa.Column("value", stored.column, nullable=False, autoincrement=False),
        "n": sa.Column("n", sa.BigInteger, nullable=False),
        "f": sa.Column("f", sa.Double, nullable=False),
        "expires_at": sa.Column("expires_at", sa.BigInteger, nullable=True),
    }
    on_mysql: dict[str, Any] = {
        f"{name}_{option}": value for name in MYSQL for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"))
    }
    table = sa.Table(
        name,
        sa.MetaData() if into is None else into,
        *(columns[column] for column in (*key, *data, "expires_at")),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        *_checks(name, data, dialect),
        schema=schema,
        # The key holds nearly all of a row, so the rows are kept in its order and not a second time beside it.
        sqlite_with_rowid=False,
        **on_mysql,  # transactions need this engine, and any text this character set
    )
    return Layout(table=table, shape=shape, stored=stored, key=key, data=data)


def _checks(name: str, data: tuple[str, ...], dialect: str | None) -> list[SchemaItem]:
    """SQLite alone turns an integer that overflows into a float, and a float into an infinity, without an error."""
    conditions = {"n": "typeof(n) = 'integer'", "f": "abs(f) <= 1.7976931348623157e308"}
    checks = [(column, conditions[column]) for column in data if column in conditions and dialect in {None, "sqlite"}]
    return [
        sa.CheckConstraint(condition, name=f"ck_{name}_{column}").ddl_if(dialect="sqlite")
        for column, condition in checks
    ]


def metadata(
    *,
    type: str = "series",
    value_type: object = None,
    table_name: str | None = None,
    string_length: int = STRING_LENGTH,
    text_length: int = TEXT_LENGTH,
    schema: str | None = None,
    dialect: str | None = None,
    into: sa.MetaData | None = None,
) -> sa.MetaData:
    """The table that a Timeseries with these keywords uses, for Alembic and for who makes tables by hand.

    The keywords are those of the constructor. ``dialect`` is SQLAlchemy's name of the database (``postgresql``,
    ``mysql``, ``mariadb``, ``sqlite``): without it the table is one that any of them can make, but Alembic compares,
    and writes into its migrations, what is meant for another one. Returns ``into`` with the table added if it is given
    (for instance the MetaData of your own models), else a new MetaData. A wrong keyword is a `ConfigurationError`.
    """
    if type not in KINDS:
        raise ConfigurationError(f"type: expected one of {', '.join(KINDS)}, not {show(type)}")
    layout = make_layout(
        type=type,
        shape=KINDS[type].shape,
        stored=stored_type(value_type, string_length=string_length, text_length=text_length),
        table_name=table_name,
        string_length=string_length,
        schema=schema,
        dialect=dialect,
        into=into,
    )
    return layout.table.metadata
