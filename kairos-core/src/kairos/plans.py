"""What passes between the core and a backend: plain values, and nothing else.

The core turns a verb into one of these plans, the backend carries it out. Times are Unix seconds (int); buckets are
integer ids as stored (`kairos.steps.Step`). A plan carries ``options``: an instance of the backend's own class for the
verb's extra keywords, or None if the backend has none for that verb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from attrs import field, frozen

from kairos.steps import FixedStep, Step
from kairos.timestamps import MAX_TIME, MIN_TIME

__all__ = [
    "Aggregate",
    "Batch",
    "Bounds",
    "Cell",
    "Cutoffs",
    "Expiry",
    "Interval",
    "Query",
    "Rows",
    "Selector",
    "Span",
    "Written",
]

Rows: TypeAlias = dict[str, dict[int, dict[int | None, Any]]]
"""What a read gives: ``{name: {bucket: {resolution bucket or None: data}}}``, names in any order, buckets and
resolution buckets ascending, decoded, with an entry only where there is data. A name without data may be absent."""

Cutoffs: TypeAlias = Mapping[str, int | None]
"""For each configured interval its first visible bucket; None means that all of its buckets are visible."""

Span: TypeAlias = tuple[int | None, int | None]
"""The first and the last bucket of a range, both included; None is open."""

Bounds: TypeAlias = dict[str, dict[str, tuple[int, int]]]
"""``{name: {interval: (first, last) bucket with visible data}}``, without what has none."""


@frozen(kw_only=True)
class Interval:
    """One interval of the configuration.

    ``steps`` is the number of newest buckets that are visible, None for all. ``resolution`` is None if the interval is
    coarse: it then holds one cell per bucket, else one per bucket and resolution bucket.
    """

    name: str
    step: Step
    steps: int | None = None
    resolution: Step | None = None

    def expires_at(self, bucket: int) -> int | None:
        """When a bucket stops being visible, in Unix seconds; None for never. Depends on nothing but the bucket
        (semantics 1.5), so a late insert neither shortens nor lengthens a life.
        """
        if self.steps is None:
            return None
        time = self.step.start(self.step.shift(bucket, self.steps))
        return time if time <= MAX_TIME else None

    def cutoff(self, now: int) -> int | None:
        """The first bucket that is visible at ``now``; None if all are."""
        if self.steps is None:
            return None
        first = self.step.shift(self.step.bucket(now), 1 - self.steps)
        return first if self.step.start(first) >= MIN_TIME else None

    @property
    def cells_per_bucket(self) -> int:
        """About how many cells a bucket holds at most."""
        return 1 if self.resolution is None else -(-self.step.nominal // self.resolution.nominal)


class Cell(NamedTuple):
    """One bucket to add to, already reduced by the kind. A tuple, since a batch may hold a million of them.

    ``payload`` by shape: list: the values in order; counters: ``{value: n}``, n > 0; counter: the int or float to add;
    register: the value that arrived last; set: a set of values. ``resolution`` is the resolution bucket, None in a
    coarse interval. ``expires_at`` is in Unix seconds, None for never; each write sets the life of its cell. After a
    change of ``steps`` a store may keep a cell longer, never shorter, than its last write says.
    """

    name: str
    interval: str
    bucket: int
    resolution: int | None
    payload: Any
    expires_at: int | None


@frozen(kw_only=True)
class Batch:
    """Cells to write, each (name, interval, bucket, resolution) once; they are independent of each other, so a backend
    may sort them.
    """

    cells: Sequence[Cell]
    options: Any = None


class Aggregate(StrEnum):
    """A number that stands for the data of a cell, which the store may compute instead of sending the data."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"


@frozen(kw_only=True)
class Query:
    """One read: all ``names``, one interval, the buckets from ``first`` to ``last``, both included.

    ``names`` has no duplicates. The range is already clipped to what is visible and is never empty. ``single`` is True
    for ``get``, where ``first == last``; a custom fetch is then called without an end.

    With ``aggregates`` (see `Capabilities.aggregates`) the data of a cell is a tuple of these, in this order, over the
    values of the cell: each exactly what Python makes of the values that would be read. A counter weighs its value.
    """

    names: tuple[str, ...]
    interval: Interval
    first: int
    last: int
    single: bool = False
    aggregates: tuple[Aggregate, ...] = ()
    options: Any = None

    @property
    def buckets(self) -> Sequence[int]:
        """Every bucket of the range, ascending; for stores that address buckets one by one."""
        if isinstance(self.interval.step, FixedStep):
            return range(self.first, self.last + 1)
        return list(self.interval.step.range(self.first, self.last))


@frozen(kw_only=True)
class Selector:
    """What to delete: all of a namespace (``name`` is None, and so is ``spans``), a name, or of a name the buckets in
    ``spans``.

    ``spans`` maps intervals to ranges of buckets; None means every stored interval, configured or not, with all its
    buckets. ``cutoffs`` has all configured intervals: of the cells removed, those in one of these intervals and not
    before its cutoff are counted.
    """

    name: str | None
    spans: Mapping[str, Span] | None = None
    cutoffs: Cutoffs = field(factory=dict)
    options: Any = None


@frozen(kw_only=True)
class Expiry:
    """What to reclaim: of ``name`` (None: of all names) the cells that are past.

    In the intervals that ``cutoffs`` names, past is what lies before the cutoff (nothing, if it is None); in all others
    what was stored with an ``expires_at`` that is not after ``now``. At most ``limit`` cells are removed, None for no
    limit.
    """

    name: str | None
    now: int
    cutoffs: Cutoffs = field(factory=dict)
    limit: int | None = None
    options: Any = None


@frozen
class Written:
    """What an insert did, known before anything was sent.

    ``points`` is the number of values given, after expansion of lists; ``cells`` the number of cells sent; ``expired``
    the number of cells that were not sent because their bucket is already past.
    """

    points: int
    cells: int
    expired: int
