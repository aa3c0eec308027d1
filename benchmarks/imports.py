"""What `import kairos` costs: no driver, and less than twice the time of what it is built on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.harness import Figure, WrongAnswer

__all__ = ["DRIVERS", "run"]

# The top-level packages of all stores that kairos serves, or will.
DRIVERS = (
    "aiosqlite",
    "asyncpg",
    "cassandra",
    "psycopg",
    "psycopg2",
    "pymongo",
    "pymysql",
    "redis",
    "sqlalchemy",
    "valkey",
)
KAIROS, BASIS = "kairos", "pluggy, attrs, cattrs"
SCRIPT = """
import sys, time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
print(*(name for name in sys.modules if "." not in name))
"""


def imported(packages: str) -> tuple[float, set[str]]:
    """How many seconds an import takes in a new interpreter, and the top-level modules that are there then."""
    script = [sys.executable, "-c", SCRIPT.format(packages)]
    done = subprocess.run(script, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    seconds, modules = done.stdout.splitlines()
    return float(seconds), set(modules.split())


def run(rounds: int) -> Iterator[Figure]:
    """In turn, each in an interpreter of its own; the first round, which may write bytecode, does not count."""
    ours, theirs = [], []
    for number in range(rounds + 1):
        seconds, modules = imported(KAIROS)
        if found := modules.intersection(DRIVERS):
            raise WrongAnswer(f"import kairos imports {', '.join(sorted(found))}")
        basis, _ = imported(BASIS)
        if number:
            ours.append(seconds)
            theirs.append(basis)
    yield Figure(
        what=f"import kairos, beside {BASIS}",
        value=median(ours) / median(theirs),
        unit="times",
        limit=2,
        note=f"{median(ours) * 1e3:.0f} ms and {median(theirs) * 1e3:.0f} ms; imports no driver",
    )
