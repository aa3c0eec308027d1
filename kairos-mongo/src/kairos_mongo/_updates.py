"""From cells to updates. Pure; whatever MongoDB could not hold is refused here, before anything is sent.

Every update is an upsert of the chunk 0 of its cell, the one that grows. A payload that might not fit into one document
gives several updates, to be sent one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from math import inf
from typing import Any

import bson
from attrs import frozen
from bson import CodecOptions, DatetimeMS, Decimal128, ObjectId
from pymongo import UpdateOne

from kairos.backend import Shape
from kairos.errors import InvalidValue
from kairos.plans import Cell
from kairos.values import show
from kairos_mongo._keys import field_of
from kairos_mongo._values import Stored

__all__ = ["OPEN", "Updates", "address", "sealed_number"]

OPEN = 0
"""The chunk that grows. One that is full gets a number below: the first the lowest, so that they are read in order."""
_FIRST_SEALED = -(2**31)

# What one document may hold is 16 MiB; a value must leave room for the names and the other fields.
_LARGEST = 16 * 2**20 - 64 * 2**10
_SMALL = frozenset({bool, datetime, Decimal128, float, int, ObjectId})
_TEXTS = frozenset({bytes, str})
# How much one update adds at most, if it has more than one value.
_PIECE = 8 * 2**20
# What any element of an array costs besides its text or its bytes, at most.
_ELEMENT = 32


def address(cell: Cell) -> dict[str, Any]:
    """What finds the documents of a cell."""
    return {"name": cell.name, "interval": cell.interval, "i_time": cell.bucket, "r_time": cell.resolution}


def sealed_number(last: int | None) -> int:
    """The number of a chunk that is full, after the last that was."""
    return _FIRST_SEALED if last is None else last + 1


@frozen
class Updates:
    """Makes the updates of one namespace."""

    shape: Shape
    stored: Stored
    codec: CodecOptions[Any]

    def of(self, cell: Cell) -> list[UpdateOne]:
        """The updates that add a cell, nearly always one."""
        where = {**address(cell), "chunk": OPEN}
        return [UpdateOne(where, _with_life(change, cell), upsert=True) for change in self._changes(cell)]

    def _changes(self, cell: Cell) -> Iterable[dict[str, Any]]:
        payload, encode = cell.payload, self.stored.encode
        match self.shape:
            case Shape.COUNTER:
                return [{"$inc": {"value": payload}}]
            case Shape.REGISTER:
                value = payload if encode is None else encode(payload)
                self._size(value)
                return [{"$set": {"value": value}}]
            case Shape.COUNTERS:
                counts = [(f"value.{field_of(value)}", n) for value, n in payload.items()]
                return ({"$inc": dict(some)} for some in _pieces(counts, lambda count: _measured(count[0])))
            case Shape.LIST | Shape.SET:
                operator = "$push" if self.shape is Shape.LIST else "$addToSet"
                values = list(payload) if encode is None else [encode(value) for value in payload]
                if _bound(values) <= _PIECE:
                    return [{operator: {"value": {"$each": values}}}]
                return ({operator: {"value": {"$each": some}}} for some in _pieces(values, self._size))

    def _size(self, value: Any) -> int:
        """About how many bytes a value takes, at least as many as it does; too many are an `InvalidValue`."""
        kind = type(value)
        if kind is str or kind is bytes:
            return _measured(value)
        if kind is int or kind is float:
            return _ELEMENT
        return _checked(_ELEMENT + len(bson.encode({"": value}, codec_options=self.codec)), value)


def _with_life(change: dict[str, Any], cell: Cell) -> dict[str, Any]:
    if cell.expires_at is None:
        return {**change, "$unset": {"expires_at": ""}}
    return {**change, "$set": {**change.get("$set", {}), "expires_at": DatetimeMS(cell.expires_at * 1000)}}


def _bound(values: list[Any]) -> float:
    """More bytes than the values take together, found without looking at each; infinite where that cannot be said."""
    kinds = set(map(type, values)) - _SMALL
    if not kinds <= _TEXTS:
        return inf
    texts = [value for value in values if type(value) in _TEXTS] if kinds else []
    return len(values) * _ELEMENT + 4 * sum(map(len, texts))


def _measured(text: str | bytes) -> int:
    size = _ELEMENT + len(text) * (1 if isinstance(text, bytes) or text.isascii() else 4)
    if size > _PIECE and isinstance(text, str):
        size = _ELEMENT + len(text.encode())
    return _checked(size, text)


def _checked(size: int, value: Any) -> int:
    if size > _LARGEST:
        raise InvalidValue(f"{show(value)} takes {size} bytes; a document of MongoDB has room for {_LARGEST}")
    return size


def _pieces(items: Iterable[Any], size_of: Callable[[Any], int]) -> Iterator[list[Any]]:
    """The items in lists of bounded size, in order."""
    piece: list[Any] = []
    total = 0
    for item in items:
        size = size_of(item)
        if piece and total + size > _PIECE:
            yield piece
            piece, total = [], 0
        piece.append(item)
        total += size
    yield piece
