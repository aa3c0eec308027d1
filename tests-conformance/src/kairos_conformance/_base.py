"""What every part of the suite has: the fixtures, and the guard against silent opt-outs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from kairos_conformance._harness import Harness
from kairos_conformance._store import Colour, Store

__all__ = ["SuiteBase", "only_async", "only_blocking"]

only_async = pytest.mark.parametrize("colour", [Colour.ASYNC], indirect=True, ids=str)
only_blocking = pytest.mark.parametrize("colour", [Colour.BLOCKING], indirect=True, ids=str)


class SuiteBase:
    """Fixtures of the suite. ``harness`` says where the store is."""

    harness: ClassVar[Harness]

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Refuse a subclass that overrides a standard test, unless it is a strict xfail with a reason."""
        super().__init_subclass__(**keywords)
        for name, own in vars(cls).items():
            if not name.startswith("test_"):
                continue
            standard = any(name in vars(base) and _is_ours(base) for base in cls.__mro__[1:])
            if standard and not _is_strict_xfail(own):
                raise TypeError(
                    f"{cls.__qualname__}.{name} overrides a standard test of the suite; all that may be said of one is "
                    "@pytest.mark.xfail(strict=True, reason='…')"
                )

    def find_harness(self, config: pytest.Config) -> Harness:  # noqa: ARG002
        """The harness of this run."""
        return self.harness

    @pytest.fixture(params=list(Colour), ids=str)
    def colour(self, request: pytest.FixtureRequest) -> Colour:
        """Every test runs on Timeseries and on AsyncTimeseries."""
        found: Colour = request.param
        return found

    @pytest.fixture
    def store(self, request: pytest.FixtureRequest, colour: Colour) -> Iterator[Store]:
        """The store under test, in one colour, in a namespace of the test's own."""
        harness = self.find_harness(request.config)
        if harness.variant and _is_for_one_way(request.node):
            pytest.skip("a variant: another harness of this store runs it")
        harness.check()
        with Store(harness, colour) as store:
            yield store


def _is_for_one_way(item: Any) -> bool:
    """Whether a test would tell the same again on one more way to a store."""
    # Of the test, and not of its class: with that, somebody keeps a whole harness for a thorough run.
    if any(mark.name == "full" for mark in item.own_markers):
        return True
    # The other kinds have one colour each, and there are two of either.
    parameters = getattr(item, "callspec", None)
    return (
        parameters is not None
        and parameters.params.get("kind") == "histogram"
        and parameters.params.get("colour") is Colour.BLOCKING
    )


def _is_ours(base: type) -> bool:
    return base.__module__.partition(".")[0] == __name__.partition(".")[0]


def _is_strict_xfail(test: object) -> bool:
    return any(
        mark.name == "xfail" and mark.kwargs.get("strict") is True and mark.kwargs.get("reason")
        for mark in getattr(test, "pytestmark", ())
    )
