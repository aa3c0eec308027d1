"""How the suite reaches a store. A harness says where it is; what it can do is read from its capabilities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import kairos
from kairos.errors import BackendNotFound, BackendUnavailable

if TYPE_CHECKING:
    from kairos.backend import Capabilities
    from kairos_conformance._store import Colour

__all__ = ["Harness", "UrlHarness"]


class Harness:
    """Where the store under test is: subclass it, or use `UrlHarness`.

    What is not a method is an attribute, to be set in the class, in its ``__init__`` or as a keyword.
    """

    url: str | None = None
    """A URL at which this process and others find the store. Without one, the tests with several processes are skipped,
    and `target` must be overridden."""
    options: Mapping[str, Any] = MappingProxyType({})
    """Keywords for the constructor of every Timeseries; other processes get them as JSON."""
    environment: str | None = None
    """The environment variable that says where the server is. If it is set, or ``CI`` is, a store that is `missing` is
    a failure, else its tests are skipped."""
    shared: bool | None = None
    """Whether two Timeseries on the same target see the same data; None: the suite finds out by trying. If they do not,
    tests that need two are skipped."""
    disposable: bool = False
    """Whether all that the store holds belongs to the tests. Only then is everything under the empty prefix deleted."""
    cleaning: bool = True
    """Whether what a test wrote is deleted at its end. False for a store that is slow to delete and goes away with the
    tests; a custom fetch of the harness has to know its prefix then."""
    fetch: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    """For each kind a custom fetch, in the form that the backend documents, that gives what the built-in read gives."""
    patience: float = 90
    """How many seconds the server may take to remove what is past, where it does that by itself."""
    many: int = 5000
    """How many values, names or buckets the tests of what is large take at most. Less for a server that is slow with
    many of them; the limits of its driver should still be passed, here or in tests of the backend's own."""
    variant: bool = False
    """Whether this is one more way to reach a store that another harness reaches too: then what would tell the same
    again is skipped, which is what is marked ``full``, and histograms in their second colour."""
    unreachable: str | None = None
    """A URL with the password ``hunter2``, where nobody answers."""
    declared: Capabilities | None = None
    """What the backend declares, once the suite has asked."""

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            if not hasattr(Harness, name):
                raise TypeError(f"a harness has no attribute {name!r}")
            setattr(self, name, value)

    @contextmanager
    def target(self, colour: Colour, run: Callable[[Any], Any]) -> Iterator[object]:  # noqa: ARG002
        """What the Timeseries of one test are opened on: a URL, or a client that lives as long as the test.

        ``run`` awaits an awaitable on the loop of the test and gives anything else back as it is, so that
        ``run(client.close())`` closes a client of either colour.
        """
        if self.url is None:
            raise NotImplementedError(f"{type(self).__name__} needs a url or a target() of its own")
        yield self.url

    def missing(self) -> str | None:
        """Why there is no store to test, in one line that says how to get one; None if there is one."""
        return None

    def plant(self) -> AbstractContextManager[Callable[[], bool]] | None:
        """Put something that kairos did not write beside what it writes, and give a function that says whether it is
        still whole. None if there is no way to.
        """
        return None

    def stored(self, kind: str, prefix: str) -> int | None:  # noqa: ARG002
        """How many cells the store holds in a namespace, visible or not, counted without kairos. None if nobody can
        say.
        """
        return None

    def check(self) -> None:
        """Skip a test whose store is missing, or fail it where the store must be there."""
        if reason := self.missing():
            demanded = os.environ.get(self.environment or "") or os.environ.get("CI", "").lower() in {"1", "true"}
            (pytest.fail if demanded else pytest.skip)(reason)


class UrlHarness(Harness):
    """A store that its URL says all about; further keywords are those of the constructor of a Timeseries."""

    _reason: str | None = None
    _asked = False

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url=url, options=options)

    def missing(self) -> str | None:
        """Asked once: a server that does not answer would otherwise be waited for in every test."""
        if not self._asked:
            self._asked = True
            try:
                with kairos.Timeseries(self.url, intervals={"minute": {"step": 60}}, **self.options) as timeseries:
                    timeseries.list()
            except (BackendNotFound, BackendUnavailable) as error:
                self._reason = f"no store to test: {error}"
        return self._reason

    def check(self) -> None:
        """Fail if nobody answers: whoever gives a URL wants it tested."""
        if reason := self.missing():
            pytest.fail(reason)
