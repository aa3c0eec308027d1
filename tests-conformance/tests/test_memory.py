"""The in-process backend passes the suite: by URL, with what a harness can look up past kairos, and by a store."""

from contextlib import contextmanager

import pytest

from kairos.memory import MemoryBackend, MemoryStore
from kairos_conformance import KINDS, BackendSuite, Harness, UrlHarness

NAME = "conformance"


def fetch(cells, name, interval, i_start, i_end):
    """Give what a read gives: `cells` is just that."""
    return {bucket: dict(row) for bucket, row in cells.items()}


class MemoryHarness(UrlHarness):
    """A store that the process shares by its name."""

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
    harness = MemoryHarness(f"memory://{NAME}")


class StoreHarness(Harness):
    """A store of the user's, one for each test."""

    disposable = True

    @contextmanager
    def target(self, colour, run):
        yield MemoryStore()


@pytest.mark.full
class TestStore(BackendSuite):
    harness = StoreHarness()


@pytest.mark.full
class TestPrivate(BackendSuite):
    """A URL at which every Timeseries has a store of its own: what needs two on one is skipped."""

    harness = UrlHarness("memory://")
