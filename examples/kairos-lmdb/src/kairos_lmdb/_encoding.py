"""Keys and values: what a cell looks like in the file.

A key is ``prefix NUL type NUL name NUL interval NUL bucket [resolution bucket]``. No name holds a NUL, so no two cells
have the same key; and a bucket is written so that the order of its bytes, in which LMDB keeps its keys, is the order of
time. So whatever a verb asks for lies side by side.

A value is ``expires_at`` and the data of the cell, in MessagePack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import msgpack

from kairos import CountOverflow, InvalidValue
from kairos.backend import Shape
from kairos.values import INT64_MAX, INT64_MIN, exact_sum, show

__all__ = ["ADD", "MAX_NAME_BYTES", "MAX_PREFIX_BYTES", "READ", "Key", "Space"]

# A key of LMDB has 511 bytes: enough for a prefix, "histogram", two names, four NULs and two buckets of eight bytes.
MAX_PREFIX_BYTES, MAX_NAME_BYTES = 80, 200


def _ordered(bucket: int) -> bytes:
    return (bucket + 2**63).to_bytes(8, "big")


class Key(NamedTuple):
    """Where a cell is."""

    name: str
    interval: str
    bucket: int
    resolution: int | None = None


class Space:
    """The keys of a namespace."""

    def __init__(self, prefix: str, kind: str) -> None:
        self._start = b"%b\0%b\0" % (prefix.encode(), kind.encode())

    def key(self, name: str, interval: str, bucket: int, resolution: int | None) -> bytes:
        """The key of a cell."""
        start, _ = self.span(name, interval, bucket)
        return start if resolution is None else start + _ordered(resolution)

    def parse(self, key: bytes) -> Key:
        """The way back."""
        name, interval, rest = key[len(self._start) :].split(b"\0", 2)
        buckets = [int.from_bytes(rest[at : at + 8], "big") - 2**63 for at in range(0, len(rest), 8)]
        return Key(name.decode(), interval.decode(), *buckets)

    def span(
        self, name: str | None = None, interval: str | None = None, first: int | None = None, last: int | None = None
    ) -> tuple[bytes, bytes]:
        """All keys, or those of a name, an interval, a range of buckets: the first, and the first after them."""
        start = self._start + b"".join(b"%b\0" % part.encode() for part in (name, interval) if part is not None)
        stop = start[:-1] + b"\1" if last is None else start + _ordered(last + 1)
        return start if first is None else start + _ordered(first), stop


# --- Values -----------------------------------------------------------------------------------------------------------

# What MessagePack has no form for. The first is extension type 0, and so on.
_EXTENSIONS: tuple[tuple[type, Callable[[Any], str], Callable[[str], Any]], ...] = (
    (Decimal, str, Decimal),
    (date, date.isoformat, date.fromisoformat),
    (datetime, datetime.isoformat, datetime.fromisoformat),
    (time, time.isoformat, time.fromisoformat),
)


def _extend(value: Any) -> msgpack.ExtType:
    for code, (kind, text, _) in enumerate(_EXTENSIONS):
        if type(value) is kind and getattr(value, "tzinfo", None) is None:
            return msgpack.ExtType(code, text(value).encode())
    raise TypeError(f"there is no form for a {type(value).__name__}")


def _pack(value: Any) -> bytes:
    try:
        return bytes(msgpack.packb(value, default=_extend, strict_types=True))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValue(f"LMDB cannot hold {show(value)}: {error}") from error


def _unpack(data: bytes) -> list[Any]:
    """All values that were packed one after the other."""
    unpacker = msgpack.Unpacker(
        ext_hook=lambda code, text: _EXTENSIONS[code][2](text.decode()), strict_map_key=False, max_buffer_size=0
    )
    unpacker.feed(data)
    return list(unpacker)


def _add_counter(data: bytes, payload: float) -> bytes:
    """A counter is kept as the exact sum of its ints and the sum of its floats."""
    ints, floats = _unpack(data) if data else (0, 0.0)
    ints, floats = (ints + payload, floats) if isinstance(payload, int) else (ints, floats + payload)
    if not (INT64_MIN <= ints <= INT64_MAX and isfinite(floats)):
        raise CountOverflow("a count would leave 64 bits; nothing of this batch was added")
    return _pack(ints) + _pack(floats)


def _add_counters(data: bytes, payload: Mapping[Any, int]) -> bytes:
    found = dict(*_unpack(data))
    return _pack(found | {value: found.get(value, 0) + n for value, n in payload.items()})


ADD: Mapping[Shape, Callable[[bytes, Any], bytes]] = {
    Shape.LIST: lambda data, payload: data + b"".join(map(_pack, payload)),
    Shape.COUNTERS: _add_counters,
    Shape.COUNTER: _add_counter,
    Shape.REGISTER: lambda _, payload: _pack(payload),
    Shape.SET: lambda data, payload: _pack(list(payload.union(*_unpack(data)))),
}
"""How the data of a cell (at first b'') takes up a payload."""

READ: Mapping[Shape, Callable[[bytes], Any]] = {
    Shape.LIST: _unpack,
    Shape.COUNTERS: lambda data: _unpack(data)[0],
    Shape.COUNTER: lambda data: exact_sum(*_unpack(data)),
    Shape.REGISTER: lambda data: _unpack(data)[0],
    Shape.SET: lambda data: set(*_unpack(data)),
}
