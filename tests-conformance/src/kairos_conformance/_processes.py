"""Semantics 7: threads, tasks, processes, fork, asyncio and gevent."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import pytest

from kairos_conformance._awaiting import awaited
from kairos_conformance._base import SuiteBase, only_async, only_blocking
from kairos_conformance._samples import BOTH, KINDS, T0, every_kind, holding
from kairos_conformance._store import Colour, Store

__all__ = ["ProcessTests"]

WRITERS, ROUNDS = 8, 10
PATIENCE = 120
"""Seconds after which another process is taken to hang."""


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Another Python, which talks by its standard streams."""
    return subprocess.Popen(  # noqa: S603 - this very Python and a module of ours
        [sys.executable, "-m", f"kairos_conformance.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )


def finish(process: subprocess.Popen[str], patience: float = PATIENCE) -> str:
    """Wait for the end of a process; it is a failure if the process failed."""
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        pytest.fail(f"a process hangs; it said:\n{output}")
    assert process.returncode == 0, output
    return output


def order(store: Store, **more: Any) -> str:
    """What a process of `_worker` is told: where the store is, and what to do."""
    if store.harness.url is None:
        pytest.skip("this harness has no URL at which other processes find the store")
    tables = {kind: store.keywords(kind) for kind in KINDS}
    told = {"url": store.harness.url, "prefix": store.namespace, "keywords": tables, "intervals": BOTH, "timestamp": T0}
    return json.dumps({**told, **more}) + "\n"


def every_verb(ts: Any) -> dict[str, Callable[[], Any]]:
    """Each verb of an asynchronous Timeseries once, in an order in which each finds something to do."""
    return {
        "bulk_insert": lambda: ts.bulk_insert([("a", number, T0 + 60 * number) for number in range(50)]),
        "insert": lambda: ts.insert("b", 1, timestamp=T0),
        "series": lambda: ts.series(["a", "b"], "minute", start=T0, end=T0 + 3000),
        "get": lambda: ts.get("a", "hour", timestamp=T0),
        "iterate": lambda: anext(ts.iterate("a", "hour")),
        "list": ts.list,
        "properties": lambda: ts.properties("a"),
        "delete": lambda: ts.delete("b"),
        "delete_all": ts.delete_all,
    }


class ProcessTests(SuiteBase):
    """Several at the same time."""

    @pytest.mark.processes
    @every_kind
    def test_one_timeseries_serves_many_at_once(self, store: Store, kind: str) -> None:
        """A Timeseries may be shared by threads, or by tasks of a loop; nothing is lost or counted twice (semantics 7).

        Look at: connections that are shared without a pool, and read-modify-write.
        """
        ts = store.open(kind, BOTH)

        def insert(writer: int) -> Callable[[], Any]:
            return lambda: ts.timeseries.insert("a", writer, timestamp=T0)

        for _ in range(6):
            store.together(*(insert(writer) for writer in range(1, WRITERS + 1)))
        everything = [writer for writer in range(1, WRITERS + 1) for _ in range(6)]
        orders = []
        for interval in BOTH:
            (found,) = ts.get("a", interval, timestamp=T0).values()
            orders.append(found)
            if kind == "series":
                assert sorted(found) == everything
            elif kind == "gauge":
                assert found in everything
            else:
                assert found == holding(kind, *everything)
        if store.capabilities.atomic_batch:  # else every cell has an order of its own
            assert orders[0] == orders[1]

    @pytest.mark.processes
    @every_kind
    def test_the_schema_is_made_by_many_at_once(self, store: Store, kind: str) -> None:
        """The first write may come from many at the same time (semantics 2.6, 7).

        Look at: `Backend.prepare`, where another one may have made the schema a moment ago.
        """
        keywords: dict[str, Any] = {}
        container = store.capabilities.typed_container
        if container is not None and store.harness.disposable:
            keywords[container] = f"kairos_{uuid4().hex[:12]}"  # one that is not there; it stays behind
        family = [store.open(kind, BOTH, **keywords) for _ in range(WRITERS)]

        def insert(number: int) -> Callable[[], Any]:
            return lambda: family[number].timeseries.insert(f"n{number}", number, timestamp=T0)

        store.together(*map(insert, range(WRITERS)))
        for number in range(WRITERS):
            found = family[0].get(f"n{number}", "minute", timestamp=T0)
            assert found == {T0: holding(kind, number)}

    @pytest.mark.processes
    def test_reads_and_writes_at_once(self, store: Store) -> None:
        """Reading while others write sees what is there at some moment, and never an error (semantics 7).

        Look at: transactions that readers and writers share, locks without a timeout.
        """
        ts = store.open("count", BOTH)
        ts.insert("a", 1, timestamp=T0)
        calls: list[Callable[[], Any]] = []
        for _ in range(4):
            calls += [
                lambda: ts.timeseries.bulk_insert([("a", 1, T0), ("b", 1, T0)]),
                lambda: ts.timeseries.series(["a", "b"], "minute", start=T0, end=T0, join_rows=list),
                ts.timeseries.list,
                lambda: ts.timeseries.properties("a"),
            ]
        for answer in store.together(*calls)[1::4]:
            a, b = answer[T0]
            assert 1 <= a <= 5
            assert 0 <= b <= 4
        assert ts.get("a", "minute", timestamp=T0) == {T0: 5}

    @pytest.mark.processes
    @only_blocking  # which says where the test reads; the writers are of both colours
    def test_processes_write_at_the_same_time(self, store: Store) -> None:
        """Eight processes, half of them blocking and half asynchronous, write to the same buckets: sums are exact and
        nothing is lost (semantics 7; capability ``multi_process``).

        Look at: read-modify-write, retries of what may have been done, locks without a timeout.
        """
        if not store.capabilities.multi_process:
            pytest.skip("multi_process is not declared: no other process sees the data")
        orders = [order(store, writer=n, rounds=ROUNDS, asynchronous=n % 2 == 1) for n in range(WRITERS)]
        writers = [start("_worker", "write") for _ in orders]
        for writer, told in zip(writers, orders, strict=True):
            assert writer.stdin is not None
            writer.stdin.write(told)
            writer.stdin.flush()
        for writer in writers:
            assert writer.stdout is not None
            if (line := writer.stdout.readline()) != "ready\n":
                pytest.fail(line + finish(writer))
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            finish(writer)
        total = WRITERS * ROUNDS
        reader = {kind: store.open(kind, BOTH) for kind in KINDS}
        for interval in BOTH:
            read = {kind: ts.get("a", interval, timestamp=T0)[T0] for kind, ts in reader.items()}
            assert read["count"] == total
            assert read["histogram"] == {7: total, **{100 + number: ROUNDS for number in range(WRITERS)}}
            assert read["set"] == {number * ROUNDS + turn for number in range(WRITERS) for turn in range(ROUNDS)}
            assert sorted(read["series"]) == list(range(total))
            for number in range(WRITERS):
                own = [value for value in read["series"] if value // ROUNDS == number]
                assert own == sorted(own), "the values of one writer are out of order"
            assert read["gauge"] in {number * ROUNDS + ROUNDS - 1 for number in range(WRITERS)}

    @pytest.mark.processes
    def test_a_fork_reopens_the_client(self, store: Store) -> None:
        """After a fork both processes go on with the same Timeseries: a client that kairos opened reopens in the child
        (semantics 7).

        Look at: `Backend.after_fork`, and connections that parent and child share.
        """
        if sys.platform == "win32":
            pytest.skip("nothing forks on Windows")
        told = order(store, asynchronous=store.colour is Colour.ASYNC)
        process = start("_worker", "fork")
        assert process.stdin is not None
        process.stdin.write(told)
        process.stdin.close()
        process.stdin = None
        said = json.loads(finish(process).splitlines()[-1])
        if not store.capabilities.multi_process:
            # Whether the child starts with what the parent had depends on where the driver keeps it: a thread, say, is
            # not copied. Both go on.
            assert said["parent"] == 20
            assert said["child"] in {10, 20}
        else:
            assert said == {"parent": 30, "child": 20}
            assert store.open("count", BOTH).get("a", "minute", timestamp=T0) == {T0: 30}

    @pytest.mark.processes
    @only_async
    def test_the_event_loop_is_never_blocked(self, store: Store) -> None:
        """Under AsyncTimeseries no verb keeps the event loop from its other tasks (semantics 7).

        Look at: a blocking call of the driver, or ``blocking = True`` that is missing.
        """
        verbs = list(every_verb(store.open("series", BOTH).timeseries).values())
        gaps: list[float] = []

        async def tick() -> None:
            before = time.perf_counter()
            while True:
                await asyncio.sleep(0.002)
                now = time.perf_counter()
                gaps.append(now - before)
                before = now

        async def work() -> None:
            watchdog = asyncio.create_task(tick())
            for verb in verbs * 5:
                await verb()
                await asyncio.sleep(0)  # a verb that never waits is no fault of the store's
            watchdog.cancel()

        for _ in range(3):  # on a busy machine everything stands still now and then; a blocking call always does
            gaps.clear()
            store.run(work())
            if max(gaps) < 0.2:
                return
        pytest.fail(f"the event loop stood still for {max(gaps):.2f} s")

    @pytest.mark.processes
    @only_async
    def test_every_verb_gives_way_to_the_loop(self, store: Store) -> None:
        """A verb that asks a store outside of this process lets the loop go on while it waits (semantics 7; capability
        ``multi_process``, without which a store may answer at once).

        Look at: ``blocking = True`` that is missing, or a blocking client behind coroutines.
        """
        if not store.capabilities.multi_process:
            pytest.skip("multi_process is not declared: the data may be in this process")
        verbs = every_verb(store.open("series", BOTH).timeseries)

        async def gives_way(verb: Callable[[], Any]) -> bool:
            task = asyncio.ensure_future(awaited(verb()))
            await asyncio.sleep(0)  # one turn of the loop: the task runs until it waits for the first time
            at_once = task.done()
            await task
            return not at_once

        stuck = [name for name, verb in verbs.items() if not store.run(gives_way(verb))]
        assert not stuck, f"the event loop stood still until these were done: {', '.join(stuck)}"

    @pytest.mark.processes
    @only_async
    def test_a_cancelled_write_is_done_or_not_done(self, store: Store) -> None:
        """A cancelled write is done or not done, as a whole where batches are atomic, else cell by cell; and the client
        stays usable (semantics 7; capability ``atomic_batch``).

        Look at: connections that a cancelled call leaves in the middle of a reply.
        """
        ts = store.open("count", BOTH)
        names = [f"n{number}" for number in range(40)]

        async def interrupted(timestamp: int, after: float) -> None:
            points = [(name, 1, timestamp) for name in names]
            writing = asyncio.create_task(ts.timeseries.bulk_insert(points))
            await asyncio.sleep(after)
            writing.cancel()
            await asyncio.wait([writing])
            assert writing.cancelled() or writing.exception() is None, "a cancelled write raised something else"

        def read() -> dict[int, list[int]]:
            counts: dict[int, list[int]] = ts.series(names, "minute", start=T0, end=T0 + 60 * 11, join_rows=list)
            return counts

        # Each write has a bucket of its own: the server may go on with one that was cancelled during the next.
        for turn in range(12):
            store.run(interrupted(T0 + 60 * turn, 0.0004 * turn))
            began = time.monotonic()
            ts.insert("next", timestamp=T0)
            assert time.monotonic() - began < 5, "the cancelled write keeps the next one waiting"
        found, before = read(), None
        while found != before:  # what the server or a thread of the driver has begun it may still finish
            store.run(asyncio.sleep(0.005))
            found, before = read(), found
        for counts in found.values():
            assert set(counts) <= {0, 1}
            assert len(set(counts)) == 1 or not store.capabilities.atomic_batch
        assert ts.get("next", "hour", timestamp=T0) == {T0: 12}
        assert ts.delete("next") == 2

    @pytest.mark.processes
    @only_blocking
    @pytest.mark.full
    def test_a_run_under_gevent(self, store: Store) -> None:
        """The blocking tests of this suite's quick run with histograms or without a kind pass in a process in which
        gevent has patched everything (semantics 7), as far as the driver supports it.

        Look at: threads and locks of the backend's own, made before or around what gevent patches.
        """
        if find_spec("gevent") is None:
            pytest.skip("pip install 'kairos-conformance[gevent]'")
        if store.harness.url is None:
            pytest.skip("this harness has no URL at which other processes find the store")
        many = f"--kairos-many={store.harness.many}"
        finish(start("gevent_run", store.harness.url, many), patience=20 * 60)  # a third of a quick run, perhaps slow
