"""The pytest plugin of the suite: its options, the markers, and the contract beside each failure."""

from __future__ import annotations

import inspect
from collections.abc import Generator

import pytest

__all__ = ["pytest_addoption", "pytest_configure", "pytest_runtest_makereport"]

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
        report.sections.append(("The contract of kairos", inspect.getdoc(function) or ""))
    return report
