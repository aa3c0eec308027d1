"""The suite for whatever backend claims the scheme of a URL.

::

    pytest --pyargs kairos_conformance.suite --kairos-url URL
"""

from __future__ import annotations

import pytest

from kairos_conformance import BackendSuite, Harness, UrlHarness

__all__ = ["TestBackend"]

_harnesses: dict[str, Harness] = {}


class TestBackend(BackendSuite):
    """All standard tests, on the store of ``--kairos-url``."""

    def find_harness(self, config: pytest.Config) -> Harness:
        """The harness of the URL, one for the whole run, since it remembers what it found out."""
        url = config.getoption("--kairos-url")
        if url is None:
            raise pytest.UsageError("say which store to test: --kairos-url URL")
        harness = _harnesses.setdefault(url, UrlHarness(url))
        harness.many = config.getoption("--kairos-many")
        return harness
