"""What other processes do in the tests of semantics 7. Told by one line of JSON, so that nothing is inherited.

It does not import pytest: many of these begin in each run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from inspect import isawaitable
from typing import Any

import kairos
from kairos_conformance._awaiting import awaited

__all__: list[str] = []


class Worker:
    """One Timeseries per kind, in either colour."""

    def __init__(self, told: dict[str, Any], *kinds: str) -> None:
        self.told = told
        factory = kairos.AsyncTimeseries if told["asynchronous"] else kairos.Timeseries
        self.runner = asyncio.Runner()
        self.series: dict[str, Any] = {
            kind: factory(told["url"], intervals=told["intervals"], prefix=told["prefix"], **told["keywords"][kind])
            for kind in kinds
        }

    def run(self, result: Any) -> Any:
        """The value of what a call gave."""
        return self.runner.run(awaited(result)) if isawaitable(result) else result

    def close(self) -> None:
        for series in self.series.values():
            self.run(series.close())
        self.runner.close()


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write(told: dict[str, Any]) -> None:
    """Write to all kinds when told to go: as many single inserts as rounds, and batches between them."""
    worker = Worker(told, *told["keywords"])
    for series in worker.series.values():
        worker.run(series.list())
    say("ready")
    assert sys.stdin.readline() == "go\n"
    for turn in range(told["rounds"]):
        value = told["writer"] * told["rounds"] + turn
        worker.run(worker.series["count"].insert("a", timestamp=told["timestamp"]))
        worker.run(worker.series["histogram"].bulk_insert([("a", [7, 100 + told["writer"]], told["timestamp"])]))
        for kind in ("gauge", "series", "set"):
            worker.run(worker.series[kind].insert("a", value, timestamp=told["timestamp"]))
    worker.close()


def fork(told: dict[str, Any]) -> None:
    """Write, fork, write in both processes, read in both."""
    worker = Worker(told, "count")
    series = worker.series["count"]

    def insert_and_read() -> int:
        worker.run(series.insert("a", 10, timestamp=told["timestamp"]))
        found: int = worker.run(series.get("a", "minute", timestamp=told["timestamp"]))[told["timestamp"]]
        return found

    insert_and_read()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # The loop of the parent is not the child's: a loop that is left by a fork shares its selector. It must not be
        # collected either, since closing it would take what wakes the parent's loop out of that selector.
        left, worker.runner = worker.runner, asyncio.Runner()  # noqa: F841
        os.write(writer, str(insert_and_read()).encode())
        worker.close()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        in_child = answer.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
    say(json.dumps({"parent": insert_and_read(), "child": int(in_child)}))
    worker.close()


if __name__ == "__main__":
    {"write": write, "fork": fork}[sys.argv[1]](json.loads(sys.stdin.readline()))
