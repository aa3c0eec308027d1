"""`make bench`: measure, and print the tables. Nothing here passes or fails by how long it took.

python -m benchmarks.run [--quick] [section ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from benchmarks import cassandra, harness, imports, memory, mongo, redis, servers, sqlite
from benchmarks.harness import Comparison, Figure
from benchmarks.verbs import Scale

__all__ = ["main"]

Section = Callable[[], Iterable[Comparison | Figure]]

FULL: Mapping[str, Section] = {
    "sqlite": partial(sqlite.run, Scale(), rounds=11),
    "postgresql": partial(servers.run, "postgresql", Scale(), rounds=11),
    "mariadb": partial(servers.run, "mariadb", Scale(), rounds=11),
    "mongo": partial(mongo.run, mongo.Amount(), rounds=5),
    "redis": partial(redis.run, Scale(), rounds=11, hiredis=True),
    "redis-without-hiredis": partial(redis.run, Scale(), rounds=11, hiredis=False),
    "redis-memory": partial(redis.memory, Scale()),
    "cassandra": partial(cassandra.run, cassandra.Amount(), rounds=5),
    "memory": partial(memory.run, 1_000_000, rounds=3),
    "imports": partial(imports.run, rounds=15),
}
# Small enough for a test: the figures say nothing, but every line of code has run and every answer was compared.
QUICK: Mapping[str, Section] = {
    "sqlite": partial(sqlite.run, Scale(points=600, minutes=20, many=100, singles=20, names=5), rounds=1),
    "postgresql": partial(
        servers.run, "postgresql", Scale(points=600, minutes=20, many=100, singles=20, names=5), rounds=1
    ),
    "mariadb": partial(servers.run, "mariadb", Scale(points=600, minutes=20, many=100, singles=20, names=5), rounds=1),
    "mongo": partial(mongo.run, mongo.Amount(points=300, minutes=20, singles=10, ungrouped=100), rounds=1),
    "redis": partial(redis.run, Scale(points=600, minutes=20, singles=20), rounds=1, hiredis=True),
    "redis-without-hiredis": partial(redis.run, Scale(points=600, minutes=20, singles=20), rounds=1, hiredis=False),
    "redis-memory": partial(redis.memory, Scale(points=600, minutes=20)),
    "cassandra": partial(cassandra.run, cassandra.Amount(points=300, minutes=20, singles=10), rounds=1),
    "memory": partial(memory.run, 5_000, rounds=1),
    "imports": partial(imports.run, rounds=1),
}


def main() -> None:
    """Measure what was asked for, by default everything."""
    parser = argparse.ArgumentParser(description="How fast kairos is beside code that was written by hand.")
    parser.add_argument("sections", nargs="*", metavar="section", help=f"some of {', '.join(FULL)}; by default all")
    parser.add_argument("--quick", action="store_true", help="only see that it works: the figures say nothing")
    chosen = parser.parse_args()
    if unknown := set(chosen.sections).difference(FULL):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    print(harness.facts())
    for name, section in (QUICK if chosen.quick else FULL).items():
        if not chosen.sections or name in chosen.sections:
            results = []
            for result in section():
                results.append(result)
                print(f"{name}: {result.what}", file=sys.stderr)
            print(f"\n## {name}\n\n{harness.report(results)}", flush=True)


if __name__ == "__main__":
    main()
