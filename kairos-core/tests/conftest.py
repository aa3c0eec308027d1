"""What the tests of the core share: settings of hypothesis, a Timeseries on memory, made-up distributions."""

import os
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from importlib_metadata import Distribution, EntryPoint, EntryPoints

from kairos import Timeseries, plugins, registry

# A slow machine is no bug, and a run in CI must not fail by luck.
settings.register_profile("kairos-core", deadline=None, max_examples=100, derandomize="CI" in os.environ)
settings.load_profile("kairos-core")


def pytest_make_parametrize_id(config, val, argname):
    """Tell 0 from '0', and keep an id short. Where a repr has an address, pytest finds an id that does not change."""
    shown = repr(val)
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
def installed(monkeypatch) -> Iterator[Installed]:
    """No entry points but those that the test adds, before it makes its first Timeseries."""
    made = Installed()
    for module in (plugins, registry):
        monkeypatch.setattr(module, "entry_points", made.entry_points)
        module._installed.cache_clear()
    yield made
    for module in (plugins, registry):
        module._installed.cache_clear()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported under a name of its own, for the length of the test."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.fixture
def make():
    """A Timeseries on a memory store of its own, with a minute that is coarse and an hour that is fine."""

    def made(type="series", client="memory://", **keywords):
        keywords.setdefault("intervals", {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}})
        return Timeseries(client, type=type, **keywords)

    return made


@pytest.fixture
def now():
    """The real time, in whole seconds, at the start of an hour."""
    return int(time.time()) // 3600 * 3600
