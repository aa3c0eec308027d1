"""What is written for a flight, on a few flights made up for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from examples.flights import load as loading
from examples.flights.data import YEAR_START, Flight
from examples.flights.demo import start_anew
from examples.flights.load import load, open_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOON = YEAR_START + 12 * 3600
PUNCTUAL = Flight(carrier="AA", origin="JFK", aircraft="N1", scheduled=NOON, delay=0)
LATE = evolve(PUNCTUAL, carrier="UA", aircraft="N2", delay=90)
CANCELLED = evolve(PUNCTUAL, aircraft=None, delay=None)


def test_a_cancelled_flight_counts_and_has_neither_delay_nor_aircraft(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/flights.db") as store:
        (loaded,) = load(store, [LATE, PUNCTUAL, CANCELLED])
        assert (loaded.flights, loaded.cancelled, loaded.unknown_aircraft) == (3, 1, 1)
        assert store.flights.get("all", "day", timestamp=NOON) == {YEAR_START: 3}
        assert store.flights.get("AA", "day", timestamp=NOON) == {YEAR_START: 2}
        assert store.delays.get("all", "month", timestamp=NOON, condense=True) == {YEAR_START: {0: 1, 90: 1}}
        assert store.waits.get("JFK", "day", timestamp=NOON, condense=True) == {YEAR_START: [90, 0]}
        assert store.aircraft.get(["AA", "UA"], "month", timestamp=NOON) == {YEAR_START: {"N1", "N2"}}


def test_the_gauge_goes_by_when_a_flight_left_not_by_when_it_was_due(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/flights.db") as store:
        list(load(store, [LATE, PUNCTUAL]))
        assert store.latest.get("JFK", "day", timestamp=NOON) == {NOON: 0, NOON + 3600: 90}
        assert store.latest.get("JFK", "day", timestamp=NOON, condense=True) == {YEAR_START: 90}


def test_batches_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    with open_store(f"sqlite:///{tmp_path}/flights.db") as store:
        progress = [loaded.flights for loaded in load(store, [PUNCTUAL] * 5)]
        assert progress == [2, 4, 5]
        assert store.flights.get("all", "hour", timestamp=NOON) == {NOON: 5}


def test_a_new_run_replaces_its_own_file_and_no_other(tmp_path: Path) -> None:
    own, others = ["flights.db", "flights.db-wal", "flights.db-shm"], ["flights.db.kept", "other.db"]
    for name in own + others:
        (tmp_path / "build").mkdir(exist_ok=True)
        (tmp_path / "build" / name).touch()
    start_anew(tmp_path / "build" / "flights.db")
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == others
