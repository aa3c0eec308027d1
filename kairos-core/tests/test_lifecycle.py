"""From the constructor to close: preparing the schema, what a backend cannot do, who closes, and a fork in between."""

import asyncio
import gc
import os
import subprocess
import sys
import warnings

import pytest

from kairos import AsyncTimeseries, BackendError, InvalidValue, Timeseries, UnsupportedOperation, hookimpl
from kairos.backend import Capabilities, Shape
from kairos.memory import MemoryBackend
from kairos.registry import register

INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}


# --- Preparing ------------------------------------------------------------------------------------------------------


def test_a_constructor_touches_nothing_and_the_first_verb_prepares(colour, owning):
    series = colour("owning://")
    assert series.backend.log == []
    series.insert("a", 1, timestamp=0)
    series.get("a", "minute", 0)
    series.list()
    assert [entry for entry in series.backend.log if entry[0] == "prepare"] == [("prepare", True)]


def test_without_a_schema_there_is_no_data_and_no_verb_is_called(colour, owning):
    owning.ready = False
    series = colour("owning://")
    assert series.get("a", "minute", 0) == {0: []}
    assert series.series("a", "hour", 0) == {0: {}}
    assert list(series.iterate("a", "minute")) == []
    assert series.list() == []
    assert series.properties("a") == {}
    assert series.delete("a") == 0
    assert series.delete_all() is None
    assert series.expire() == 0
    assert series.backend.log == [("prepare", False)] * 8
    series.insert("a", 1, timestamp=0)
    options = owning.options["insert"]
    assert series.get("a", "minute", 0) == {0: [1]}
    assert series.backend.log[8:] == [("prepare", True), ("write", options()), ("read", options())]


def test_a_schema_that_cannot_be_prepared_is_an_error_each_time(colour, owning, monkeypatch):
    series = colour("owning://")

    def prepare(*, writing):
        raise BackendError("no table kairos_series")

    monkeypatch.setattr(series.backend, "prepare", prepare)
    for _ in range(2):
        with pytest.raises(BackendError, match="no table kairos_series"):
            series.get("a", "minute")
        with pytest.raises(BackendError, match="no table kairos_series"):
            series.insert("a", 1)


# --- What a backend cannot do ---------------------------------------------------------------------------------------


def test_what_a_backend_cannot_do_is_refused_beforehand(colour):
    class Limited(MemoryBackend):
        capabilities = Capabilities(
            native_expiry=frozenset({Shape.COUNTER}), narrow_delete=frozenset({Shape.SET}), float_counts=False
        )

    with register(Limited, schemes=["limited"]):
        count, members = colour("limited://", type="count"), colour("limited://", type="set")
    for arguments in ({}, {"name": "a"}, {"limit": 5}):
        with pytest.raises(UnsupportedOperation, match="limited backend expires by itself"):
            count.expire(**arguments)
        assert members.expire(**arguments) == 0
    for narrow in ({"interval": "minute"}, {"start": 0}, {"end": 0}):
        with pytest.raises(NotImplementedError, match="a narrowed delete of a count is not possible on limited"):
            count.delete("a", **narrow)
        assert members.delete("a", **narrow) == 0
    assert count.delete("a") == 0
    with pytest.raises(InvalidValue, match="takes ints only"):
        count.insert("a", 0.5)


def test_an_asynchronous_fetch_needs_asynctimeseries():
    async def fetch(*where):
        return {}

    series = Timeseries("memory://", intervals=INTERVALS)
    for verb in (series.get, series.series, series.iterate):
        with pytest.raises(InvalidValue, match="fetch: an async function needs AsyncTimeseries"):
            verb("a", "minute", fetch=fetch)


def test_so_does_one_that_a_plugin_gives():
    async def fetch(query):
        return {}

    class Plugin:
        @hookimpl
        def fetch(self, context):
            return fetch

    series = Timeseries("memory://", intervals=INTERVALS, plugins=[Plugin()])
    with pytest.raises(InvalidValue, match=r"fetch: expected .* not <coroutine"):
        series.get("a", "minute", 0)


# --- Closing --------------------------------------------------------------------------------------------------------


def test_whoever_opened_closes_once(colour, owning):
    series = colour("owning://")
    series.close()
    series.close()
    assert series.backend.log == ["close"]


def test_a_closed_timeseries_says_so(colour):
    series = colour()
    series.insert("a", 1)
    series.close()
    for verb in (
        lambda: series.insert("a", 1),
        lambda: series.bulk_insert({}),
        lambda: series.get("a", "minute"),
        lambda: series.series("a", "minute"),
        lambda: series.iterate("a", "minute"),
        series.list,
        lambda: series.properties("a"),
        lambda: series.delete("a"),
        series.delete_all,
        series.expire,
    ):
        with pytest.raises(BackendError, match="is closed"):
            verb()


def test_an_iteration_ends_with_the_timeseries(owning):
    series = Timeseries("owning://", type="count", intervals=INTERVALS)
    series.bulk_insert([("a", 1, 0), ("a", 1, 60 * 25_000)])
    items = series.iterate("a", "minute")
    assert next(items) == (0, 1)
    series.close()
    with pytest.raises(BackendError, match="is closed"):
        list(items)
    assert series.backend.log[-1] == "close"


def test_a_closed_timeseries_cannot_be_entered():
    series = Timeseries("memory://", intervals=INTERVALS)
    series.close()
    with pytest.raises(BackendError, match="is closed"), series:
        pass

    async def main():
        series = AsyncTimeseries("memory://", intervals=INTERVALS)
        await series.close()
        with pytest.raises(BackendError, match="is closed"):
            async with series:
                pass

    asyncio.run(main())


def test_a_context_manager_closes(owning):
    with Timeseries("owning://", intervals=INTERVALS) as series:
        assert series.list() == []
    assert series.backend.log[-1] == "close"
    with pytest.raises(ZeroDivisionError), Timeseries("owning://", intervals=INTERVALS) as series:
        _ = 1 / 0
    assert series.backend.log == ["close"]

    async def main():
        async with AsyncTimeseries("owning://", intervals=INTERVALS) as series:
            assert await series.list() == []
        return series

    assert asyncio.run(main()).backend.log[-1] == "close"


@pytest.mark.parametrize("colour_of", [Timeseries, AsyncTimeseries])
def test_one_that_is_dropped_open_gives_a_warning(owning, colour_of):
    series = colour_of("owning://", intervals=INTERVALS)
    with pytest.warns(ResourceWarning, match=r"unclosed <\w+ type=series"):
        del series


@pytest.mark.parametrize("colour_of", [Timeseries, AsyncTimeseries])
def test_one_that_owns_nothing_or_was_never_made_gives_none(owning, colour_of):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        series = colour_of("owning://", intervals=INTERVALS)
        series.backend.owns = False
        del series
        colour_of("memory://", intervals=INTERVALS)
        for bad in ({"intervals": {}}, {"intervals": INTERVALS, "nonsense": 1}):
            with pytest.raises(ValueError, match=r"intervals|nonsense"):
                colour_of("owning://", **bad)
        with pytest.raises(TypeError):
            colour_of("owning://")
        gc.collect()


# --- Forking --------------------------------------------------------------------------------------------------------

FORK = """
import asyncio, os, signal, sys, threading
from kairos import AsyncTimeseries, Timeseries
from kairos.memory import MemoryBackend
from kairos.registry import register

class Blocking(MemoryBackend):
    blocking = True
    prepared = forked = 0

    def prepare(self, *, writing):
        self.prepared += 1
        return True

    def after_fork(self):
        self.forked += 1
        super().after_fork()

def make(colour):
    return colour("blocking://shared", type="count", intervals={"minute": {"step": 60}})

async def use(series):
    await series.insert("a", timestamp=0)
    return await series.get("a", "minute", 0)

signal.alarm(20)  # a lock that nobody gives back would hang the child
with register(Blocking, schemes=["blocking"]):
    blocking, closed, awaiting = make(Timeseries), make(Timeseries), make(AsyncTimeseries)
    blocking.insert("a", timestamp=0)
    closed.close()
    asyncio.run(use(awaiting))
    locked, done = threading.Event(), threading.Event()

    def hold():
        with blocking.backend._store.lock:
            locked.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    locked.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        assert [one.backend.forked for one in (blocking, closed, awaiting)] == [1, 0, 1]
        blocking.insert("a", timestamp=0)
        assert asyncio.run(use(awaiting)) == {0: 4}
        assert [one.backend.prepared for one in (blocking, awaiting)] == [2, 2]
        os._exit(7)
    done.set()
    thread.join()
    assert blocking.backend.forked == 0
    blocking.insert("a", timestamp=0)
    assert blocking.backend.prepared == 1
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_in_a_child_after_a_fork_a_backend_starts_anew():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
