"""kairos's answers over the whole year equal those that plain Python computes from the CSV."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import TYPE_CHECKING, Any

import pytest

from examples.flights import questions
from examples.flights.data import AIRPORTS, YEAR_END, YEAR_START
from examples.flights.load import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from examples.flights.load import Store

    from .conftest import Facts, Truth

YEAR: dict[str, Any] = {"start": YEAR_START, "end": YEAR_END}


def when(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def mean(delays: Sequence[int]) -> float:
    return fsum(delays) / len(delays)


def nearest_rank_95(delays: Sequence[int]) -> int:
    """The definition, word for word: the smallest delay that at least 95 % did not exceed."""
    ordered = sorted(delays)
    return min(delay for delay in ordered if 100 * bisect_right(ordered, delay) >= 95 * len(ordered))


def in_month(number: int) -> Callable[[datetime], bool]:
    return lambda day: day.month == number


def delays_where(truth: Truth, chosen: Callable[[datetime], bool]) -> list[int]:
    return [delay for day, delays in truth.delays.items() if chosen(day) for delay in delays]


def aircraft_where(truth: Truth, chosen: Callable[[datetime], bool]) -> set[str]:
    return set().union(*(tails for day, tails in truth.aircraft.items() if chosen(day)))


def check(period: questions.Period, truth: Truth, chosen: Callable[[datetime], bool]) -> None:
    delays = delays_where(truth, chosen)
    assert period.flights == sum(n for day, n in truth.per_day.items() if chosen(day))
    assert period.aircraft == len(aircraft_where(truth, chosen))
    assert period.mean == pytest.approx(mean(delays), rel=1e-12)
    assert period.p95 == nearest_rank_95(delays)


def test_each_month(store: Store, truth: Truth) -> None:
    months = questions.months(store)
    assert [when(month.start) for month in months] == [datetime(2013, n, 1, tzinfo=UTC) for n in range(1, 13)]
    for month in months:
        check(month, truth, in_month(when(month.start).month))


def test_the_year(store: Store, truth: Truth, facts: Facts) -> None:
    year = questions.year(store)
    check(year, truth, lambda day: True)
    assert (year.flights, year.aircraft) == (facts.rows, facts.aircraft)


def test_weeks_begin_on_sunday_and_the_first_of_the_year_is_short(store: Store, truth: Truth) -> None:
    week = questions.week_of(store, YEAR_START + 86_400)
    assert when(week.start) == datetime(2013, 1, 1, tzinfo=UTC)
    check(week, truth, lambda day: day < datetime(2013, 1, 6, tzinfo=UTC))
    start, flights = questions.busiest(store, "week")
    sunday = when(start)
    assert sunday.weekday() == 6
    busiest = questions.week_of(store, start)
    check(busiest, truth, lambda day: sunday <= day < sunday + timedelta(days=7))
    assert busiest.flights == flights


def test_the_worst_day_of_each_month(store: Store, truth: Truth) -> None:
    found = questions.worst_days(store)
    assert len(found) == 12
    for start, (day, delay) in found.items():
        means = {other: mean(d) for other, d in truth.delays.items() if other.month == when(start).month}
        assert when(day) == max(means, key=means.__getitem__)
        assert delay == pytest.approx(max(means.values()), rel=1e-12)


def test_every_day_and_every_hour(store: Store, truth: Truth) -> None:
    per_day = questions.flights_per_day(store)
    assert {when(start): n for start, n in per_day.items()} == truth.per_day
    per_hour = store.flights.series(ALL, "hour", **YEAR)
    assert len(per_hour) == 365 * 24
    assert {when(start): n for start, n in per_hour.items() if n} == truth.per_hour
    start, flights = questions.busiest(store, "hour")
    assert flights == max(truth.per_hour.values())
    assert when(start) == min(hour for hour, n in truth.per_hour.items() if n == flights)


def test_each_carrier_in_each_month(store: Store, truth: Truth) -> None:
    carriers = {carrier for carrier, _ in truth.per_carrier_month}
    assert store.flights.list() == sorted(carriers | {ALL})
    for carrier in carriers:
        counts = store.flights.series(carrier, "month", **YEAR)
        assert list(counts.values()) == [truth.per_carrier_month[carrier, month] for month in range(1, 13)]


def test_carriers_joined(store: Store, truth: Truth) -> None:
    merged = questions.year(store, ("AA", "US"))
    delays = truth.delays_of_carrier["AA"] + truth.delays_of_carrier["US"]
    counts = truth.per_carrier_month.items()
    assert merged.flights == sum(n for (carrier, _), n in counts if carrier in {"AA", "US"})
    assert merged.aircraft == len(truth.aircraft_of_carrier["AA"] | truth.aircraft_of_carrier["US"])
    assert merged.mean == pytest.approx(mean(delays), rel=1e-12)
    assert merged.p95 == nearest_rank_95(delays)


def test_all_carriers_joined_are_all_flights(store: Store) -> None:
    carriers = [name for name in store.flights.list() if name != ALL]
    assert store.flights.series(carriers, "day", **YEAR) == store.flights.series(ALL, "day", **YEAR)
    assert store.delays.series(carriers, "month", **YEAR) == store.delays.series(ALL, "month", **YEAR)


def test_the_series_of_each_airport_holds_every_delay(store: Store, truth: Truth) -> None:
    for airport in AIRPORTS:
        days = store.waits.series(airport, "day", condense=True, **YEAR)
        for start, delays in days.items():
            assert sorted(delays) == sorted(truth.delays_of_airport[airport, when(start)])


def test_the_gauge_holds_the_delay_of_the_flight_that_left_last(store: Store, truth: Truth) -> None:
    for airport in AIRPORTS:
        days = store.latest.series(airport, "day", condense=True, **YEAR)
        assert len(days) == 365
        for start, delay in days.items():
            departures = truth.departures[airport, when(start)]
            last = max((left for left, _ in departures), default=None)
            # Flights that left in the same minute may stand in the file in either order.
            candidates: set[int | None] = {d for left, d in departures if left == last}
            assert delay in (candidates or {None})


def test_the_airports_on_one_day(store: Store, truth: Truth) -> None:
    day = datetime(2013, 3, 8, tzinfo=UTC)
    for answer in questions.airport_days(store, int(day.timestamp())):
        delays = truth.delays_of_airport[answer.airport, day]
        assert (answer.departed, answer.longest) == (len(delays), max(delays))
        assert answer.mean == pytest.approx(mean(delays), rel=1e-12)


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ({}, None),
        ({5: 1}, 5),
        ({0: 95, 10: 5}, 0),
        ({10: 6, 0: 94}, 10),
        ({-3: 19, 40: 1}, -3),
    ],
)
def test_the_percentile_by_nearest_rank(delays: dict[int, int], expected: int | None) -> None:
    assert questions.percentile_95(delays) == expected
