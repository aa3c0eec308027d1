"""The in-process backend passes the suite: by URL, with what a harness can look up past kairos, and by a store."""

import time
from contextlib import contextmanager

import pytest

from kairos.backend import Capabilities, Shape, StoreConfig
from kairos.kinds import KINDS as KIND_OF
from kairos.memory import MemoryBackend, MemoryStore
from kairos.plans import Expiry
from kairos.registry import register
from kairos_conformance import KINDS, BackendSuite, Harness, UrlHarness

NAME = "conformance"


def fetch(cells, name, interval, i_start, i_end):
    """Give what a read gives: `cells` is just that."""
    return {bucket: dict(row) for bucket, row in cells.items()}


class MemoryHarness(Harness):
    """A store that the process shares by its name."""

    url = f"memory://{NAME}"
    disposable = True
    fetch = dict.fromkeys(KINDS, fetch)

    @property
    def store(self):
        return MemoryBackend._shared.setdefault(NAME, MemoryStore())

    @contextmanager
    def plant(self):
        self.store.spaces["", "foreign"] = {"a": {}}
        yield lambda: self.store.spaces.get(("", "foreign")) == {"a": {}}

    def stored(self, kind, prefix):
        names = self.store.spaces.get((prefix, kind), {}).values()
        return sum(len(row) for intervals in names for buckets in intervals.values() for row in buckets.values())


class TestMemory(BackendSuite):
    harness = MemoryHarness()


class StoreHarness(Harness):
    """A store of the user's, one for each test."""

    disposable = variant = True

    @contextmanager
    def target(self, colour, run):
        yield MemoryStore()


@pytest.mark.full
class TestStore(BackendSuite):
    harness = StoreHarness()


class PoorBackend(MemoryBackend):
    """Declares as little as a backend may, and its server removes what is past: for the refusals of the suite."""

    capabilities = Capabilities(
        native_expiry=frozenset(Shape),
        narrow_delete=frozenset(),
        float_counts=False,
        checked_counts=False,
        multi_process=False,
        max_name_bytes=255,
    )


class PoorHarness(MemoryHarness):
    """Removes what is past when it is asked what is stored, as a server would by its own clock."""

    url = None
    patience = 10

    @contextmanager
    def target(self, colour, run):
        with register(PoorBackend, schemes=["poor"]):
            yield f"poor://{NAME}"

    def stored(self, kind, prefix):
        config = StoreConfig(prefix=prefix, type=kind, shape=KIND_OF[kind].shape)
        MemoryBackend(self.store, config).expire(Expiry(name=None, now=int(time.time())))
        return super().stored(kind, prefix)


class TestPoor(BackendSuite):
    harness = PoorHarness()


@pytest.mark.full
class TestPrivate(BackendSuite):
    """A URL at which every Timeseries has a store of its own: what needs two on one is skipped."""

    harness = UrlHarness("memory://")
    harness.variant = True
