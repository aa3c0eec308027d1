"""The times by which Cassandra orders writes: one clock for the process, which never gives the same time twice.

All of one batch carries one write timestamp, the rows and their entry in the index, and so does all of one delete:
whichever is later wins as a whole, in whatever order they reach the servers.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from uuid import UUID

from attrs import define, field

__all__ = ["CLOCK", "WriteClock"]

# From 15 October 1582, where the time of a UUID begins, to 1970, in units of 100 ns.
_GREGORIAN = 0x01B21DD213814000
_VERSION_1 = 0x1000 << 64


def _random_node() -> int:
    """The lower half of this process's UUIDs: the variant, and random bits instead of a network address (RFC 9562)."""
    return 1 << 63 | secrets.randbits(62) | 1 << 40


@define(eq=False)
class WriteClock:
    """Gives times that only grow, across threads. It starts anew in a child, whose UUIDs must not be its parent's."""

    _microseconds: int = 0
    _ticks: int = 0
    _node: int = field(factory=_random_node)
    _lock: threading.Lock = field(factory=threading.Lock)

    def timestamp(self) -> int:
        """A write timestamp, in microseconds since 1970."""
        with self._lock:
            self._microseconds = max(self._microseconds + 1, time.time_ns() // 1000)
            return self._microseconds

    def ids(self, number: int) -> Iterator[UUID]:
        """So many timeuuids, ascending, and after all that were given before."""
        with self._lock:
            first = max(self._ticks + 1, time.time_ns() // 100 + _GREGORIAN)
            self._ticks = first + number - 1
        return map(self._id, range(first, first + number))

    def _id(self, ticks: int) -> UUID:
        low, middle, high = ticks & 0xFFFF_FFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF
        return UUID(int=low << 96 | middle << 80 | _VERSION_1 | high << 64 | self._node)

    def after_fork(self) -> None:
        """Be a clock of the child's own."""
        self._lock, self._node = threading.Lock(), _random_node()


CLOCK = WriteClock()

if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=CLOCK.after_fork)
