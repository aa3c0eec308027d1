"""The names of keys. Reversible, and no name of the user's can be taken for another part of a key."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

from attrs import field, frozen

__all__ = ["SHARDS", "Keys"]

SHARDS = 16
"""Over how many keys, and so hash slots of a cluster, the names of a namespace are spread."""


def _escaped(name: str, characters: str) -> str:
    for character in f"%{characters}":
        name = name.replace(character, f"%{ord(character):02X}")
    return name


@lru_cache(1024)
def interval_part(interval: str) -> str:
    """An interval as part of a key: a colon ends it."""
    return _escaped(interval, ":")


@lru_cache(4096)
def _directory(space: str, name: str) -> bytes:
    return f"{space}:{{{_escaped(name, '{}')}}}".encode()


@lru_cache(4096)
def _shard(space: str, name: str) -> bytes:
    return f"{space}:names:{crc32(name.encode()) % SHARDS}".encode()


@frozen
class Keys:
    """The keys of one namespace: ``prefix:type:{name}…`` and ``prefix:type:names:0`` to ``15``.

    What stands in braces decides the slot of a cluster, so all keys of a name are in one. A name's own braces are
    escaped, and those of the prefix.
    """

    prefix: str
    type: str
    space: str = field(init=False)

    @space.default
    def _space(self) -> str:
        return f"{_escaped(self.prefix, '{}')}:{self.type}" if self.prefix else self.type

    def directory(self, name: str) -> bytes:
        """The sorted set of a name's indexes; its other keys begin with it."""
        return _directory(self.space, name)

    def shard(self, name: str) -> bytes:
        """The sorted set of names that holds this one."""
        return _shard(self.space, name)

    @property
    def shards(self) -> list[bytes]:
        """All of them."""
        return [f"{self.space}:names:{number}".encode() for number in range(SHARDS)]

    @staticmethod
    def index(interval: str, *, fine: bool) -> str:
        """The member of the directory, and the last part of the key, of an interval's index."""
        return f"{interval_part(interval)}:" if fine else interval_part(interval)
