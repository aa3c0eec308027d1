"""The index: the names of a prefix, and per name its partitions; and the generations of what is counted.

An entry of the index lives at least as long as what it leads to: its TTL is that of the last bucket of its partition,
and ``steps`` is part of its key, so that no writer with fewer shortens the life of another's entry.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import astuple, frozen

from kairos.backend import Flow
from kairos.plans import Cutoffs
from kairos_cassandra._link import Cql, Link
from kairos_cassandra._partitions import MIN_BUCKET, Partition, Partitioning
from kairos_cassandra._schema import SHARDS, Statements

__all__ = ["Ends", "Index", "Partitions", "shard_of"]

Partitions = dict[str, list[Partition]]
"""The partitions of names, each with its current generation."""
Ends = dict[tuple[str, str], int]
"""A bucket for each name and interval."""


def shard_of(name: str) -> int:
    """The shard in which a name is kept."""
    return zlib.crc32(name.encode()) % SHARDS


@frozen
class Index:
    """Reads the index of one prefix."""

    link: Link
    sql: Statements
    prefix: str
    counting: bool
    partitionings: Mapping[str, Partitioning]

    def generations(self, names: Iterable[str]) -> Flow[dict[str, int]]:
        """The generation of each name; 0 for what was never deleted, and for what is not counted."""
        names = list(names)
        if not self.counting:
            return dict.fromkeys(names, 0)
        rows = yield from self.link.rows(self.sql.generation, [(self.prefix, name) for name in names])
        return _generations(names, rows)

    def of_names(self, names: Sequence[str]) -> Flow[Partitions]:
        """All partitions of these names."""
        found, _ = yield from self._of(names, self.sql.partitions, ())
        return found

    def within(
        self, names: Sequence[str], partitioning: Partitioning, first: int, last: int, also: Sequence[Any] = ()
    ) -> Flow[tuple[Partitions, list[list[Any]]]]:
        """The partitions of these names that hold cells in a range of buckets, by whatever rule they were made; and the
        rows of statements to send at the same time.
        """
        starts = partitioning.starts(first, last)
        low, _ = partitioning.times(first, last)
        found, rows = yield from self._of(names, self.sql.partitions_of, (partitioning.interval.name, *starts), also)
        return {name: [one for one in partitions if one.end > low] for name, partitions in found.items()}, rows

    def _of(
        self, names: Sequence[str], cql: Cql, further: tuple[object, ...], also: Sequence[Any] = ()
    ) -> Flow[tuple[Partitions, list[list[Any]]]]:
        """The current partitions of names that a statement gives; the generations are asked for at the same time, and
        so is what ``also`` says, whose rows come with them.
        """
        asked = yield from self.link.bound(cql, [(self.prefix, shard_of(name), name, *further) for name in names])
        if self.counting:
            asked += yield from self.link.bound(self.sql.generation, [(self.prefix, name) for name in names])
        rows = yield from self.link.send([*asked, *also])
        told = rows[len(names) : len(asked)]
        generations = _generations(names, told) if self.counting else dict.fromkeys(names, 0)
        return _current(dict(zip(names, rows, strict=False)), generations), rows[len(asked) :]

    def everything(self) -> Flow[tuple[Partitions, Partitions]]:
        """The partitions of all names, and apart from them those of generations that were deleted."""
        shards = yield from self.link.rows(self.sql.shard, [(self.prefix, shard) for shard in range(SHARDS)])
        rows: dict[str, list[Sequence[Any]]] = {}
        for shard in shards:
            for name, *entry in shard:
                rows.setdefault(name, []).append(entry)
            yield
        current = _current(rows, (yield from self.generations(rows)))
        if not self.counting:
            return current, {}
        kept = {name: set(partitions) for name, partitions in current.items()}
        dead = {name: [one for one in map(_partition, found) if one not in kept[name]] for name, found in rows.items()}
        return current, dead

    def ends(self, partitions: Partitions, cutoffs: Cutoffs, *, last: bool) -> Flow[Ends]:
        """The first (or last) visible bucket of each name in each interval, without those that have none.

        Each walks its partitions from its own end, all of them at the same time; where nothing was deleted one step
        does it.
        """
        walks: dict[tuple[str, str], list[Partition]] = {}
        for name, found in partitions.items():
            for one in found:
                if one.interval in cutoffs and self._may_be_visible(one, cutoffs[one.interval]):
                    walks.setdefault((name, one.interval), []).append(one)
        for walk in walks.values():
            walk.sort(key=(lambda one: one.end) if last else (lambda one: -one.start))  # pop() takes from the end
        cql = self.sql.last if last else self.sql.first
        ends: Ends = {}
        while walks:
            steps = [(key, walk.pop()) for key, walk in walks.items()]
            rows = yield from self.link.rows(
                cql, [(*self.key(name, one), _from(cutoffs[interval])) for (name, interval), one in steps]
            )
            for (key, _), answer in zip(steps, rows, strict=True):
                for (bucket,) in answer:
                    best = ends.get(key, bucket)
                    ends[key] = max(best, bucket) if last else min(best, bucket)
                walk = walks[key]
                if key in ends and walk and not self._may_be_further(walk[-1], ends[key], last=last):
                    walk.clear()
            walks = {key: walk for key, walk in walks.items() if walk}
        return ends

    def key(self, name: str, partition: Partition) -> tuple[str, str, str, int, int]:
        """The partition key."""
        return self.prefix, name, partition.interval, partition.generation, partition.start

    def entry(self, name: str, partition: Partition) -> tuple[object, ...]:
        """The key of a partition in the index."""
        return self.prefix, shard_of(name), name, *astuple(partition)

    def _may_be_visible(self, partition: Partition, cutoff: int | None) -> bool:
        if cutoff is None:
            return True
        return partition.end > self.partitionings[partition.interval].times(cutoff, cutoff)[0]

    def _may_be_further(self, partition: Partition, bucket: int, *, last: bool) -> bool:
        """Whether a partition may hold a bucket beyond the one that was found: it overlaps only if the rule changed."""
        low, high = self.partitionings[partition.interval].times(bucket, bucket)
        return partition.end > high if last else partition.start <= low


def _from(cutoff: int | None) -> int:
    return MIN_BUCKET if cutoff is None else cutoff


def _generations(names: Iterable[str], rows: Iterable[Sequence[Any]]) -> dict[str, int]:
    return {name: found[0][0] if found else 0 for name, found in zip(names, rows, strict=True)}


def _current(rows: Mapping[str, Iterable[Sequence[Any]]], generations: Mapping[str, int]) -> Partitions:
    """The partitions of rows of the index, without those of generations that were deleted."""
    return {
        name: [one for one in map(_partition, entries) if one.generation == generations[name]]
        for name, entries in rows.items()
    }


def _partition(entry: Sequence[Any]) -> Partition:
    return Partition(*entry)
