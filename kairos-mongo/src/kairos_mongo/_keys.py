"""Histogram keys as names of fields: typed by their first letter, escaped where MongoDB would see a path.

``s`` text, ``i`` an int, ``f`` a float, ``n`` a Decimal, ``b`` bytes (hexadecimal), ``o`` an ObjectId, ``u`` a UUID,
``d`` a date, ``t`` a datetime, ``c`` a time of day. The letter is never ``$`` and the name never empty, so all that is
left to escape is what separates the parts of a path, NUL, and the escape itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import ObjectId

from kairos.errors import InvalidValue
from kairos.values import canonical_key, show

__all__ = ["field_of", "key_of"]

_WRITE: Mapping[type, Callable[[Any], str]] = {
    str: lambda value: f"s{value}",
    int: lambda value: f"i{value}",
    float: lambda value: f"f{value!r}",
    Decimal: lambda value: f"n{value}",
    bytes: lambda value: f"b{value.hex()}",
    ObjectId: lambda value: f"o{value}",
    UUID: lambda value: f"u{value}",
    date: lambda value: f"d{value.isoformat()}",
    datetime: lambda value: f"t{value.isoformat()}",
    time: lambda value: f"c{value.isoformat()}",
}
_READ: Mapping[str, Callable[[str], Any]] = {
    "s": str,
    "i": int,
    "f": float,
    "n": Decimal,
    "b": bytes.fromhex,
    "o": ObjectId,
    "u": UUID,
    "d": date.fromisoformat,
    "t": datetime.fromisoformat,
    "c": time.fromisoformat,
}
_ESCAPES = (("%", "%25"), (".", "%2E"), ("\0", "%00"))


def field_of(value: Any) -> str:
    """The name of the field that counts a key, or an `InvalidValue`."""
    key = canonical_key(value)
    write = _WRITE.get(type(key)) or next((_WRITE[base] for base in type(key).__mro__ if base in _WRITE), None)
    if write is None:
        raise InvalidValue(f"{show(value)} of type {type(value).__name__} cannot be a histogram key in MongoDB")
    try:
        name = write(key)
        name.encode()
    except ValueError as error:  # a lone surrogate, or an int of too many digits
        raise InvalidValue(f"{show(value)} cannot be a histogram key in MongoDB: {error}") from None
    for character, escape in _ESCAPES:
        name = name.replace(character, escape)
    return name


def key_of(name: str) -> Any:
    """The key that a field counts."""
    text = name[1:]
    for character, escape in reversed(_ESCAPES):
        text = text.replace(escape, character)
    return _READ[name[0]](text)
