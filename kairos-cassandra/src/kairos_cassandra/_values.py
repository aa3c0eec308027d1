"""What Cassandra can hold: the column for each type of values, and what the driver makes of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from kairos.backend import Shape
from kairos.errors import ConfigurationError, InvalidValue
from kairos.values import ValueType, show, value_type

__all__ = ["Stored", "stored_type"]

# The server's own limit for the clustering key, in bytes, without the two times in it.
_KEY_BYTES = 65_535 - 16
_COLUMNS = {
    "float": "double",
    "int": "bigint",
    "str": "text",
    "text": "text",
    "blob": "blob",
    "bool": "boolean",
    "decimal": "decimal",
    "inet": "inet",
    "date": "date",
    "datetime": "timestamp",
    "time": "time",
}


@frozen
class Stored:
    """A type of values as this backend stores it. ``decode`` makes a value what was written; None: it is that."""

    values: ValueType
    column: str
    decode: Callable[[Any], Any] | None


def stored_type(spec: object, shape: Shape) -> Stored:
    """The type that a user's ``value_type`` names, in a shape. Unknown: `ConfigurationError`."""
    base = value_type(spec)
    column = _COLUMNS.get(base.name)
    if column is None:
        raise ConfigurationError(f"value_type: Cassandra has no type for {base.name}; known are {', '.join(_COLUMNS)}")
    accept = base.accept
    if base.name == "datetime":
        accept = _checked(accept, _check_milliseconds)
    if base.name == "decimal":
        accept = _checked(accept, _check_exponent)
    if shape in {Shape.SET, Shape.COUNTERS} and base.name in {"str", "text", "blob", "decimal"}:
        accept = _checked(accept, _check_key)
    return Stored(ValueType(base.name, accept), column, _DECODE.get(base.name))


def _checked(accept: Callable[[Any], Any], check: Callable[[Any], None]) -> Callable[[Any], Any]:
    def accepted(value: Any) -> Any:
        found = accept(value)
        check(found)
        return found

    return accepted


def _check_milliseconds(value: datetime) -> None:
    if value.microsecond % 1000:
        raise InvalidValue(
            f"{show(value)} is not a datetime in whole milliseconds, which Cassandra keeps; round it in write_func"
        )


def _check_exponent(value: Any) -> None:
    if not -(2**31) < value.as_tuple().exponent < 2**31:
        raise InvalidValue(f"{show(value)} has an exponent that Cassandra cannot store")


def _check_key(value: Any) -> None:
    size = len(value) if isinstance(value, bytes) else len(str(value).encode())
    if size > _KEY_BYTES:
        raise InvalidValue(f"{show(value)} is {size} bytes long; as a key or a member Cassandra takes {_KEY_BYTES}")


def _rounded(value: datetime) -> datetime:
    """The driver computes with a float, which far from 1970 is off by some microseconds."""
    off = value.microsecond % 1000
    return value + timedelta(microseconds=-off if off < 500 else 1000 - off)


_DECODE: Mapping[str, Callable[[Any], Any]] = {
    "date": lambda value: value.date(),
    "datetime": _rounded,
    "time": lambda value: value.time(),
}
