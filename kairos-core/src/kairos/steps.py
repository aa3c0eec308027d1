"""Calendar arithmetic: which bucket a second falls into, and where that bucket starts.

Pure functions on integer Unix seconds, always UTC and the proleptic Gregorian calendar: no I/O, no clock and no time
zone. A *bucket* is an integer id as it is stored (semantics 1.4); its *ordinal* counts buckets without gaps, which is
what shifting and counting need. Everything else follows from these two and ``start``.

Buckets reach past years 1 to 9999 in both directions, so shifting never fails; the limits of what a user may pass are
checked where a timestamp enters (`kairos.timestamps`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator
from datetime import date
from itertools import accumulate
from typing import ClassVar

from attrs import field, frozen

from kairos.values import is_positive_int

__all__ = ["CalendarStep", "Daily", "FixedStep", "Monthly", "Step", "Weekly", "Yearly", "parse_step"]

DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
# The Gregorian calendar repeats after 400 years, to the day of the week: dates outside datetime's range are computed
# in the cycle that it knows.
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097


def _date_of(day: int) -> tuple[int, int, int]:
    """(year, month, day) of a day number; day 1 is 1 January of the year 1."""
    cycle, within = divmod(day - 1, _CYCLE_DAYS)
    found = date.fromordinal(within + 1)
    return found.year + cycle * _CYCLE_YEARS, found.month, found.day


def _day_of(year: int, month: int = 1, day: int = 1) -> int:
    """The day number of a date: the inverse of `_date_of`."""
    cycle, within = divmod(year - 1, _CYCLE_YEARS)
    return date(within + 1, month, day).toordinal() + cycle * _CYCLE_DAYS


class Step(ABC):
    """A way to cut time into buckets. Two steps are equal if they cut alike and are written in the same family."""

    @property
    @abstractmethod
    def nominal(self) -> int:
        """The usual length in seconds, by which steps are compared (semantics 1.6)."""

    @abstractmethod
    def bucket(self, timestamp: int) -> int:
        """The bucket that holds this second."""

    @abstractmethod
    def start(self, bucket: int) -> int:
        """The first second of a bucket."""

    @abstractmethod
    def ordinal(self, bucket: int) -> int:
        """The number of a bucket in an unbroken count, ascending in time."""

    @abstractmethod
    def at(self, ordinal: int) -> int:
        """The bucket with this ordinal."""

    def shift(self, bucket: int, by: int) -> int:
        """The bucket ``by`` buckets later, or earlier if negative."""
        return self.at(self.ordinal(bucket) + by)

    def count(self, first: int, last: int) -> int:
        """How many buckets there are from ``first`` to ``last``, both included."""
        return max(0, self.ordinal(last) - self.ordinal(first) + 1)

    def range(self, first: int, last: int) -> Iterator[int]:
        """The buckets from ``first`` to ``last``, both included, in ascending order."""
        return map(self.at, range(self.ordinal(first), self.ordinal(last) + 1))

    def seconds(self, bucket: int) -> int:
        """The real length of a bucket in seconds: a month has 28 to 31 days, the weeks around New Year are short."""
        return self.start(self.shift(bucket, 1)) - self.start(bucket)


@frozen
class FixedStep(Step):
    """Buckets of a fixed number of seconds, counted from the epoch: bucket = floor(timestamp / length)."""

    length: int = field()

    @length.validator
    def _check(self, _: object, value: object) -> None:
        if not is_positive_int(value):
            raise ValueError(f"expected a positive int of seconds, not {value!r}")

    @property
    def nominal(self) -> int:
        return self.length

    def bucket(self, timestamp: int) -> int:
        return timestamp // self.length

    def start(self, bucket: int) -> int:
        return bucket * self.length

    def ordinal(self, bucket: int) -> int:
        return bucket

    def at(self, ordinal: int) -> int:
        return ordinal

    def shift(self, bucket: int, by: int) -> int:
        return bucket + by  # three calls less, several times for each point that is inserted

    def seconds(self, bucket: int) -> int:  # noqa: ARG002 - every bucket is equally long
        return self.length


@frozen
class CalendarStep(Step):
    """Buckets that follow the calendar. A bucket is written as a date, as an integer; its start is at midnight."""

    name: ClassVar[str]
    nominal_days: ClassVar[int]

    @property
    def nominal(self) -> int:
        return self.nominal_days * DAY

    def bucket(self, timestamp: int) -> int:
        return self.bucket_of_day(timestamp // DAY + _EPOCH)

    def start(self, bucket: int) -> int:
        return (self.first_day(bucket) - _EPOCH) * DAY

    @abstractmethod
    def bucket_of_day(self, day: int) -> int:
        """The bucket that holds a day, given as a day number."""

    @abstractmethod
    def first_day(self, bucket: int) -> int:
        """The day number of the first day of a bucket."""


@frozen
class Daily(CalendarStep):
    """Calendar days, written YYYYMMDD."""

    name = "daily"
    nominal_days = 1

    def bucket_of_day(self, day: int) -> int:
        year, month, day_of_month = _date_of(day)
        return year * 10_000 + month * 100 + day_of_month

    def first_day(self, bucket: int) -> int:
        year, rest = divmod(bucket, 10_000)
        return _day_of(year, *divmod(rest, 100))

    def ordinal(self, bucket: int) -> int:
        return self.first_day(bucket)

    def at(self, ordinal: int) -> int:
        return self.bucket_of_day(ordinal)


@frozen
class Weekly(CalendarStep):
    """Weeks from Sunday, written YYYYWW as by ``%Y%U``; the days around New Year are two short buckets.

    A bucket begins on each Sunday and on each 1 January, so the ordinal of a week is the number of such days up to
    its start.
    """

    name = "weekly"
    nominal_days = 7

    def bucket_of_day(self, day: int) -> int:
        year = _date_of(day)[0]
        return year * 100 + (day - _day_of(year) + 7 - day % 7) // 7

    def first_day(self, bucket: int) -> int:
        year, week = divmod(bucket, 100)
        new_year = _day_of(year)
        return new_year if week == 0 else new_year + -new_year % 7 + 7 * (week - 1)

    def ordinal(self, bucket: int) -> int:
        year = bucket // 100
        return self.first_day(bucket) // 7 + year - _new_years_on_sunday(year)

    def at(self, ordinal: int) -> int:
        cycle, within = divmod(ordinal - 1, _CYCLE_WEEKS)
        year = bisect_left(_WEEKS_BEFORE, within + 1) - 1
        week = within - _WEEKS_BEFORE[year] + (_day_of(year + 1) % 7 == 0)
        return (year + 1 + cycle * _CYCLE_YEARS) * 100 + week


@frozen
class Monthly(CalendarStep):
    """Calendar months, written YYYYMM."""

    name = "monthly"
    nominal_days = 30

    def bucket_of_day(self, day: int) -> int:
        year, month, _ = _date_of(day)
        return year * 100 + month

    def first_day(self, bucket: int) -> int:
        return _day_of(*divmod(bucket, 100))

    def ordinal(self, bucket: int) -> int:
        year, month = divmod(bucket, 100)
        return year * 12 + month - 1

    def at(self, ordinal: int) -> int:
        year, month = divmod(ordinal, 12)
        return year * 100 + month + 1


@frozen
class Yearly(CalendarStep):
    """Calendar years, written YYYY."""

    name = "yearly"
    nominal_days = 365

    def bucket_of_day(self, day: int) -> int:
        return _date_of(day)[0]

    def first_day(self, bucket: int) -> int:
        return _day_of(bucket)

    def ordinal(self, bucket: int) -> int:
        return bucket

    def at(self, ordinal: int) -> int:
        return ordinal


# How many of the years 1 to n begin on a Sunday, for one cycle of 400 years.
_SUNDAYS = [0, *accumulate(_day_of(year) % 7 == 0 for year in range(1, _CYCLE_YEARS + 1))]


def _new_years_on_sunday(year: int) -> int:
    cycle, within = divmod(year, _CYCLE_YEARS)
    return cycle * _SUNDAYS[_CYCLE_YEARS] + _SUNDAYS[within]


# How many week buckets lie before each year of the cycle, and how many a whole cycle has.
_WEEKS_BEFORE = [Weekly().ordinal(Weekly().bucket_of_day(_day_of(year))) - 1 for year in range(1, _CYCLE_YEARS + 1)]
_CYCLE_WEEKS = _CYCLE_DAYS // 7 + _CYCLE_YEARS - _SUNDAYS[_CYCLE_YEARS]

_CALENDAR: dict[str, Step] = {step.name: step for step in (Daily(), Weekly(), Monthly(), Yearly())}
_UNITS = {"": 1, "s": 1, "min": 60, "h": 3_600, "d": DAY, "w": 7 * DAY, "m": 30 * DAY, "y": 365 * DAY}
_FIXED = re.compile(r"([0-9]+)(s|min|h|d|w|m|y)?")
_EXPECTED = "a positive number of seconds, '<n>s', '<n>min', '<n>h|d|w|m|y', or one of " + ", ".join(_CALENDAR)


def parse_step(value: object) -> Step:
    """The step that a configuration value names (semantics 1.3).

    ``value`` is an int of seconds, the same as digits, a number with one of the units s, min, h, d, w, m (30 days) or
    y (365 days), or ``daily``, ``weekly``, ``monthly``, ``yearly``. Anything else is a ValueError.
    """
    if isinstance(value, str):
        if value in _CALENDAR:
            return _CALENDAR[value]
        match = _FIXED.fullmatch(value)
        seconds = int(match[1]) * _UNITS[match[2] or ""] if match else 0
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    else:
        seconds = 0
    if seconds <= 0:
        raise ValueError(f"expected {_EXPECTED}, not {value!r}")
    return FixedStep(seconds)
