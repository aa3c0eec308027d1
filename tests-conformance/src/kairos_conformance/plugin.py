"""The pytest plugin of the suite: its options, the markers, the contract beside each failure, and where to look."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Generator

import pytest

__all__ = ["pytest_addoption", "pytest_configure", "pytest_runtest_makereport", "pytest_terminal_summary"]

_CONTRACT = "The contract of kairos"

_MARKERS = (
    "full: more of the same, for a thorough run; `-m 'not full'` leaves it out",
    "processes: processes, threads, fork, asyncio, gevent",
    "stateful: compares a backend with memory:// over random sequences of verbs",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a backend be tested without any file."""
    group = parser.getgroup("kairos")
    group.addoption("--kairos-url", metavar="URL", help="the store that `--pyargs kairos_conformance.suite` tests")
    group.addoption(
        "--kairos-many",
        metavar="N",
        type=int,
        default=5000,
        help="how many values, names or buckets the tests of what is large take there at most (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers of the suite."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with the failure of a standard test which sentence of the contract it checks, and where to look."""
    report = yield
    function = getattr(item, "function", None)
    if report.failed and getattr(function, "__module__", "").startswith("kairos_conformance."):
        report.sections.append((_CONTRACT, inspect.getdoc(function) or ""))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once per test, and not once per failure, where to look: one mistake may break hundreds."""
    advice: dict[str, str] = {}
    failures: Counter[str] = Counter()
    for report in terminalreporter.getreports("failed"):
        for title, text in report.sections:
            if title == _CONTRACT:
                test = report.nodeid.rpartition("::")[2].partition("[")[0]
                advice[test] = " ".join(text.partition("Look at: ")[2].split())
                failures[test] += 1
    telling = {test: where for test, where in advice.items() if not where.startswith("the other failures first")}
    if len(advice) < 2:
        return
    terminalreporter.section("where to look, test by test")
    for test, where in telling.items():
        terminalreporter.line(f"{failures[test]:4} {test}: {where}")
    if rest := len(advice) - len(telling):
        terminalreporter.line(f"     and {rest} more of what the core makes of what the backend gives")
