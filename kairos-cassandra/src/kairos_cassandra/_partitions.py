"""How the cells of an interval are cut into partitions. Pure.

A partition holds the cells whose time falls into one stretch of ``seconds`` seconds; it is called by the start of that
stretch. The time of a cell is the first second of its bucket, in a fine interval of its resolution bucket. How long a
stretch is follows from the interval, and is kept with every partition in the index: data that was written by another
rule is found all the same.
"""

from __future__ import annotations

from attrs import field, frozen

from kairos.plans import Interval
from kairos.steps import CalendarStep, parse_step

__all__ = ["MAX_BUCKET", "MIN_BUCKET", "Partition", "Partitioning"]

# What a partition may hold, with room for the short weeks around New Year.
_ROWS = 95_000
MIN_BUCKET, MAX_BUCKET = -(2**63), 2**63 - 1


@frozen
class Partition:
    """One entry of the index: a partition of an interval, and the step and steps of the interval when it was written
    (0 for no steps), by which the life of its cells is known to who has not configured the interval.
    """

    interval: str
    start: int
    seconds: int
    generation: int
    step: str
    steps: int

    def cutoff(self, now: int) -> int | None:
        """The first bucket that was to be kept at a time; None for all."""
        step = parse_step(self.step)
        return Interval(name=self.interval, step=step, steps=self.steps or None).cutoff(now)

    def is_after(self, bucket: int) -> bool:
        """Whether nothing that it holds lies before a bucket."""
        return self.start >= parse_step(self.step).start(bucket)

    def is_before(self, bucket: int) -> bool:
        """Whether all that it holds lies before a bucket, whatever the resolution of the interval was."""
        step = parse_step(self.step)
        return self.end + step.nominal <= step.start(bucket)

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.seconds


@frozen
class Partitioning:
    """How the cells of one interval are spread: at most 100,000 rows to a partition, at ``rows_per_cell`` rows each."""

    interval: Interval
    rows_per_cell: int
    seconds: int = field(init=False)
    """The length of a partition."""
    longest: int = field(init=False)
    """The longest that any rule makes a partition of this interval."""

    @seconds.default
    def _length(self) -> int:
        return _length(self.interval, self.rows_per_cell)

    @longest.default
    def _longest(self) -> int:
        return _length(self.interval, 1)

    def start(self, bucket: int, resolution: int | None) -> int:
        """The start of the partition that holds a cell."""
        fine = self.interval.resolution
        time = self.interval.step.start(bucket) if fine is None or resolution is None else fine.start(resolution)
        return time - time % self.seconds

    def times(self, first: int, last: int) -> tuple[int, int]:
        """The earliest and the latest time that a cell in a range of buckets can have."""
        step, fine = self.interval.step, self.interval.resolution
        if fine is None:
            return step.start(first), step.start(last)
        # A resolution bucket may begin before the interval whose points it holds.
        return fine.start(fine.bucket(step.start(first))), fine.start(fine.bucket(step.start(step.shift(last, 1)) - 1))

    def starts(self, first: int, last: int) -> tuple[int, int]:
        """The least and the greatest start, by any rule, of a partition that holds cells in a range of buckets."""
        low, high = self.times(first, last)
        return low - self.longest + 1, high

    def own(self, first: int, last: int) -> range:
        """The starts of the partitions that hold a range of buckets, by this rule."""
        low, high = self.times(first, last)
        return range(low - low % self.seconds, high + 1, self.seconds)

    def buckets(self, partition: Partition, first: int, last: int) -> tuple[int, int]:
        """The buckets of a range that a partition can hold cells of."""
        step, fine = self.interval.step, self.interval.resolution
        low, high = step.bucket(partition.start), step.bucket(partition.end - 1)
        if fine is None:
            if step.start(low) < partition.start:
                low = step.shift(low, 1)
        else:
            latest = fine.bucket(partition.end - 1)
            high = step.bucket(fine.start(fine.shift(latest, 1)) - 1)
        return max(low, first), min(high, last)

    def partition(self, start: int, generation: int) -> Partition:
        """The entry of a partition by this rule."""
        step = self.interval.step
        text = step.name if isinstance(step, CalendarStep) else str(step.nominal)
        return Partition(self.interval.name, start, self.seconds, generation, text, self.interval.steps or 0)

    def expires_at(self, partition: Partition) -> int | None:
        """When the last bucket of a partition stops being visible; None for never."""
        return self.interval.expires_at(self.buckets(partition, MIN_BUCKET, MAX_BUCKET)[1])


def _length(interval: Interval, rows_per_cell: int) -> int:
    step, fine = interval.step.nominal, interval.resolution
    if fine is None:
        return max(step, _ROWS * step // rows_per_cell)
    # Where resolution buckets straddle two intervals, each interval adds a cell.
    grain = fine.nominal
    return max(grain, _ROWS * step * grain // ((step + grain) * rows_per_cell))
