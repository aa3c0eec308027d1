"""The pytest plugin of the suite: its options, the markers, the contract beside each failure, and where to look."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Generator

import pytest

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_itemcollected",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

_CONTRACT = "The contract of kairos"

# In a quick run one kind goes through both colours, and each other through the one that is named here: a backend has
# its kinds and its colours in different places, so that all it has is run, and nearly half of the tests are left out.
# A test with further parameters takes each of them in one colour, and with every other kind.
_QUICK = {"count": "blocking", "gauge": "async", "series": "blocking", "set": "async"}
# How many further parameters a test of this class has had, by its name, kind and colour.
_SEEN = pytest.StashKey[Counter[tuple[object, ...]]]()

_MARKERS = (
    "full: more of the same, for a thorough run: most kinds and parameters in their other colour, and what takes long",
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


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what a quick run leaves out of the kinds, colours and further parameters of a standard test."""
    if not _is_standard(item) or (parameters := getattr(item, "callspec", None)) is None:
        return
    kind, colour = parameters.params.get("kind"), parameters.params.get("colour")
    if colour is None:
        return
    seen = item.listchain()[-2].stash.setdefault(_SEEN, Counter())
    way = (getattr(item, "originalname", item.name), kind, colour)
    number = seen[way]
    seen[way] += 1
    # The kinds take turns, where each has one colour; else the colours do.
    turn = list(_QUICK).index(kind) // 2 if kind in _QUICK else int(str(colour) == "async")
    if _QUICK.get(str(kind), colour) != colour or (
        parameters.params.keys() - {"kind", "colour"} and (number + turn) % 2
    ):
        item.add_marker("full")


def _is_standard(item: pytest.Item) -> bool:
    module: str = getattr(getattr(item, "function", None), "__module__", "")
    return module.startswith("kairos_conformance.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with the failure of a standard test which sentence of the contract it checks, and where to look."""
    report = yield
    if report.failed and _is_standard(item):
        report.sections.append((_CONTRACT, inspect.getdoc(getattr(item, "function", None)) or ""))
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
