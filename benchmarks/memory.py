"""One million: points into the in-process store in one batch, and buckets out of a store by `iterate`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias, get_args

from benchmarks.harness import MIB, Figure, WrongAnswer, fresh, stopwatch
from kairos import Timeseries

__all__ = ["run"]

Point: TypeAlias = tuple[str, int, int]
Intervals: TypeAlias = Mapping[str, Mapping[str, Any]]
Type: TypeAlias = Literal["count", "gauge", "histogram", "series", "set"]

START = 1_700_000_040  # where a minute begins
MINUTE: Intervals = {"minute": {"step": 60}}
HOUR: Intervals = {"hour": {"step": "1h", "resolution": 60}}
# Points per write when a store is filled: little garbage, for what grows later would take its place unseen.
PIECE = 10_000
STATUS = Path("/proc/self/status")


def points_of(number: int, *, apart: int) -> Iterator[Point]:
    """Points of one name with ten different values, so many seconds apart."""
    return (("delay", index * 7 % 10, START + index * apart) for index in range(number))


def resident(key: str) -> int:
    """A size of this process in bytes: ``VmRSS`` is what it has, ``VmHWM`` what it had at most since the reset."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def fill(url: str, number: int) -> Timeseries:
    """A histogram with a point in each of so many minutes."""
    series = Timeseries(url, type="histogram", intervals=MINUTE)
    points = points_of(number, apart=60)
    while piece := list(islice(points, PIECE)):
        series.bulk_insert(piece)
    return series


def filled(url: str, number: int) -> None:
    """`fill`, in a process of its own."""
    fill(url, number).close()


def growth(url: str, number: int, *, new: bool) -> int:
    """How many bytes a process grows by while it iterates over all buckets. To be called in a new process."""
    with fill(url, number) if new else Timeseries(url, type="histogram", intervals=MINUTE) as series:
        series.get("delay", "minute", START)  # connections and compiled statements are no part of iterate
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        start = resident("VmRSS")
        found = sum(len(data) for _, data in series.iterate("delay", "minute"))
        peak = resident("VmHWM")
    if found != number:
        raise WrongAnswer(f"iterate gave {found} values, not {number}")
    return peak - start


def bulk(kind: Type, points: list[Point], intervals: Intervals, what: str, rounds: int) -> Figure:
    """How long one bulk_insert takes."""
    laps = []
    for _ in range(rounds):
        with Timeseries("memory://", type=kind, intervals=intervals) as series:
            lap, written = stopwatch(lambda series=series: series.bulk_insert(points))  # type: ignore[misc]
            if written.points != len(points):
                raise WrongAnswer(f"bulk_insert of a {kind}: {written}")
            laps.append(lap)
    return Figure(
        what=f"bulk_insert of {len(points):,} points, {kind}, {what}",
        value=median(lap.wall for lap in laps),
        unit="s",
        limit=3,
        note=f"{median(lap.cpu for lap in laps):.2f} s of the CPU",
    )


def run(number: int, rounds: int) -> Iterator[Figure]:
    """So many points, then so many buckets."""
    together, apart = list(points_of(number, apart=1)), list(points_of(number, apart=60))
    for kind in get_args(Type):
        yield bulk(kind, together, {**MINUTE, **HOUR}, "60 to a bucket, two intervals", rounds)
    yield bulk("histogram", apart, MINUTE, "1 to a bucket, one interval", rounds)
    if not STATUS.exists():  # only Linux tells
        return
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        file = f"sqlite:///{Path(folder, 'iterate.sqlite').as_posix()}"
        fresh(filled, file, number)
        for url in ("memory://", file):
            grown = fresh(partial(growth, new=url != file), url, number)
            what = f"iterate over {number:,} buckets, {url.partition(':')[0]}: growth"
            yield Figure(what=what, value=grown / MIB, unit="MiB", limit=50)
