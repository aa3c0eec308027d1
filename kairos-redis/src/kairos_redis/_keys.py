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


@frozen
class Keys:
    """The keys of one namespace: ``prefix:type:{name}…`` and ``prefix:type:names:0`` to ``15``.

    What stands in braces decides the slot of a cluster, so all keys of a name are in one. A name's own braces are
    escaped, and those of the prefix.
    """

    prefix: str
    type: str
    space: str = field(init=False)
    _directory: bytes = field(init=False)

    @space.default
    def _space(self) -> str:
        return f"{_escaped(self.prefix, '{}')}:{self.type}" if self.prefix else self.type

    @_directory.default
    def _before_name(self) -> bytes:
        return f"{self.space}:{{".encode()

    def directory(self, name: str) -> bytes:
        """The sorted set of a name's indexes; its other keys begin with it."""
        if "{" in name or "}" in name or "%" in name:
            name = _escaped(name, "{}")
        return b"%b%b}" % (self._directory, name.encode())

    def shard(self, name: str) -> bytes:
        """The sorted set of names that holds this one."""
        return b"%b:names:%d" % (self.space.encode(), crc32(name.encode()) % SHARDS)

    @property
    def shards(self) -> list[bytes]:
        """All of them."""
        return [f"{self.space}:names:{number}".encode() for number in range(SHARDS)]

    @staticmethod
    def index(interval: str, *, fine: bool) -> str:
        """The member of the directory, and the last part of the key, of an interval's index."""
        return f"{interval_part(interval)}:" if fine else interval_part(interval)
