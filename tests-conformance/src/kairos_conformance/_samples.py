"""What the tests write, and what they expect to read: small, written out, and independent of the core."""

from __future__ import annotations

from calendar import timegm
from collections import Counter
from typing import Any

import pytest

__all__ = ["BOTH", "EMPTY", "FINE", "KINDS", "MINUTE", "T0", "at", "every_kind", "holding"]

KINDS = ("count", "gauge", "histogram", "series", "set")
every_kind = pytest.mark.parametrize("kind", KINDS)

MINUTE = {"minute": {"step": 60}}
"""A coarse interval."""
FINE = {"hour": {"step": 3600, "resolution": 60}}
"""An interval with a resolution."""
BOTH = {**MINUTE, **FINE}


def at(year: int, month: int = 1, day: int = 1, *time: int) -> int:
    """Unix seconds of a date in UTC, and of an hour, minute and second of it."""
    return timegm((year, month, day, *time, 0, 0, 0))


T0 = at(2013)
"""A time at which a minute, an hour, a day, a month, a year and a (short) week begin: Tuesday, 1 January 2013."""


def holding(kind: str, *values: Any) -> Any:
    """What a bucket reads as into which these values were inserted, in this order."""
    match kind:
        case "count":
            return sum(values)
        case "gauge":
            return values[-1] if values else None
        case "histogram":
            return dict(Counter(values))
        case "series":
            return list(values)
        case _:
            return set(values)


EMPTY: dict[str, Any] = {kind: holding(kind) for kind in KINDS}
"""What a coarse bucket without data reads as."""
