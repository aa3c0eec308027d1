"""The demonstration: load a year of flights into one SQLite file, ask it questions, leave the file behind.

`make demo` runs this, or `python -m examples.flights.demo` in the repository's folder.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax

from examples.flights.data import FLIGHTS, find_archive, read_flights
from examples.flights.load import Loaded, Store, load, open_store
from examples.flights.report import WIDTH, report, snippet

__all__ = ["DATABASE", "main", "start_anew"]

DATABASE = Path("build/flights.db")


def main() -> None:
    """Load, report, and say where the file is."""
    started = time.perf_counter()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no frames shows ? instead
    console = Console(width=WIDTH, highlight=False)
    archive = find_archive()
    url = f"sqlite:///{DATABASE.as_posix()}"
    console.print("kairos: the flights that left New York in 2013, in one SQLite file", style="bold cyan")
    start_anew(DATABASE)
    with open_store(url) as store:
        loaded = _load(console, store, archive)
        took = time.perf_counter() - started
        console.print(f"{loaded.points:,} points, sent as {loaded.cells:,} cells, in {took:.0f} s.")
        report(console, store, loaded)
    size = DATABASE.stat().st_size / 1e6
    console.print(f"\nThe data stays in {DATABASE} ({size:.0f} MB). Read it yourself:\n", style="bold cyan")
    console.print(Syntax(snippet(url), "python", background_color="default", theme="ansi_dark"))
    console.print(f"The whole run took {time.perf_counter() - started:.0f} s.", style="dim")


def start_anew(database: Path) -> None:
    """Remove what an earlier run left: counts add up, so a second run into its file would double them."""
    database.parent.mkdir(exist_ok=True)
    for suffix in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _load(console: Console, store: Store, archive: Path) -> Loaded:
    counted = TextColumn("{task.completed:,} of {task.total:,} flights")
    columns = TextColumn("Loading"), BarColumn(), counted, TimeElapsedColumn()
    loaded = Loaded()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=FLIGHTS)
        for loaded in load(store, read_flights(archive)):
            progress.update(bar, completed=loaded.flights)
    return loaded


if __name__ == "__main__":
    main()
