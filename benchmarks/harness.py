"""Timing, and the table: what the benchmarks share."""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from statistics import median
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

__all__ = [
    "MIB",
    "Case",
    "Closes",
    "Comparison",
    "Figure",
    "Lap",
    "WrongAnswer",
    "compare",
    "facts",
    "fresh",
    "report",
    "started",
    "stopwatch",
]

T = TypeVar("T")
MIB = 2**20


class WrongAnswer(Exception):
    """Two contestants did not give the same answer, so their times say nothing."""


class Closes(Protocol):
    """What is compared: it need only be possible to close it."""

    def close(self) -> None:
        """Give back what is held."""


StoreT = TypeVar("StoreT", bound=Closes)


@frozen
class Lap:
    """How long something took, in seconds: by the clock on the wall, and of the processor."""

    wall: float
    cpu: float


def stopwatch(call: Callable[[], T]) -> tuple[Lap, T]:
    """Time one call.

    Garbage of before is collected first, and what is there then is set aside: nobody pays for the benchmark's own
    data. The collector stays on, as it is where kairos is used.
    """
    gc.collect()
    gc.freeze()
    try:
        cpu, wall = time.process_time(), time.perf_counter()
        answer = call()
        lap = Lap(time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        gc.unfreeze()
    return lap, answer


@frozen(kw_only=True)
class Case(Generic[StoreT]):
    """One thing that a store does.

    ``load`` fills a store, ``call`` is what is timed. With ``after`` the call changes the store: each round gets a new
    one, and what ``after`` reads from it is part of the answer. ``aim`` is the speed beside hand-written code that we
    want, 1 being as fast; None where none was set.
    """

    what: str
    load: Callable[[StoreT], object]
    call: Callable[[StoreT], Any]
    after: Callable[[StoreT], Any] | None = None
    aim: float | None = None


@frozen(kw_only=True)
class Comparison:
    """The times of all contestants in one case; the first is the hand-written code, the last is kairos."""

    case: Case[Any]
    laps: Mapping[str, Sequence[Lap]]

    @property
    def what(self) -> str:
        """What was compared."""
        return self.case.what

    def milliseconds(self, who: str) -> float:
        """The median time on the wall."""
        return median(lap.wall for lap in self.laps[who]) * 1e3

    def speed(self, who: str, measure: Callable[[Lap], float]) -> float:
        """The median speed beside the first contestant's in the same round: 0.5 is twice the time."""
        first = next(iter(self.laps.values()))
        return median(measure(a) / measure(b) for a, b in zip(first, self.laps[who], strict=True))


def compare(case: Case[StoreT], makers: Mapping[str, Callable[[], StoreT]], rounds: int) -> Comparison:
    """Let all contestants do one thing in turn, round after round, so that a machine that slows down hits them alike.

    Every second round goes backwards. All must give the same answers, or it is a `WrongAnswer`.
    """
    laps: dict[str, list[Lap]] = {who: [] for who in makers}
    with ExitStack() as stack:
        stores: dict[str, StoreT] = {}

        def made(who: str, close: ExitStack) -> StoreT:
            store = makers[who]()
            close.callback(store.close)
            case.load(store)
            return store

        if case.after is None:
            stores = {who: made(who, stack) for who in makers}
            for store in stores.values():
                case.call(store)  # fills caches and compiles statements
        for number in range(rounds):
            answers = {}
            for who in reversed(list(makers)) if number % 2 else makers:
                with ExitStack() as own:
                    store = stores[who] if who in stores else made(who, own)
                    lap, answer = stopwatch(lambda store=store: case.call(store))  # type: ignore[misc]
                    laps[who].append(lap)
                    answers[who] = answer if case.after is None else (answer, case.after(store))
            expected = answers[next(iter(makers))]
            for who, answer in answers.items():
                if answer != expected:
                    raise WrongAnswer(f"{case.what}: {who} gives another answer than {next(iter(makers))}")
    return Comparison(case=case, laps=laps)


@frozen(kw_only=True)
class Figure:
    """One measured number and the limit that it should stay under, both in ``unit``."""

    what: str
    value: float
    unit: str
    limit: float
    note: str = ""


def fresh(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function of a module in a new process, and return its value."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


# --- The table ------------------------------------------------------------------------------------------------------


def facts() -> str:
    """The machine, without anything that tells whose it is; how busy it is, since that blurs every time on the wall."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("attrs", "cattrs", "pluggy", "sqlalchemy"))
    busy = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{busy}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{machine}; {python}, {libraries}, SQLite {sqlite3.sqlite_version}"


def report(results: Sequence[Comparison | Figure]) -> str:
    """What was measured, as Markdown tables."""
    comparisons = [result for result in results if isinstance(result, Comparison)]
    figures = [result for result in results if isinstance(result, Figure)]
    return "\n".join([*(_compared(comparisons) if comparisons else ()), *(_limited(figures) if figures else ())])


def _compared(comparisons: Sequence[Comparison]) -> list[str]:
    *others, kairos = comparisons[0].laps
    after_first = [*others[1:], kairos]
    times = [f"{who}, ms" for who in (*others, kairos)]
    speeds = [f"speed of {who}" for who in after_first]
    rows = [["verb", *times, *speeds, "by CPU time", "aim", ""]]
    for found in comparisons:
        speed, aim = found.speed(kairos, lambda lap: lap.wall), found.case.aim
        rows.append(
            [
                found.what,
                *(f"{found.milliseconds(who):,.2f}" for who in (*others, kairos)),
                *(f"{found.speed(who, lambda lap: lap.wall):.2f}" for who in after_first),
                f"{found.speed(kairos, lambda lap: lap.cpu):.2f}",
                "" if aim is None else f"{aim:.2f}",
                "" if aim is None else _verdict(reached=speed >= aim),
            ]
        )
    return _markdown(rows)


def _limited(figures: Sequence[Figure]) -> list[str]:
    rows = [["what", "measured", "aim", "", "note"]]
    for figure in figures:
        measured, limit = f"{figure.value:,.2f} {figure.unit}", f"< {figure.limit:g} {figure.unit}"
        rows.append([figure.what, measured, limit, _verdict(reached=figure.value < figure.limit), figure.note])
    return _markdown(rows)


def _verdict(*, reached: bool) -> str:
    return "reached" if reached else "MISSED"


@contextmanager
def started(name: str, *settings: str) -> Iterator[str]:
    """The URL of a server of the conformance suite, which is started in a process of its own, with ``settings`` as its
    command line has them. Empty if there is none.
    """
    command = [sys.executable, "-m", "kairos_conformance.servers", name, *settings]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()  # it ends with its input


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose first row is its head; numbers, all but the first column, stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    rule = " | ".join(
        "-" * (width - 1) + (":" if index else "-") if width else "-" for index, width in enumerate(widths)
    )
    return [f"| {line} |" for line in (lines[0], rule, *lines[1:])]
