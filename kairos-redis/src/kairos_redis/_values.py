"""Values as Redis stores them: strings of bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from kairos.backend import Shape
from kairos.errors import ConfigurationError
from kairos.values import ValueType, exact_sum, show, value_type

__all__ = ["caster", "encoder", "stored_type", "text"]


def text(stored: bytes | str) -> str:
    """A reply as str, whether the client decodes or not."""
    return stored.decode() if isinstance(stored, bytes) else stored


_DECODE: Mapping[str, Callable[[Any], Any]] = {
    "blob": lambda stored: stored if isinstance(stored, bytes) else stored.encode(),
    "bool": lambda stored: bool(int(stored)),
    "date": lambda stored: date.fromisoformat(text(stored)),
    "datetime": lambda stored: datetime.fromisoformat(text(stored)),
    "decimal": lambda stored: Decimal(text(stored)),
    "float": float,
    "inet": text,
    "int": int,
    "str": text,
    "text": text,
    "time": lambda stored: time.fromisoformat(text(stored)),
}
_ENCODE: Mapping[str, Callable[[Any], bytes]] = {
    "blob": bytes,
    "bool": lambda value: b"1" if value else b"0",
    "date": lambda value: value.isoformat().encode(),
    "datetime": lambda value: value.isoformat().encode(),
    "decimal": lambda value: str(value).encode(),
    "float": lambda value: repr(value).encode(),
    "int": lambda value: b"%d" % value,
    "time": lambda value: value.isoformat().encode(),
}


def stored_type(spec: object) -> ValueType:
    """The type that a user's ``value_type`` names: all but ``any``, since Redis keeps nothing but bytes."""
    found = value_type("str" if spec is None else spec)
    if found.name not in _DECODE:
        raise ConfigurationError(f"value_type: {show(spec)} cannot be stored by Redis; it has {', '.join(_DECODE)}")
    return found


def encoder(name: str) -> Callable[[Any], bytes]:
    """Turns an accepted value of a type into what is stored."""
    return _ENCODE.get(name, str.encode)


def _count(stored: bytes | str) -> int | float:
    """A sum of ints, a sum of floats, or both with a space between them."""
    ints, _, floats = text(stored).rpartition(" ")
    if ints:
        return exact_sum(int(ints), float(floats))
    try:
        return int(floats)
    except ValueError:
        return float(floats)


def caster(shape: Shape, name: str) -> Callable[[Any], Any]:
    """Turns a reply into data of a shape. What a custom fetch makes of it may have another form: strings are decoded
    wherever they are, and all else is left as it is.
    """
    decode = _count if shape is Shape.COUNTER else _DECODE[name]

    def cast(reply: Any) -> Any:
        if isinstance(reply, (bytes, str)):
            return decode(reply)
        if isinstance(reply, list):
            return [decode(value) if isinstance(value, (bytes, str)) else value for value in reply]
        if isinstance(reply, dict):
            return {decode(value): int(n) for value, n in reply.items()}
        if isinstance(reply, (set, frozenset)):
            return {decode(value) for value in reply}
        return reply

    return cast
