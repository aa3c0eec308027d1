"""From flights to five time series in one SQLite file: one of each type that kairos knows."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from kairos import Timeseries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from examples.flights.data import Flight

__all__ = ["ALL", "BATCH", "Loaded", "Store", "load", "open_store"]

ALL = "all"
BATCH = 25_000

HOUR = {"step": "1h"}
DAY = {"step": "daily"}
DAY_BY_HOUR = {"step": "daily", "resolution": "1h"}
WEEK = {"step": "weekly"}
MONTH = {"step": "monthly"}
MONTH_BY_DAY = {"step": "monthly", "resolution": "daily"}


@frozen(kw_only=True)
class Store:
    """Five time series over one database; each type has a table of its own in it.

    flights   count: how many flights were due, `all` and per carrier
    delays    histogram: {minutes late: flights}, `all` and per carrier
    waits     series: the minutes late of each flight, one after the other, per airport
    aircraft  set: the tail numbers of the aircraft, per carrier
    latest    gauge: the minutes late of the flight that left last, per airport
    """

    flights: Timeseries
    delays: Timeseries
    waits: Timeseries
    aircraft: Timeseries
    latest: Timeseries


@define
class Loaded:
    """What loading did: the flights read, the points given to kairos and the cells that they became."""

    flights: int = 0
    cancelled: int = 0
    unknown_aircraft: int = 0
    points: int = 0
    cells: int = 0


@contextmanager
def open_store(url: str) -> Iterator[Store]:
    """Open the five time series at `url` and close them at the end of the `with` block."""
    with ExitStack() as stack:

        def series(**config: Any) -> Timeseries:
            return stack.enter_context(Timeseries(url, **config))

        yield Store(
            flights=series(type="count", intervals={"hour": HOUR, "day": DAY, "week": WEEK, "month": MONTH}),
            delays=series(type="histogram", value_type=int, intervals={"week": WEEK, "month": MONTH_BY_DAY}),
            waits=series(type="series", value_type=int, intervals={"day": DAY_BY_HOUR}),
            aircraft=series(type="set", value_type=str, intervals={"week": WEEK, "month": MONTH}),
            latest=series(type="gauge", value_type=int, intervals={"day": DAY_BY_HOUR}),
        )


def load(store: Store, flights: Iterable[Flight]) -> Iterator[Loaded]:
    """Write the flights in batches and yield the totals so far after each, for a caller that shows progress.

    A batch is one transaction per type. Batches bound the memory; they need not be in the order of time.
    """
    done = Loaded()
    remaining = iter(flights)
    while batch := list(islice(remaining, BATCH)):
        _write(store, batch, done)
        yield done


def _write(store: Store, batch: list[Flight], done: Loaded) -> None:
    # A cancelled flight was due, so it counts as a flight, but it has no delay and often no tail number.
    flown = [flight for flight in batch if flight.delay is not None]
    seen = [flight for flight in batch if flight.aircraft is not None]
    for written in (
        store.flights.bulk_insert((n, 1, f.scheduled) for f in batch for n in (ALL, f.carrier)),
        store.delays.bulk_insert((n, f.delay, f.scheduled) for f in flown for n in (ALL, f.carrier)),
        store.waits.bulk_insert((f.origin, f.delay, f.scheduled) for f in flown),
        store.aircraft.bulk_insert((f.carrier, f.aircraft, f.scheduled) for f in seen),
        store.latest.bulk_insert((f.origin, f.delay, f.departed) for f in flown),
    ):
        done.points += written.points
        done.cells += written.cells
    done.flights += len(batch)
    done.cancelled += len(batch) - len(flown)
    done.unknown_aircraft += len(batch) - len(seen)
