"""What is sent and what comes back: pure functions between plans and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from attrs import field, frozen

from kairos.backend import Shape
from kairos.plans import Cell
from kairos_redis._keys import Keys
from kairos_redis._scripts import NOWHERE, PAGE, SCALE, WRITE, Command
from kairos_redis._values import encoder, text

__all__ = ["READ", "TYPES", "Writer", "cells_found", "data_key", "with_scores"]

READ: dict[Shape, tuple[str, tuple[int, ...]]] = {
    Shape.LIST: ("LRANGE", (0, -1)),
    Shape.COUNTERS: ("HGETALL", ()),
    Shape.COUNTER: ("GET", ()),
    Shape.REGISTER: ("GET", ()),
    Shape.SET: ("SMEMBERS", ()),
}
"""The command that reads a cell, and what follows the key."""
TYPES = {
    Shape.LIST: "list",
    Shape.COUNTERS: "hash",
    Shape.COUNTER: "string",
    Shape.REGISTER: "string",
    Shape.SET: "set",
}
"""What TYPE says of a cell's key."""

# Lua can pass about 8,000 words to a command.
_WORDS = 4_000
# A script holds up the server: about a millisecond for these.
_CELLS = 500


@frozen
class Writer:
    """Turns cells into commands: one script for each name, or for some hundred cells of it."""

    keys: Keys
    shape: Shape
    type: str
    clustered: bool
    """The names are then in slots of their own, and get commands of their own."""
    words: Callable[[Any], Sequence[Any]] = field(init=False)
    _head: Callable[[str], Command] = field(init=False)
    _indexes: dict[tuple[str, bool], str] = field(factory=dict, init=False)

    @_head.default
    def _heads(self) -> Callable[[str], Command]:
        script = WRITE[self.shape]
        # What is the same in every script of a name.
        return lru_cache(4096)(lambda name: script.call(self.script_keys(name), name.encode()))

    @words.default
    def _words(self) -> Callable[[Any], Sequence[Any]]:
        encode = encoder(self.type)
        if self.shape is Shape.COUNTERS:
            return lambda payload: [word for value, n in payload.items() for word in (encode(value), n)]
        if self.shape is Shape.COUNTER:
            return lambda payload: (repr(payload),)
        if self.shape is Shape.REGISTER:
            return lambda payload: (encode(payload),)
        return lambda payload: [encode(value) for value in payload]

    def commands(self, cells: Sequence[Cell]) -> Iterator[tuple[int, Command]]:
        """The commands, each with the number of its words."""
        arguments: dict[str, list[Any]] = {}
        counts: dict[str, int] = {}
        indexes, words_of = self._indexes, self.words
        for name, interval, bucket, resolution, payload, expires_at in cells:
            if (words := arguments.get(name)) is None:
                words = arguments[name] = []
                counts[name] = 0
            fine = resolution is not None
            if (index := indexes.get((interval, fine))) is None:
                index = indexes[interval, fine] = self.keys.index(interval, fine=fine)
            head = (index, bucket, resolution if fine else "", "inf" if expires_at is None else expires_at)
            values = words_of(payload)
            for start in range(0, len(values), _WORDS):
                part = values if len(values) <= _WORDS else values[start : start + _WORDS]
                words += (*head, len(part), *part)
                counts[name] += 1
                if counts[name] == _CELLS or len(words) > _WORDS:
                    yield len(words), (*self._head(name), *words)
                    words = arguments[name] = []
                    counts[name] = 0
        for name, words in arguments.items():
            if words:
                yield len(words), (*self._head(name), *words)

    def script_keys(self, name: str) -> tuple[bytes, ...]:
        """The keys of a script that changes a name."""
        directory = self.keys.directory(name)
        return (directory, directory + NOWHERE.encode() if self.clustered else self.keys.shard(name))

    def names(self, cells: Sequence[Cell]) -> dict[bytes, dict[str, int | float]]:
        """For each shard of names, the names of these cells and when the last of theirs expires."""
        found: dict[bytes, dict[str, int | float]] = {}
        ends: dict[str, int | float] = {}
        for cell in cells:
            end = float("inf") if cell.expires_at is None else cell.expires_at
            ends[cell.name] = max(end, ends.get(cell.name, end))
        for name, end in ends.items():
            found.setdefault(self.keys.shard(name), {})[name] = end
        return found


def data_key(directory: bytes, index: str, bucket: int, resolution: int | None) -> bytes:
    """The key of a cell. ``index`` ends in a colon if it is one of resolution buckets."""
    if resolution is None:
        return b"%b:%b:%d" % (directory, index.encode(), bucket)
    return b"%b:%b%d:%d" % (directory, index.encode(), bucket, resolution)


def with_scores(reply: Sequence[Any]) -> list[tuple[str, float]]:
    """The members of a sorted set and their scores: RESP3 gives pairs, RESP2 one after the other."""
    pairs = reply if reply and isinstance(reply[0], (list, tuple)) else zip(reply[::2], reply[1::2], strict=True)
    return [(text(member), float(score)) for member, score in pairs]


def cells_found(reply: Sequence[Any]) -> list[tuple[int, int]]:
    """The (bucket, resolution bucket)s that a range of a fine index names, ascending."""
    found: list[tuple[int, int]] = []
    for member, score in with_scores(reply):
        bucket, _, page = member.partition(":")
        bits, first = int(score) - int(bucket) * SCALE, int(page) * PAGE
        found += [(int(bucket), first + bit) for bit in range(PAGE) if bits >> bit & 1]
    found.sort()
    return found
