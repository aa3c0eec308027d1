"""What the report asks kairos. Each function is a read or two and returns plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from examples.flights.data import AIRPORTS, YEAR_END, YEAR_START
from examples.flights.load import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from examples.flights.load import Store

__all__ = [
    "AirportDay",
    "Period",
    "airport_days",
    "busiest",
    "flights_per_day",
    "months",
    "percentile_95",
    "week_of",
    "worst_day",
    "worst_days",
    "year",
]


@frozen(kw_only=True)
class Period:
    """A month, a week or the year: `start` in Unix seconds, `mean` and 95th percentile in minutes late."""

    start: int
    flights: int
    aircraft: int
    mean: float
    p95: int | None


@frozen(kw_only=True)
class AirportDay:
    """One airport on one day: the flights that left, their minutes late, and the last of them."""

    airport: str
    departed: int
    mean: float
    longest: int
    last: int | None


def percentile_95(delays: Mapping[int, int]) -> int | None:
    """Return the 95th percentile of a histogram {minutes: flights} by nearest rank, None if it is empty.

    It is the smallest delay that at least 95 % of the flights did not exceed. A custom transform.
    """
    rank = -(-95 * sum(delays.values()) // 100)
    for delay in sorted(delays):
        rank -= delays[delay]
        if rank <= 0:
            return delay
    return None


def worst_day(days: Mapping[int, Mapping[int, int]]) -> tuple[int, float]:
    """Return (start, mean delay) of the day with the highest mean. A custom condense.

    kairos hands over one interval, a month, as {start of the day: histogram of the day}.
    """

    def mean(delays: Mapping[int, int]) -> float:
        return sum(delay * flights for delay, flights in delays.items()) / sum(delays.values())

    return max(((day, mean(delays)) for day, delays in days.items()), key=lambda item: item[1])


def months(store: Store) -> list[Period]:
    """Return the twelve months."""
    return _periods(store, "month", (ALL,))


def week_of(store: Store, timestamp: int) -> Period:
    """Return the week that holds `timestamp`. Weeks begin on Sunday; the ones at New Year are short."""
    (week,) = _periods(store, "week", (ALL,), start=timestamp, end=timestamp)
    return week


def year(store: Store, carriers: tuple[str, ...] = (ALL,)) -> Period:
    """Return the whole year, collapsed out of its months: of all flights, or of some carriers joined."""
    (total,) = _periods(store, "month", carriers, collapse=True)
    return total


def _periods(
    store: Store,
    interval: str,
    names: tuple[str, ...],
    *,
    start: int = YEAR_START,
    end: int = YEAR_END,
    collapse: bool = False,
) -> list[Period]:
    # A list of names is a join: the counts and the histograms of all names add up, their sets unite. Aircraft
    # are stored by carrier alone, so that those of all flights are such a join as well.
    carriers = tuple(store.aircraft.list()) if ALL in names else names
    span: dict[str, Any] = {"start": start, "end": end, "condense": True, "collapse": collapse}
    flights = store.flights.series(names, interval, **span)
    aircraft = store.aircraft.series(carriers, interval, transform="count", **span)
    late = store.delays.series(names, interval, transform={"mean": "mean", "p95": percentile_95}, **span)
    return [Period(start=time, flights=flights[time], aircraft=aircraft[time], **late[time]) for time in flights]


def worst_days(store: Store) -> dict[int, tuple[int, float]]:
    """Return {start of the month: (start of its worst day, mean delay of that day)}."""
    return store.delays.series(ALL, "month", start=YEAR_START, end=YEAR_END, condense=worst_day)


def flights_per_day(store: Store) -> dict[int, int]:
    """Return {start of the day: flights} for the 365 days."""
    return store.flights.series(ALL, "day", start=YEAR_START, end=YEAR_END)


def busiest(store: Store, interval: str) -> tuple[int, int]:
    """Return (start, flights) of the busiest `hour`, `day`, `week` or `month`, the earliest of equals."""
    flights = store.flights.series(ALL, interval, start=YEAR_START, end=YEAR_END)
    return max(flights.items(), key=lambda item: item[1])


def airport_days(store: Store, timestamp: int) -> list[AirportDay]:
    """Return the three airports on the day that holds `timestamp`."""
    answers = []
    for airport in AIRPORTS:
        when: dict[str, Any] = {"timestamp": timestamp, "condense": True}
        names = {"departed": "count", "mean": "mean", "longest": "max"}
        (waits,) = store.waits.get(airport, "day", transform=names, **when).values()
        (last,) = store.latest.get(airport, "day", **when).values()
        answers.append(AirportDay(airport=airport, last=last, **waits))
    return answers
