"""What the tests of the core share: settings of hypothesis, made-up distributions, an owning backend, both colours."""

import asyncio
import inspect
import os
import sys

import pytest
from attrs import frozen
from hypothesis import settings
from importlib_metadata import Distribution, EntryPoint, EntryPoints

from kairos import AsyncTimeseries, Timeseries, plugins, registry
from kairos import installed as installed_module
from kairos.memory import MemoryBackend, MemoryStore
from kairos.registry import register

# A slow machine is no bug, and a run in CI must not fail by luck.
settings.register_profile("kairos-core", deadline=None, max_examples=100, derandomize="CI" in os.environ)
settings.load_profile("kairos-core")


def pytest_make_parametrize_id(config, val, argname):
    """Tell 0 from '0', and keep an id short. Where a repr has an address, pytest finds an id that does not change."""
    shown = repr(val)
    if isinstance(val, (set, frozenset)):  # whose repr has another order in another process
        shown = f"{type(val).__name__} {sorted(val, key=repr)}"
    if type(val).__module__ != "builtins":
        shown = f"{type(val).__name__} {shown}"
    return None if " at 0x" in shown else shown[:40]


class MadeUp(Distribution):
    """An installed distribution that has nothing but a name and entry points."""

    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name

    @property
    def version(self):
        return "1.2"

    def read_text(self, filename):
        return None

    def locate_file(self, path):
        raise NotImplementedError


class Installed:
    """Stands in for the entry points of the process."""

    def __init__(self):
        self.points = []
        self.asked = 0

    def add(self, group, name, value, distribution="made-up"):
        point = EntryPoint(name=name, value=value, group=group)
        self.points.append(point if distribution is None else point._for(MadeUp(distribution)))

    def entry_points(self, *, group):
        self.asked += 1
        return EntryPoints(self.points).select(group=group)


@pytest.fixture
def installed(monkeypatch):
    """No entry points but those that the test adds, before it makes its first Timeseries."""
    made = Installed()
    cached = (plugins._common, plugins._installed, registry._installed)
    for module in (plugins, registry, installed_module):
        monkeypatch.setattr(module, "entry_points", made.entry_points)
    for function in cached:
        function.cache_clear()
    yield made
    for function in cached:
        function.cache_clear()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported under a name of its own, for the length of the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}


@frozen(kw_only=True)
class InsertOptions:
    pipeline: int | None = None
    strict: bool = False


class Owning(MemoryBackend):
    """A store behind a URL: it is prepared, has options, and is closed by whoever opened it."""

    options = dict.fromkeys(("insert", "bulk_insert", "get", "series", "iterate", "list", "delete"), InsertOptions)
    ready = True
    log: list

    def __init__(self, store, config):
        super().__init__(store, config)
        self.log = []
        self.owns = True

    @classmethod
    def open(cls, target, config, *, asynchronous):
        return cls(target if isinstance(target, MemoryStore) else MemoryStore(), config)

    @property
    def owns_client(self):
        return self.owns

    def prepare(self, *, writing):
        self.log.append(("prepare", writing))
        return self.ready or writing

    def write(self, batch):
        self.log.append(("write", batch.options))
        super().write(batch)

    def read(self, query):
        self.log.append(("read", query.options))
        return super().read(query)

    def names(self, cutoffs, options=None):
        self.log.append(("names", options))
        return super().names(cutoffs)

    def delete(self, selector):
        self.log.append(("delete", selector.options))
        return super().delete(selector)

    def close(self):
        self.log.append("close")


@pytest.fixture
def owning(monkeypatch):
    monkeypatch.setattr(Owning, "ready", Owning.ready)
    with register(Owning, schemes=["owning"]):
        yield Owning


class Blocking:
    """AsyncTimeseries with the verbs of Timeseries, so that one test serves both."""

    def __init__(self, *args, **keywords):
        self.runner = asyncio.Runner()
        self.inner = self.call(AsyncTimeseries, *args, **keywords)
        self.backend = self.inner.backend

    def call(self, function, *args, **keywords):
        async def main():
            found = function(*args, **keywords)
            if inspect.isasyncgen(found):
                return [item async for item in found]
            return await found if inspect.isawaitable(found) else found

        return self.runner.run(main())

    def __getattr__(self, name):
        verb = getattr(self.inner, name)
        return (lambda *args, **keywords: self.call(verb, *args, **keywords)) if callable(verb) else verb

    def __repr__(self):
        return repr(self.inner)


@pytest.fixture(params=[Timeseries, Blocking], ids=["Timeseries", "AsyncTimeseries"])
def colour(request):
    """Make a Timeseries of either colour; what it opened is closed at the end."""
    made = []

    def make(client="memory://", intervals=INTERVALS, **keywords):
        made.append(request.param(client, intervals=intervals, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.close()
        if isinstance(one, Blocking):
            one.runner.close()
