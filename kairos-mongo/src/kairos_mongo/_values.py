"""What MongoDB can hold: values as they are stored, and how they come back.

Numbers, text, bytes and booleans are stored as they are, a Decimal as Decimal128, a date as the datetime of its first
second, a time of day as text. Without a ``value_type`` whatever BSON gives back unchanged is taken, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import bson
from attrs import frozen
from bson import CodecOptions, Decimal128, Int64

from kairos.backend import Shape
from kairos.errors import InvalidValue
from kairos.values import INT64_MAX, INT64_MIN, ValueType, canonical_key, show
from kairos_mongo._keys import field_of

__all__ = ["Stored", "stored_type"]


@frozen
class Stored:
    """A type of values as this backend stores it.

    ``encode`` makes a value what goes into BSON (None: it is that), ``decode`` what BSON gave a value again.
    """

    values: ValueType
    encode: Callable[[Any], Any] | None
    unwrap: Mapping[type, Callable[[Any], Any]]

    def decode(self, value: Any) -> Any:
        """One value as it was written."""
        unwrap = self.unwrap.get(type(value))
        return value if unwrap is None else unwrap(value)

    def decode_all(self, values: list[Any]) -> list[Any]:
        """Many values as they were written; the list itself if there is nothing to do."""
        if self.unwrap.keys().isdisjoint(map(type, values)):
            return values
        return [self.decode(value) for value in values]


def stored_type(base: ValueType, shape: Shape, codec: CodecOptions[Any]) -> Stored:
    """How values of a type of the core's are stored in a shape. Histogram keys are text, which holds them all."""
    name = base.name
    accept = base.accept
    encode: Callable[[Any], Any] | None = None
    unwrap: dict[type, Callable[[Any], Any]] = {Int64: int}
    if shape is Shape.COUNTERS:
        accept = _checked(base.accept, field_of)
    elif name == "any":
        accept = _exact(codec)
    elif name == "decimal":
        accept, encode = _checked(base.accept, _decimal128), _decimal128
        unwrap[Decimal128] = Decimal128.to_decimal
    elif name == "date":
        encode = _midnight
        unwrap[datetime] = lambda value: _naive(value).date()
    elif name == "datetime":
        accept = _checked(base.accept, _whole_milliseconds)
        unwrap[datetime] = _naive
    elif name == "time":
        encode = time.isoformat
        unwrap[str] = time.fromisoformat
    if shape is Shape.SET:
        encode = _canonical(encode)
    return Stored(ValueType(name, accept), encode, unwrap)


def _checked(accept: Callable[[Any], Any], check: Callable[[Any], object]) -> Callable[[Any], Any]:
    def accepted(value: Any) -> Any:
        found = accept(value)
        check(found)
        return found

    return accepted


def _canonical(encode: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """A member of a set in its one form: what is a whole number is stored as an int, whatever its type."""

    def encoded(value: Any) -> Any:
        key = canonical_key(value)
        return key if encode is None or type(key) is int else encode(key)

    return encoded


def _exact(codec: CodecOptions[Any]) -> Callable[[Any], Any]:
    """Takes what BSON gives back unchanged, and gives that, a copy that nobody else can change."""

    def accept(value: Any) -> Any:
        kind = type(value)
        if kind is float or kind is bool or kind is bytes:
            return value
        if kind is int and INT64_MIN <= value <= INT64_MAX:
            return value
        if kind is str and value.isascii():
            return value
        if isinstance(value, (Decimal, date)) and not isinstance(value, datetime):
            raise InvalidValue(f"{show(value)} is nothing that BSON knows; say value_type={kind.__name__.lower()!r}")
        try:
            found = bson.decode(bson.encode({"": value}, codec_options=codec), codec)[""]
            same = bool(found == value)
        except Exception as error:  # noqa: BLE001 - whatever its encoder or its comparison raises
            raise InvalidValue(f"{show(value)} cannot be stored in BSON: {error}") from None
        if not same:
            raise InvalidValue(f"{show(value)} cannot be stored exactly: BSON would give back {show(found)}")
        return int(found) if type(found) is Int64 else found

    return accept


def _decimal128(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    try:
        return Decimal128(value)
    except ArithmeticError:
        raise InvalidValue(f"{show(value)} is more than the 34 digits of a Decimal128 can hold") from None


def _midnight(value: date) -> datetime:
    return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - BSON takes it as UTC


def _whole_milliseconds(value: datetime) -> None:
    if value.microsecond % 1000:
        raise InvalidValue(
            f"{show(value)} is not a datetime in whole milliseconds, which BSON keeps; round it in write_func"
        )


def _naive(value: datetime) -> datetime:
    """A datetime as it was written: a client with ``tz_aware`` gives it a zone."""
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
