"""One run of the demonstration and one independent count of the CSV, for all tests: of every tenth flight of the year,
and in `make test-all` of every flight too."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import define, evolve, field, frozen

from examples.flights.data import PACKAGE, find_archive
from examples.flights.load import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]


@frozen(kw_only=True)
class Facts:
    """What is known of the flights that are loaded, and the archive that holds them."""

    rows: int
    per_month: dict[int, int]
    cancelled: int
    unknown_aircraft: int
    aircraft: int
    archive: Path = Path()
    packages: tuple[Path, ...] = ()
    """Folders to import from, before the others."""


FACTS = {
    "a tenth": Facts(
        rows=33_678,
        per_month={1: 2_701, 2: 2_495, 7: 2_943, 12: 2_813},
        cancelled=826,
        unknown_aircraft=268,
        aircraft=3_513,
    ),
    "all": Facts(
        rows=336_776,
        per_month={1: 27_004, 2: 24_951, 7: 29_425, 12: 28_135},
        cancelled=8_255,
        unknown_aircraft=2_512,
        aircraft=4_043,
    ),
}


@pytest.fixture(scope="session", params=["a tenth", pytest.param("all", marks=pytest.mark.full)])
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """As the demonstration finds its flights in an installed package, a tenth of them is a package too."""
    found, whole = FACTS[request.param], find_archive()
    if request.param == "all":
        return evolve(found, archive=whole)
    folder = tmp_path_factory.mktemp("packages")
    installed = folder / f"{PACKAGE}-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0\n")
    (installed / "RECORD").write_text("flights.csv.zip,,\n")
    with zipfile.ZipFile(whole) as archive:
        columns, *rows = archive.read("flights.csv").splitlines(keepends=True)
    with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", b"".join([columns, *rows[::10]]))
    return evolve(found, archive=folder / "flights.csv.zip", packages=(folder,))


@pytest.fixture(scope="session")
def per_day() -> Counter[datetime]:
    """All flights of each day of the year."""
    with zipfile.ZipFile(find_archive()) as archive, archive.open("flights.csv") as binary:
        next(binary)
        days = Counter(tuple(line.split(b",", 3)[:3]) for line in binary)
    return Counter({datetime(int(y), int(m), int(d), tzinfo=UTC): flights for (y, m, d), flights in days.items()})


@define
class Truth:
    """The answers, counted from the CSV in plain Python."""

    rows: int = 0
    cancelled: int = 0
    unknown_aircraft: int = 0
    per_month: Counter[int] = field(factory=Counter)
    per_day: Counter[datetime] = field(factory=Counter)
    per_hour: Counter[datetime] = field(factory=Counter)
    per_carrier_month: Counter[tuple[str, int]] = field(factory=Counter)
    delays: dict[datetime, list[int]] = field(factory=lambda: defaultdict(list))
    delays_of_airport: dict[tuple[str, datetime], list[int]] = field(factory=lambda: defaultdict(list))
    delays_of_carrier: dict[str, list[int]] = field(factory=lambda: defaultdict(list))
    aircraft: dict[datetime, set[str]] = field(factory=lambda: defaultdict(set))
    aircraft_of_carrier: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    departures: dict[tuple[str, datetime], list[tuple[datetime, int]]] = field(factory=lambda: defaultdict(list))


@pytest.fixture(scope="session")
def truth(facts: Facts) -> Truth:
    found = Truth()
    with zipfile.ZipFile(facts.archive) as archive, archive.open("flights.csv") as binary:
        rows = csv.reader(io.TextIOWrapper(binary, "utf-8", newline=""))
        columns = next(rows)
        for values in rows:
            row = dict(zip(columns, values, strict=True))
            day = datetime(int(row["year"]), int(row["month"]), int(row["day"]), tzinfo=UTC)
            hour = day + timedelta(hours=int(row["hour"]))
            carrier, origin, tail = row["carrier"], row["origin"], row["tailnum"]
            found.rows += 1
            found.per_month[day.month] += 1
            found.per_day[day] += 1
            found.per_hour[hour] += 1
            found.per_carrier_month[carrier, day.month] += 1
            if tail == "NA":
                found.unknown_aircraft += 1
            else:
                found.aircraft[day].add(tail)
                found.aircraft_of_carrier[carrier].add(tail)
            if row["dep_delay"] == "NA":
                found.cancelled += 1
                continue
            delay = int(row["dep_delay"])
            found.delays[day].append(delay)
            found.delays_of_airport[origin, day].append(delay)
            found.delays_of_carrier[carrier].append(delay)
            left = hour + timedelta(minutes=int(row["minute"]) + delay)
            found.departures[origin, left.replace(hour=0, minute=0)].append((left, delay))
    return found


@frozen(kw_only=True)
class Run:
    """What one run of the demonstration printed, used and left behind."""

    folder: Path
    output: str
    errors: str
    exit_code: int
    cpu_seconds: float
    peak_megabytes: float


# The demo, which says at its end how much memory it took, in KiB. Its parent cannot ask: what the system tells of a
# child includes what the parent had when it forked, and a worker of the tests may be large.
DEMO = """
import atexit, pathlib, re, resource, runpy

def peak():
    try:
        found = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    except FileNotFoundError:  # macOS, where bytes are counted
        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pathlib.Path("peak").write_text(str(found))

atexit.register(peak)
runpy.run_module("examples.flights.demo", run_name="__main__")
"""


@pytest.fixture(scope="session")
def run(facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("flights")
    foreign = ("FORCE_COLOR", "COLUMNS", "COVERAGE_")  # measured, it would take three times as long
    environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (*facts.packages, ROOT)))
    with (folder / "output").open("w") as output, (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", DEMO],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=errors,
        )
        # wait4 tells what this one child used; the resource module only knows all children together.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        folder=folder,
        output=(folder / "output").read_text("utf-8"),
        errors=(folder / "errors").read_text("utf-8"),
        exit_code=process.returncode,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_megabytes=int((folder / "peak").read_text()) * 1024 / 1e6,
    )


@pytest.fixture(scope="session")
def store(run: Run) -> Iterator[Store]:
    """The file that the run left behind, opened again."""
    assert run.exit_code == 0, run.errors
    with open_store(f"sqlite:///{run.folder / 'build/flights.db'}") as opened:
        yield opened
