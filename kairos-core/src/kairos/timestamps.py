"""What a user may pass as a time: the one door between the outside and integer Unix seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from numbers import Integral, Real
from typing import Any

from kairos.errors import InvalidValue
from kairos.values import show

__all__ = ["MAX_TIME", "MIN_TIME", "to_seconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
# The years 1 to 9999. A timestamp past them is nearly always one in milliseconds, and better refused than stored.
MIN_TIME = -62_135_596_800
MAX_TIME = 253_402_300_799


def to_seconds(timestamp: Any) -> int:
    """Floor a timestamp to Unix seconds (semantics 1.1, 1.2).

    `timestamp` is an int or float of Unix seconds, or an aware `datetime`. A naive datetime, NaN, an infinity, a time
    outside of the years 1 to 9999 and anything else is an `InvalidValue` (a ValueError).
    """
    seconds: int
    if type(timestamp) is int:
        seconds = timestamp
    elif type(timestamp) is float and math.isfinite(timestamp):
        seconds = math.floor(timestamp)
    elif isinstance(timestamp, datetime):
        if timestamp.tzinfo is None or timestamp.utcoffset() is None:
            raise InvalidValue(f"timestamp {show(timestamp)} is a naive datetime; give it a time zone")
        seconds = (timestamp - _EPOCH) // _SECOND
    elif isinstance(timestamp, bool):
        raise InvalidValue(f"timestamp {show(timestamp)} is a bool, not a time")
    elif isinstance(timestamp, Integral):
        seconds = int(timestamp)
    elif isinstance(timestamp, Real):
        try:
            seconds = math.floor(timestamp)  # type: ignore[assignment] # the stubs say less than floor gives
        except (ValueError, OverflowError):
            raise InvalidValue(f"timestamp {show(timestamp)} is not finite") from None
    else:
        raise InvalidValue(f"timestamp {show(timestamp)} is neither a number of Unix seconds nor an aware datetime")
    if not MIN_TIME <= seconds <= MAX_TIME:
        raise InvalidValue(f"timestamp {show(timestamp)} is outside of the years 1 to 9999 (is it in milliseconds?)")
    return seconds
