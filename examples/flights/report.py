"""The answers as a terminal shows them: 80 columns, readable without colour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import plotext  # type: ignore[import-untyped]
from rich import box
from rich.table import Table
from rich.text import Text

from examples.flights import questions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from examples.flights.load import Loaded, Store

__all__ = ["LIMITS", "WIDTH", "report", "snippet"]

WIDTH = 80
MERGERS = {
    "American + US Airways": ("AA", "US"),
    "Southwest + AirTran": ("WN", "FL"),
    "Alaska + Virgin": ("AS", "VX"),
}
SATURDAY = 5
TICKS = (600, 700, 800, 900, 1000)
LIMITS = (600, 1050)


def report(console: Console, store: Store, loaded: Loaded) -> None:
    """Print every section of the report."""
    _months(console, store, loaded)
    _days(console, store)
    _busiest(console, store)
    _mergers(console, store)
    _worst_day(console, store)


def snippet(url: str) -> str:
    """Return five lines of Python that read the database at `url`."""
    return f"""\
from kairos import Timeseries
config = {{"type": "count", "intervals": {{"month": {{"step": "monthly"}}}}}}
with Timeseries("{url}", **config) as flights:
    year = flights.series("all", "month", start=1356998400, steps=12)
    print(*year.items(), sep="\\n")
"""


def _months(console: Console, store: Store, loaded: Loaded) -> None:
    table = _table("Month", "Flights", "Aircraft", "Mean delay", "95 % within", "Worst day", "Its mean")
    worst = questions.worst_days(store)
    for month in questions.months(store):
        day, mean = worst[month.start]
        table.add_row(_date(month.start, "%B"), *_period(month), _date(day, "%a %e"), _minutes(mean))
    table.add_section()
    day, mean = max(worst.values(), key=lambda item: item[1])
    total = questions.year(store)
    table.add_row("The year", *_period(total), _date(day, "%a %e %b"), _minutes(mean))
    _section(
        console,
        "Month by month",
        "A count, a set of tail numbers and a histogram of delays at departure. The 95 %\n"
        "are a custom transform, the worst day (by its mean delay) is a custom condense.",
    )
    console.print(table)
    console.print(
        f"{loaded.cancelled:,} flights were cancelled: they count as flights and have no delay. Of\n"
        f"{loaded.unknown_aircraft:,} flights the aircraft is not known. 95 % within is by nearest rank: "
        "the\nsmallest delay that at least 95 % of the flights did not exceed.",
        style="dim",
    )


def _period(period: questions.Period) -> tuple[str, str, str, str]:
    return f"{period.flights:,}", f"{period.aircraft:,}", _minutes(period.mean), _whole_minutes(period.p95)


def _days(console: Console, store: Store) -> None:
    _section(console, "Flights per day", "One mark is one day; o is a Saturday.")
    console.print(_plot(questions.flights_per_day(store)))


def _plot(flights: Mapping[int, int]) -> Text:
    days = [(number, _moment(start), n) for number, (start, n) in enumerate(flights.items())]
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH - 1, 15)
    figure.theme("simple")
    for marker, is_saturday in (("dot", False), ("o", True)):
        shown = [(number, n) for number, day, n in days if (day.weekday() == SATURDAY) is is_saturday]
        figure.draw(figure.signal(*map(list, zip(*shown, strict=True)), marker=marker))
    firsts = [(number, f"{day:%b}") for number, day, _ in days if day.day == 1]
    figure.ruler("x").ticks(*map(list, zip(*firsts, strict=True)))
    figure.ruler("y").ticks(list(TICKS), [f"{n:,}" for n in TICKS])
    figure.ruler("y").lim(*LIMITS)
    return Text.from_ansi(figure.build().string().rstrip("\n"))


def _busiest(console: Console, store: Store) -> None:
    hour, in_hour = questions.busiest(store, "hour")
    week, in_week = questions.busiest(store, "week")
    detail = questions.week_of(store, week)
    _section(console, "The busiest", "The same counts, read by the hour and by the week.")
    console.print(
        f"Hour  {_date(hour, '%A %e %B, %H:00')}: {in_hour} departures were due.\n"
        f"Week  from {_date(week, '%A %e %B')}: {in_week:,} flights by {detail.aircraft:,} aircraft, "
        f"mean delay {_minutes(detail.mean)}."
    )


def _mergers(console: Console, store: Store) -> None:
    table = _table("Airlines joined", "Carriers", "Flights", "Aircraft", "Mean delay", "95 % within")
    for name, carriers in MERGERS.items():
        table.add_row(name, " ".join(carriers), *_period(questions.year(store, carriers)))
    _section(console, "Three mergers", "Several names in one read: counts and histograms add up, sets unite.")
    console.print(table)


def _worst_day(console: Console, store: Store) -> None:
    day, _ = max(questions.worst_days(store).values(), key=lambda item: item[1])
    table = _table("Airport", "Left", "Mean delay", "Longest", "The last to leave")
    for airport in questions.airport_days(store, day):
        table.add_row(
            airport.airport,
            f"{airport.departed:,}",
            _minutes(airport.mean),
            _whole_minutes(airport.longest),
            _whole_minutes(airport.last),
        )
    title = f"The worst day: {_date(day, '%A %e %B')}"
    _section(console, title, "A series holds each delay, a gauge the latest one.")
    console.print(table)


def _section(console: Console, title: str, explanation: str) -> None:
    console.print()
    console.print(title, style="bold cyan")
    console.print(explanation, style="dim")


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _date(timestamp: int, form: str) -> str:
    return " ".join(_moment(timestamp).strftime(form).split())


def _moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _minutes(value: float) -> str:
    return f"{value:.1f} min"


def _whole_minutes(value: int | None) -> str:
    return "none" if value is None else f"{value:,} min"
