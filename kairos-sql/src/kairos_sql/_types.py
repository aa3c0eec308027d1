"""The types of values: which SQL type holds one, which values it takes, and whether it can be a key by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from attrs import evolve, frozen
from sqlalchemy import exc
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

from kairos.errors import ConfigurationError, InvalidValue
from kairos.values import ValueType, show, value_type
from kairos_sql._config import STRING_LENGTH, TEXT_LENGTH
from kairos_sql._losses import integers, loss

__all__ = ["MYSQL", "ExactDecimal", "Name", "StoredType", "stored_type"]

Cast = Callable[[Any], Any]

MYSQL = ("mysql", "mariadb")
"""The names of the dialect for MySQL and MariaDB."""
# Where NUMERIC has no limits of its own: how many digits, and how many of them behind the point.
_DIGITS: Mapping[str, tuple[int, int]] = {"mysql": (65, 30), "mariadb": (65, 30), "postgresql": (147_455, 16_383)}


class Name(TypeDecorator[str]):
    """A short text of the key, which is compared by its bytes, whatever the database is set to: MySQL's collations
    take 'a' and 'A' for one, or 'a' and 'a ', and the order of PostgreSQL's changes with the operating system.
    """

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        length = self.impl_instance.length  # type: ignore[attr-defined]
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.VARBINARY(length))
        return dialect.type_descriptor(sa.String(length, collation="C" if dialect.name == "postgresql" else None))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.encode() if dialect.name in MYSQL and isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return bytes(value).decode() if dialect.name in MYSQL and isinstance(value, (bytes, bytearray)) else value


class ExactDecimal(TypeDecorator[Decimal]):
    """NUMERIC where the database has exact numbers; text on SQLite, which would store a double.

    On SQLite the column is declared CHAR, which no other type of values is, so that a table tells what it holds. MySQL
    has no more than 65 digits, and gives 1.5 with as many zeros behind it as the column has places.
    """

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.CHAR())
        if dialect.name in MYSQL and self.impl_instance.precision is None:  # type: ignore[attr-defined]
            return dialect.type_descriptor(sa.Numeric(*_DIGITS[dialect.name]))
        return dialect.type_descriptor(self.impl_instance)

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return str(value) if dialect.name == "sqlite" and value is not None else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return Decimal(value)
        unlimited = self.impl_instance.precision is None  # type: ignore[attr-defined]
        return _shortest(value) if dialect.name in MYSQL and unlimited else value


def _shortest(value: Decimal) -> Decimal:
    """Without the zeros at the end; `Decimal.normalize` would round."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


@frozen(kw_only=True)
class StoredType:
    """A type of values as SQL stores it.

    ``cast`` brings what a custom fetch read past SQLAlchemy's types (plain SQL) into the form that a read gives.
    ``key`` tells whether values are short enough, and compare alike everywhere, to be part of a primary key; else a
    digest stands for them.
    """

    column: TypeEngine[Any]
    values: ValueType
    cast: Cast
    key: bool

    def on(self, dialect: sa.Dialect) -> StoredType:
        """The type as this database stores it: values that it cannot hold are refused, and so is a type in which it
        would change some of them.
        """
        try:
            declared = self.column.compile(dialect=dialect)
        except exc.CompileError as error:
            raise ConfigurationError(f"value_type: {dialect.name} has no such type: {error}") from error
        if (lost := loss(declared, dialect.name)) is not None:
            raise ConfigurationError(f"value_type: {declared} on {dialect.name} would {lost}")
        accept = self.values.accept
        if self.values.name == "int" and (fitting := integers(declared, dialect.name)) is not None:
            accept = _within(accept, fitting, declared)
        if self.values.name == "decimal" and dialect.name in _DIGITS:
            accept = _fitting(accept, *_DIGITS[dialect.name])
        if self.values.name in {"str", "text", "inet"} and dialect.name == "postgresql":
            accept = _without_nul(accept)
        return evolve(self, values=evolve(self.values, accept=accept))


def _within(accept: Cast, fitting: range, declared: str) -> Cast:
    def found(value: Any) -> Any:
        number = accept(value)
        if number not in fitting:
            raise InvalidValue(f"{show(value)} does not fit {declared}")
        return number

    return found


def _without_nul(accept: Cast) -> Cast:
    def found(value: Any) -> Any:
        text = accept(value)
        if "\0" in text:
            raise InvalidValue(f"{show(value)} contains NUL, which this database cannot store in a text")
        return text

    return found


def _same(value: Any) -> Any:
    return value


def _number(kind: type) -> Cast:
    return lambda value: kind(value) if isinstance(value, (int, float, Decimal)) else value


def _parsed(kind: Any) -> Cast:
    return lambda value: kind.fromisoformat(value) if isinstance(value, str) else value


def _decimal(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, (int, float, str)) else value


_CASTS: Mapping[str, Cast] = {
    "float": _number(float),
    "int": _number(int),
    "bool": _number(bool),
    "decimal": _decimal,
    "blob": lambda value: bytes(value) if isinstance(value, (bytearray, memoryview)) else value,
    "date": _parsed(dt.date),
    "datetime": _parsed(dt.datetime),
    "time": _parsed(dt.time),
}
_KEYS = frozenset({"float", "int", "bool", "decimal", "date", "datetime", "time"})


def _columns(string_length: int) -> dict[str, TypeEngine[Any]]:
    return {
        "float": sa.Double(),
        "int": sa.BigInteger(),
        "bool": sa.Boolean(),
        "decimal": ExactDecimal(),
        "date": sa.Date(),
        "datetime": sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *MYSQL),
        "time": sa.Time().with_variant(mysql.TIME(fsp=6), *MYSQL),
        "str": sa.String(string_length),
        "inet": sa.String(string_length),
        "text": sa.Text().with_variant(mysql.LONGTEXT(), *MYSQL),
        "blob": sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL),
    }


def stored_type(spec: object, *, string_length: int = STRING_LENGTH, text_length: int = TEXT_LENGTH) -> StoredType:
    """The type that a user's ``value_type`` names: a name, a Python type, or a SQLAlchemy type (class or instance).

    Values of a SQLAlchemy type of the usual families (numbers, strings, dates) are checked as those of the named types
    are; of any other, what the driver takes.
    """
    if isinstance(spec, type) and issubclass(spec, TypeEngine):
        try:
            spec = spec()
        except Exception as error:
            raise ConfigurationError(f"value_type: {show(spec)} needs arguments; give an instance") from error
    if isinstance(spec, TypeEngine):
        return _of_sqlalchemy(spec)
    values = value_type("float" if spec is None else spec)
    column = _columns(string_length).get(values.name)
    if column is None:
        names = ", ".join(sorted(_columns(string_length)))
        raise ConfigurationError(f"value_type: a SQL column has one type; expected one of {names}, not {show(spec)}")
    limits = {"str": string_length, "inet": string_length, "text": text_length, "blob": text_length}
    return _stored(column, values, limits.get(values.name))


def _stored(column: TypeEngine[Any], values: ValueType, length: int | None = None) -> StoredType:
    if values.name == "float":
        values = evolve(values, accept=_unsigned_zero(values.accept))
    if length is not None:
        values = evolve(values, accept=_limited(values.accept, length))
    return StoredType(column=column, values=values, cast=_CASTS.get(values.name, _same), key=values.name in _KEYS)


def _unsigned_zero(accept: Cast) -> Cast:
    """A zero has no sign in SQL: SQLite loses it, and which of two is the least is no database's business."""
    return lambda value: accept(value) or 0.0


def _limited(accept: Cast, length: int) -> Cast:
    def limited(value: Any) -> Any:
        found = accept(value)
        if len(found) > length:
            raise InvalidValue(f"{show(value)} is {len(found)} long; this column takes {length}")
        return found

    return limited


def _refusal(given: TypeEngine[Any]) -> str | None:
    """Why no database may store values in this type."""
    match given:
        case sa.types.NullType():
            return "stores nothing"
        case sa.DateTime(timezone=True) | sa.Time(timezone=True):
            return "would lose the time zone on some databases; store naive times in UTC"
        case sa.Float(asdecimal=True):
            return "would round decimals; give 'decimal' or a Numeric"
        case sa.Numeric(asdecimal=False) if not isinstance(given, sa.Float):
            return "would round floats to decimals; give 'float' or Double"
    return None


def _of_sqlalchemy(given: TypeEngine[Any]) -> StoredType:
    if (reason := _refusal(given)) is not None:
        raise ConfigurationError(f"value_type: {given!r} {reason}")
    match given:
        case sa.Enum():
            return _stored(given, evolve(value_type("any"), accept=_one_of(list(given.enum_class or given.enums))))
        case sa.Interval():
            return _stored(given, value_type("any"))
        case sa.DateTime() | sa.Time() if type(given) in {sa.DateTime, sa.Time}:
            return stored_type("datetime" if isinstance(given, sa.DateTime) else "time")  # MySQL's with microseconds
        case sa.Numeric() if not isinstance(given, sa.Float):
            exact = ExactDecimal(precision=given.precision, scale=given.scale)
            values = value_type("decimal")
            return _stored(exact, evolve(values, accept=_fitting(values.accept, given.precision, given.scale)))
    for family, name in _FAMILIES.items():
        if isinstance(given, family):
            return _stored(given, value_type(name), getattr(given, "length", None))
    return _stored(given, value_type("any"))


_FAMILIES: Mapping[type[TypeEngine[Any]], str] = {
    sa.Boolean: "bool",
    sa.Integer: "int",
    sa.Float: "float",
    sa.Date: "date",
    sa.DateTime: "datetime",
    sa.Time: "time",
    sa.String: "str",
    sa.LargeBinary: "blob",
}


def _one_of(members: list[Any]) -> Cast:
    """SQLAlchemy's Enum may write what it cannot read."""

    def member(value: Any) -> Any:
        if value not in members:
            raise InvalidValue(f"{show(value)} is not one of {', '.join(map(str, members))}")
        return value

    return member


def _fitting(accept: Cast, precision: int | None, scale: int | None) -> Cast:
    """NUMERIC(precision, scale) rounds what has more digits, so that is refused."""

    def fitting(value: Any) -> Decimal:
        found: Decimal = accept(value)
        if precision is not None:
            _, digits, exponent = found.as_tuple()
            assert isinstance(exponent, int)  # it is finite
            text = "".join(map(str, digits)).rstrip("0")
            decimals, whole = len(text) - len(digits) - exponent, len(digits) + exponent
            if text and (decimals > (scale or 0) or whole > precision - (scale or 0)):
                raise InvalidValue(f"{show(value)} does not fit NUMERIC({precision}, {scale or 0})")
        return found

    return fitting
