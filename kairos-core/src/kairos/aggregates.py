"""Named transforms of what the backend has aggregated, instead of the data itself (`Query.aggregates`).

It is asked to where the answer is the same to the last bit as without. A sum of floats is not: it depends on the order
and on the store. So floats are added by the core alone, as are all values of which it does not know how a store would
compare them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from kairos.backend import Backend, Shape
from kairos.kinds import Kind
from kairos.plans import Aggregate
from kairos.values import canonical_key

__all__ = ["Summary", "needed"]

_COUNT, _SUM, _MIN, _MAX = Aggregate.COUNT, Aggregate.SUM, Aggregate.MIN, Aggregate.MAX

_NEEDS: Mapping[str, Sequence[Aggregate]] = {
    "count": [_COUNT],
    "max": [_MAX],
    "mean": [_SUM, _COUNT],
    "min": [_MIN],
    "rate": [_COUNT],
    "sum": [_SUM],
}
_COLLECTIONS = frozenset({Shape.LIST, Shape.COUNTERS, Shape.SET})
_FOLDS: Mapping[Aggregate, Callable[[Iterable[Any]], Any]] = {_COUNT: sum, _SUM: sum, _MIN: min, _MAX: max}


def needed(kind: Kind, transforms: Collection[str], backend: Backend, *, merged: bool) -> tuple[Aggregate, ...]:
    """The aggregates from which all of these built-in transforms follow exactly; none if the data must be read.

    ``merged`` tells whether several cells become one data.
    """
    wanted = frozenset[Aggregate]().union(*(_NEEDS[name] for name in transforms))
    histogram = kind.shape is Shape.COUNTERS
    if histogram and "rate" in transforms:  # per value
        return ()
    exact = _exact(kind, backend.value_type.name, merged=merged) & backend.capabilities.aggregates
    return tuple(sorted(wanted)) if wanted <= exact else ()


def _exact(kind: Kind, value_type: str, *, merged: bool) -> frozenset[Aggregate]:
    if kind.shape not in _COLLECTIONS:  # the data is a single value
        return frozenset()
    exact = {_COUNT}
    if value_type in {"float", "int"}:
        exact |= {_MIN, _MAX}
    if value_type == "int":
        exact.add(_SUM)
    if kind.shape is Shape.SET and (merged or value_type == "any"):
        # A member of several cells counts once; and values of a type unknown may be equal in Python alone.
        exact -= {_COUNT, _SUM}
    return frozenset(exact)


@frozen
class Summary:
    """A kind whose data are the aggregates of a cell, in order; an empty tuple is no data."""

    aggregates: tuple[Aggregate, ...]
    keyed: bool

    def empty(self) -> tuple[Any, ...]:
        """No data."""
        return ()

    def process_row(self, data: Sequence[Any]) -> tuple[Any, ...]:
        """A cell, with keys in their one form."""
        return tuple(map(canonical_key, data) if self.keyed else data)

    def merge(self, rows: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Several data as one."""
        columns = zip(*filter(None, rows), strict=True)
        return tuple(_FOLDS[aggregate](column) for aggregate, column in zip(self.aggregates, columns, strict=False))

    def condense(self, rows: Mapping[int, tuple[Any, ...]]) -> tuple[Any, ...]:
        """``{timestamp: data}`` as one."""
        return self.merge(rows.values())

    def transform(self, name: str) -> Callable[[tuple[Any, ...], Callable[[], int]], Any]:
        """A named transform of the data and the seconds that it covers, as the kind itself has it (semantics 4.5)."""
        first, *further = (self.aggregates.index(aggregate) for aggregate in _NEEDS[name])
        if name == "mean":
            (count,) = further
            return lambda data, _: data[first] / data[count] if data else 0
        if name == "rate":
            return lambda data, seconds: (data[first] if data else 0) / seconds()
        return lambda data, _: data[first] if data else 0
