"""A backend that only blocks, under AsyncTimeseries: never in the event loop, in one thread, one verb at a time."""

import asyncio
import threading
import time
from contextvars import ContextVar
from itertools import pairwise

import pytest

from kairos import AsyncTimeseries, BackendError, Timeseries
from kairos.memory import MemoryBackend
from kairos.registry import register

INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}
PAUSE = 0.05


class Slow(MemoryBackend):
    """Sleeps in every verb, and notes in which thread and when."""

    blocking = True

    def __init__(self, store, config):
        super().__init__(store, config)
        self.calls = []

    def block(self, verb):
        begun = time.monotonic()
        time.sleep(PAUSE)
        self.calls.append((verb, threading.current_thread(), begun, time.monotonic()))

    def adapt(self, fetch):
        adapted = super().adapt(fetch)

        def read(query):
            self.block("fetch")
            return adapted(query)

        return read


def slow(verb):
    def method(self, *args, **keywords):
        self.block(verb)
        return getattr(MemoryBackend, verb)(self, *args, **keywords)

    return method


for _verb in ("prepare", "write", "read", "names", "bounds", "delete", "expire", "close"):
    setattr(Slow, _verb, slow(_verb))


@pytest.fixture(autouse=True)
def registered():
    with register(Slow, schemes=["slow"]):
        yield


class Watchdog:
    """Ticks in the event loop; ``longest`` is the longest time that the loop was held."""

    async def __aenter__(self):
        self.longest = 0
        self.task = asyncio.create_task(self.tick())
        return self

    async def tick(self):
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            self.longest, before = max(self.longest, now - before), now

    async def __aexit__(self, *error):
        self.task.cancel()


async def use(series):
    """Every verb of a Timeseries."""
    await series.insert("a", 1, timestamp=0)
    await series.bulk_insert([("a", 2, 60), ("b", 3, 0)])
    assert await series.get("a", "minute", 0) == {0: [1]}
    assert await series.series(["a", "b"], "hour", 0, condense=True) == {0: [1, 2, 3]}
    assert [item async for item in series.iterate("a", "minute")] == [(0, [1]), (60, [2])]
    assert await series.get("a", "minute", 0, fetch=lambda cells, *where: cells) == {0: [1]}
    assert await series.list() == ["a", "b"]
    assert (await series.properties("a"))["minute"] == {"first": 0, "last": 60}
    assert await series.expire() == 0
    assert await series.delete("b") == 2
    assert await series.delete_all() is None


def test_no_verb_blocks_the_loop_and_all_run_in_one_thread():
    async def main():
        async with Watchdog() as watchdog, AsyncTimeseries("slow://", intervals=INTERVALS) as series:
            await use(series)
        return watchdog, series.backend.calls

    for _ in range(3):  # another process may have held the machine for as long
        watchdog, calls = asyncio.run(main())
        if watchdog.longest < PAUSE:
            break
    assert watchdog.longest < PAUSE
    assert {verb for verb, *_ in calls} == {
        *("prepare", "write", "read", "fetch", "names", "bounds", "delete", "expire", "close"),
    }
    (thread,) = {thread for _, thread, *_ in calls}
    assert thread is not threading.main_thread()
    assert thread.name.startswith("kairos")


def test_the_thread_ends_with_the_timeseries():
    async def main():
        series = AsyncTimeseries("slow://", intervals=INTERVALS)
        await series.list()
        await series.close()
        return series

    series = asyncio.run(main())
    _, thread, *_ = series.backend.calls[0]
    thread.join(5)
    assert not thread.is_alive()


def test_concurrent_verbs_run_one_after_the_other():
    async def main():
        async with AsyncTimeseries("slow://", type="count", intervals=INTERVALS) as series:
            await asyncio.gather(*(series.insert("a", timestamp=0) for _ in range(5)), series.list())
            assert await series.get("a", "minute", 0) == {0: 5}
        return series.backend.calls

    calls = asyncio.run(main())
    assert all(ended <= begun for (_, _, _, ended), (_, _, begun, _) in pairwise(calls))


def test_an_error_in_the_thread_comes_out_of_the_verb(monkeypatch):
    def names(self, cutoffs, options=None):
        raise BackendError("the store is gone")

    monkeypatch.setattr(Slow, "names", names)

    async def main():
        async with AsyncTimeseries("slow://", intervals=INTERVALS) as series:
            with pytest.raises(BackendError, match="the store is gone"):
                await series.list()
            with pytest.raises(ZeroDivisionError):
                await series.get("a", "minute", fetch=lambda *where: 1 // 0)
            return await series.get("a", "minute", 0)

    assert asyncio.run(main()) == {0: []}


def test_a_verb_of_such_a_backend_may_be_a_flow(monkeypatch):
    def names(self, cutoffs, options=None):
        found = yield ["from", "a flow"]
        assert threading.current_thread() is not threading.main_thread()
        return found

    monkeypatch.setattr(Slow, "names", names)

    async def main():
        async with AsyncTimeseries("slow://", intervals=INTERVALS) as series:
            return await series.list()

    assert asyncio.run(main()) == ["a flow", "from"]


def test_the_context_of_the_caller_goes_with_the_call(monkeypatch):
    who = ContextVar("who", default="nobody")
    monkeypatch.setattr(Slow, "names", lambda self, cutoffs, options=None: [who.get()])

    async def main():
        async with AsyncTimeseries("slow://", intervals=INTERVALS) as series:
            who.set("me")
            return await series.list()

    assert asyncio.run(main()) == ["me"]


def test_under_timeseries_it_runs_where_it_is_called():
    with Timeseries("slow://", intervals=INTERVALS) as series:
        series.insert("a", 1, timestamp=0)
        assert series.get("a", "minute", 0) == {0: [1]}
    assert {thread for _, thread, *_ in series.backend.calls} == {threading.current_thread()}


def test_a_backend_that_does_not_block_needs_no_thread():
    async def main():
        before = threading.active_count()
        async with AsyncTimeseries("memory://", intervals=INTERVALS) as series:
            await use(series)
            assert threading.active_count() == before

    asyncio.run(main())
