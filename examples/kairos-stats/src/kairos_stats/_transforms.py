"""Named transforms of the values of a bucket.

Each function gets the values ascending and how often each of them came: a series and a set count every value once, a
histogram has its counts. So one definition serves all three.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from kairos import HookContext, hookimpl

__all__ = ["Statistics"]

Statistic = Callable[[Sequence[Any], Sequence[int]], Any]


def quantile(fraction: float, values: Sequence[Any], counts: Sequence[int]) -> Any:
    """The value below which a fraction of all values lies, between two of them by linear interpolation (definition 7
    of Hyndman and Fan, which is also NumPy's).
    """
    until = list(accumulate(counts))
    rank = (until[-1] - 1) * fraction
    low = values[bisect_right(until, math.floor(rank))]
    high = values[bisect_right(until, math.ceil(rank))]
    return low if low == high else low + (high - low) * (rank - math.floor(rank))


def stddev(values: Sequence[Any], counts: Sequence[int]) -> float:
    """The standard deviation of the values as a whole population."""
    total = sum(counts)
    mean = math.fsum(value * n for value, n in zip(values, counts, strict=True)) / total
    return math.sqrt(math.fsum((value - mean) ** 2 * n for value, n in zip(values, counts, strict=True)) / total)


WEIGHED: dict[str, Statistic] = {
    "distinct": lambda values, _: len(set(values)),
    "median": partial(quantile, 0.5),
    "p90": partial(quantile, 0.9),
    "p95": partial(quantile, 0.95),
    "p99": partial(quantile, 0.99),
    "range": lambda values, _: values[-1] - values[0],
    "stddev": stddev,
}
ORDERED = {"first": 0, "last": -1}


def weigh(statistic: Statistic, data: Any) -> Any:
    """A statistic of what a bucket reads as; 0 of nothing, as with the transforms that kairos has."""
    if not data:
        return 0
    values = sorted(data)
    return statistic(values, [data[value] for value in values] if isinstance(data, dict) else [1] * len(values))


def at(position: int, data: Sequence[Any]) -> Any:
    """The first or the last value in time; None of nothing."""
    return data[position] if data else None


class Statistics:
    """``median``, ``p90``, ``p95``, ``p99``, ``stddev``, ``range`` and ``distinct`` for series, histograms and sets,
    ``first`` and ``last`` for series. A count and a gauge hold one value each and have none of them.
    """

    @hookimpl
    def transform(self, context: HookContext) -> Callable[[Any], Any] | None:
        """Give the function for a name of ours."""
        name = context.name or ""
        if context.kind == "series" and name in ORDERED:
            return partial(at, ORDERED[name])
        if context.kind in {"series", "histogram", "set"} and name in WEIGHED:
            return partial(weigh, WEIGHED[name])
        return None
