"""The five kinds of series: what their values mean. Pure functions, no I/O.

A kind reduces values before they are written, merges what was read (to condense and to join), and knows its named
transforms. How its data is stored is its *shape*; backends see only that. *Data* is what a cell reads as: a list, a
dict ``{value: n}``, a number, a value or a set. Nothing that is passed in is ever changed (semantics 4.4).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from kairos.backend import Shape
from kairos.errors import InvalidValue
from kairos.values import FLOAT64_END, FLOAT64_MIN, INT64_MAX, INT64_MIN, canonical_key, exact_sum, show

__all__ = ["KINDS", "TRANSFORMS", "Count", "Gauge", "Histogram", "Kind", "Series", "Set", "count_value"]

ReadFunc = Callable[[Any], Any] | None
TRANSFORMS = ("count", "max", "mean", "min", "rate", "sum")
"""The named transforms that every kind has."""


class Kind(ABC):
    """What a type of series means."""

    name: ClassVar[str]
    shape: ClassVar[Shape]
    ordered: ClassVar[bool] = False
    """Whether the order of values matters, so that a set cannot be inserted."""
    keyed: ClassVar[bool] = False
    """Whether values are keys, which have one canonical form."""

    @abstractmethod
    def empty(self) -> Any:
        """What a bucket without data reads as; a new object each time."""

    @abstractmethod
    def reduce(self, values: list[Any]) -> Any:
        """The payload of a cell: one or more values, in order of arrival, as a single addition."""

    @abstractmethod
    def process_row(self, data: Any, read_func: ReadFunc) -> Any:
        """What a cell's decoded data reads as: canonical, with ``read_func`` applied to its values."""

    @abstractmethod
    def merge(self, rows: Sequence[Any]) -> Any:
        """Several data of this kind as one, in order; the empty value for none."""

    @abstractmethod
    def rate(self, data: Any, seconds: int) -> Any:
        """Data per second."""

    def transform(self, name: str) -> Callable[..., Any] | None:
        """The function of a named transform (of the data, or of the data and its seconds), None if unknown."""
        return getattr(self, name) if name in TRANSFORMS else None

    def condense(self, rows: Mapping[int, Any]) -> Any:
        """``{timestamp: data}`` as one."""
        return self.merge(list(rows.values()))


def _total(values: Sequence[Any]) -> Any:
    """The sum; of floats without the loss of repeated rounding, of ints exactly."""
    if any(isinstance(value, float) for value in values):
        # Of infinities, and of an intermediate sum past the range of a float, the plain sum is inf or NaN.
        with suppress(OverflowError, ValueError):
            return math.fsum(values)
    return sum(values)


class _Collection(Kind):
    """Kinds whose data is a collection of values: the named transforms work on ``_values``."""

    def mean(self, data: Any) -> Any:
        """The mean of the values, 0 for none."""
        return self.sum(data) / self.count(data) if data else 0

    def count(self, data: Any) -> int:
        """The number of values."""
        return len(data)

    def min(self, data: Any) -> Any:
        """The smallest value, 0 for none."""
        return min(data, default=0)

    def max(self, data: Any) -> Any:
        """The largest value, 0 for none."""
        return max(data, default=0)

    def sum(self, data: Any) -> Any:
        """The sum of the values."""
        return _total(list(data))

    def rate(self, data: Any, seconds: int) -> Any:
        return len(data) / seconds


class Series(_Collection):
    """A list of values in order of arrival."""

    name = "series"
    shape = Shape.LIST
    ordered = True

    def empty(self) -> list[Any]:
        return []

    def reduce(self, values: list[Any]) -> list[Any]:
        return values

    def process_row(self, data: Any, read_func: ReadFunc) -> list[Any]:
        return list(data) if read_func is None else [read_func(value) for value in data]

    def merge(self, rows: Sequence[Any]) -> list[Any]:
        return [value for row in rows for value in row]


class Histogram(_Collection):
    """How often each value occurred."""

    name = "histogram"
    shape = Shape.COUNTERS
    keyed = True

    def empty(self) -> dict[Any, int]:
        return {}

    def reduce(self, values: list[Any]) -> dict[Any, int]:
        found: dict[Any, int] = {}  # faster than a Counter for the few values of a typical cell
        for value in values:
            found[value] = found.get(value, 0) + 1
        return found

    def process_row(self, data: Any, read_func: ReadFunc) -> dict[Any, int]:
        if read_func is None:
            return {canonical_key(value): n for value, n in data.items()}
        found: dict[Any, int] = {}
        for value, n in data.items():
            key = read_func(canonical_key(value))
            found[key] = found.get(key, 0) + n
        return found

    def merge(self, rows: Sequence[Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for row in rows:
            for value, n in row.items():
                found[value] = found.get(value, 0) + n
        return found

    def count(self, data: Any) -> Any:
        return sum(data.values())

    def sum(self, data: Any) -> Any:
        return _total([value * n for value, n in data.items()])

    def rate(self, data: Any, seconds: int) -> dict[Any, float]:
        return {value: n / seconds for value, n in data.items()}


class Set(_Collection):
    """The distinct values."""

    name = "set"
    shape = Shape.SET
    keyed = True

    def empty(self) -> set[Any]:
        return set()

    def reduce(self, values: list[Any]) -> set[Any]:
        return set(values)

    def process_row(self, data: Any, read_func: ReadFunc) -> set[Any]:
        keys = map(canonical_key, data)
        return set(keys) if read_func is None else {read_func(key) for key in keys}

    def merge(self, rows: Sequence[Any]) -> set[Any]:
        found: set[Any] = set()
        return found.union(*rows)


class _Scalar(Kind):
    """Kinds whose data is a single value: the named transforms but ``rate`` return it (semantics 4.5)."""

    def mean(self, data: Any) -> Any:
        """The value."""
        return data

    count = min = max = sum = mean


class Count(_Scalar):
    """A running total."""

    name = "count"
    shape = Shape.COUNTER

    def empty(self) -> int:
        return 0

    def reduce(self, values: list[Any]) -> Any:
        if len(values) == 1:
            return values[0]
        if all(isinstance(value, int) for value in values):
            total = sum(values)
        else:
            try:
                total = exact_sum(*values)
            except OverflowError:
                raise InvalidValue("the sum of these values is past the range of a float") from None
        if isinstance(total, int) and not INT64_MIN <= total <= INT64_MAX:
            raise InvalidValue(f"the sum {total} of these values is past 64 bits")
        return total

    def process_row(self, data: Any, read_func: ReadFunc) -> Any:
        value = count_value(data)
        return value if read_func is None else read_func(value)

    def merge(self, rows: Sequence[Any]) -> Any:
        return count_value(_total(rows))

    def rate(self, data: Any, seconds: int) -> Any:
        return data / seconds


class Gauge(_Scalar):
    """The value that arrived last."""

    name = "gauge"
    shape = Shape.REGISTER
    ordered = True

    def empty(self) -> None:
        return None

    def reduce(self, values: list[Any]) -> Any:
        return values[-1]

    def process_row(self, data: Any, read_func: ReadFunc) -> Any:
        return data if read_func is None else read_func(data)

    def merge(self, rows: Sequence[Any]) -> Any:
        return _last(rows)

    def rate(self, data: Any, seconds: int) -> Any:
        return None if data is None else data / seconds


def _last(rows: Iterable[Any]) -> Any:
    found = None
    for row in rows:
        if row is not None:
            found = row
    return found


def count_value(total: Any) -> Any:
    """A sum as a count reads: an int if it is integral and within 64 bits, else as it is (semantics 3.5)."""
    if isinstance(total, float) and total.is_integer() and FLOAT64_MIN <= total < FLOAT64_END:
        return int(total)
    if isinstance(total, int) and not INT64_MIN <= total <= INT64_MAX:
        return float(total)
    return total


def count_increment(value: Any, *, floats: bool) -> int | float:
    """A value that a count can grow by, or an `InvalidValue`; ``floats`` says whether floats are taken."""
    if isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise InvalidValue(f"{show(value)} is past 64 bits")
        return int(value)
    if not isinstance(value, float):
        raise InvalidValue(f"{show(value)} is not a number that a count can grow by: give an int or a float")
    if not floats:
        raise InvalidValue(f"{show(value)} is a float; this count takes ints only")
    if not math.isfinite(value):
        raise InvalidValue(f"{show(value)} is not a finite number that a count can grow by")
    return float(value)


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (Count(), Gauge(), Histogram(), Series(), Set())}
