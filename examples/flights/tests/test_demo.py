"""The demonstration as a newcomer runs it: what it prints, what it leaves, what it costs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from calendar import month_name
from typing import TYPE_CHECKING

from rich.console import Console

from examples.flights.data import FLIGHTS
from examples.flights.load import Loaded
from examples.flights.report import LIMITS, WIDTH, _plot, report

if TYPE_CHECKING:
    from datetime import datetime

    from examples.flights.load import Store

    from .conftest import Facts, Run, Truth

ESCAPE = "\x1b"


def printed_snippet(output: str) -> str:
    found = re.search(r"Read it yourself:\n\n(.+?)\n\n", output, re.DOTALL)
    assert found, output
    return "\n".join(line.rstrip() for line in found[1].splitlines())


def test_it_ends_well_and_says_nothing_on_stderr(run: Run) -> None:
    assert (run.exit_code, run.errors) == (0, "")


def test_into_a_file_it_is_plain_text_of_80_columns(run: Run) -> None:
    assert ESCAPE not in run.output
    assert max(len(line.rstrip()) for line in run.output.splitlines()) <= WIDTH == 80


def test_it_shows_the_facts(run: Run, facts: Facts) -> None:
    for month, flights in facts.per_month.items():
        assert re.search(rf"^{month_name[month]} +{flights:,} ", run.output, re.MULTILINE)
    assert re.search(rf"^The year +{facts.rows:,} +{facts.aircraft:,} ", run.output, re.MULTILINE)
    assert f"{facts.rows:,} of 336,776 flights" in run.output
    assert f"{facts.cancelled:,} flights were cancelled" in run.output


def test_the_plot_shows_every_day_within_its_frame(per_day: dict[datetime, int]) -> None:
    lowest, highest = LIMITS
    assert len(per_day) == 365
    assert all(lowest < flights < highest for flights in per_day.values())
    check_plot(_plot({int(day.timestamp()): per_day[day] for day in sorted(per_day)}).plain)


def test_the_plot_is_shown(run: Run, facts: Facts) -> None:
    if facts.rows == FLIGHTS:
        check_plot(run.output)
    else:  # a tenth of the flights lies below the frame
        assert plotted(run.output)


def plotted(output: str) -> list[str]:
    return [line for line in output.splitlines() if re.match(r"^[ \d,]{5}[│┤]", line)]


def check_plot(output: str) -> None:
    plot = plotted(output)
    assert sum(line.count("o") for line in plot) > 40
    assert sum(line.count("•") for line in plot) > 150


def test_the_printed_snippet_is_five_lines_and_reads_the_file(run: Run, truth: Truth) -> None:
    code = printed_snippet(run.output)
    assert len(code.splitlines()) == 5
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=run.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    counts = [int(n) for n in re.findall(r"\(\d+, (\d+)\)", done.stdout)]
    assert counts == [truth.per_month[month] for month in range(1, 13)]


def test_it_stays_within_60_seconds_and_500_megabytes(run: Run) -> None:
    # Processor seconds: they do not grow because other tests run beside this one.
    assert run.cpu_seconds < 60
    assert run.peak_megabytes < 500


def test_on_a_terminal_it_is_the_same_text_in_colour(store: Store) -> None:
    texts = []
    for terminal in (False, True):
        text = io.StringIO()
        report(Console(file=text, width=WIDTH, force_terminal=terminal, highlight=False), store, Loaded())
        texts.append(text.getvalue())
    plain, coloured = texts
    assert ESCAPE not in plain
    assert ESCAPE in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
