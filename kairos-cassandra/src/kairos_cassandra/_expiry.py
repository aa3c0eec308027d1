"""`expire`, for counters, which can have no TTL: what is past is deleted partition by partition."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from attrs import frozen

from kairos.backend import Flow
from kairos.plans import Expiry
from kairos_cassandra._clock import CLOCK
from kairos_cassandra._index import Index, Partitions
from kairos_cassandra._link import Link
from kairos_cassandra._partitions import MIN_BUCKET, Partition
from kairos_cassandra._schema import Statements

__all__ = ["expire"]

# How many partitions are looked at together. Each may hold 100,000 cells that are past.
_TOGETHER = 16
_ALL = 2**31 - 1


@frozen
class _Past:
    """A partition, with its entries in the index, in which the buckets up to ``last`` are past, perhaps all of it."""

    name: str
    entries: list[Partition]
    last: int
    whole: bool


def expire(link: Link, sql: Statements, index: Index, expiry: Expiry) -> Flow[int]:
    """Delete what is past, at most ``limit`` cells; gives how many. A partition that is past as a whole goes with its
    entry in the index, and so does, uncounted, what is left of generations that were deleted.
    """
    if expiry.name is None:
        partitions, dead = yield from index.everything()
        yield from _drop(link, sql, index, [(name, one) for name, found in dead.items() for one in found])
    else:
        partitions = yield from index.of_names([expiry.name])
    removed = 0
    waiting = _past(index, partitions, expiry)
    while (left := _ALL if expiry.limit is None else expiry.limit - removed) and (
        some := list(islice(waiting, _TOGETHER))
    ):
        rows = yield from link.rows(
            sql.count, [(*index.key(one.name, one.entries[0]), MIN_BUCKET, one.last, left) for one in some]
        )
        over, parts = [], []
        for one, cells in zip(some, rows, strict=True):
            if not left and cells:
                continue
            taken = cells[:left]
            left -= len(taken)
            removed += len(taken)
            if one.whole and len(taken) == len(cells) and (left or len(cells) == 0):
                over += [(one.name, entry) for entry in one.entries]
            elif taken:
                parts.append((*index.key(one.name, one.entries[0]), *taken[-1]))
        yield from link.rows(sql.expire, parts, sent=True)
        yield from _drop(link, sql, index, over)
    return removed


def _past(index: Index, partitions: Partitions, expiry: Expiry) -> Iterator[_Past]:
    for name, found in partitions.items():
        # A partition has several entries where the steps were changed: what was kept longest counts.
        entries: dict[tuple[object, ...], list[Partition]] = {}
        for one in found:
            entries.setdefault(index.key(name, one), []).append(one)
        for several in entries.values():
            one = several[0]
            if one.interval in expiry.cutoffs:
                cutoffs = [expiry.cutoffs[one.interval]]
            else:
                cutoffs = [each.cutoff(expiry.now) for each in several]
            known = [cutoff for cutoff in cutoffs if cutoff is not None]
            if len(known) == len(cutoffs) and not one.is_after(min(known)):
                yield _Past(name, several, min(known) - 1, all(each.is_before(min(known)) for each in several))


def _drop(link: Link, sql: Statements, index: Index, partitions: list[tuple[str, Partition]]) -> Flow[None]:
    """Delete partitions as a whole, and then what is in the index of them."""
    timestamp = CLOCK.timestamp()
    yield from link.rows(sql.drop, [index.key(name, one) for name, one in partitions], sent=True)
    yield from link.rows(
        sql.forget_partition, [(timestamp, *index.entry(name, one)) for name, one in partitions], sent=True
    )
