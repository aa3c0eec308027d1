"""What a test works with: the store under test, in one colour, in a namespace of the test's own.

Each test is written once, as a plain function. In both colours ``ts.get(…)`` returns what was read: a blocking
Timeseries is called, an asynchronous one is awaited on the test's own event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from enum import StrEnum
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pytest

import kairos
from kairos.kinds import KINDS
from kairos_conformance._awaiting import awaited
from kairos_conformance._samples import MINUTE

if TYPE_CHECKING:
    from types import TracebackType

    from kairos.backend import Backend, Capabilities
    from kairos.plans import Query, Rows
    from kairos_conformance._harness import Harness

__all__ = ["Client", "Clock", "Colour", "ReadLog", "Store"]

_DONE = object()
__tracebackhide__ = True  # a failure is not here


class Colour(StrEnum):
    """Which of the two classes a test runs on."""

    BLOCKING = "blocking"
    ASYNC = "async"


class Clock:
    """A clock that stands still until a test moves it. It starts at the real now, since servers have their own."""

    def __init__(self) -> None:
        self.started = int(time.time())
        self.now: float = self.started
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def restart(self) -> None:
        """Go back to the beginning of the test."""
        self.now = self.started


class ReadLog:
    """A plugin that notes each read of a Timeseries: what was asked for, and what came back."""

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.rows: list[Rows] = []

    def clear(self) -> None:
        """Forget what was noted."""
        self.queries.clear()
        self.rows.clear()

    @kairos.hookimpl(wrapper=True)
    def fetch(self, context: kairos.HookContext) -> Generator[None, Any, Callable[[Query], Any]]:  # noqa: ARG002
        """Go around whatever reads."""
        inner = yield

        async def later(rows: Awaitable[Rows]) -> Rows:
            return note(await rows)

        def note(rows: Rows) -> Rows:
            self.rows.append(rows)
            return rows

        def read(query: Query) -> Any:
            self.queries.append(query)
            rows = inner(query)
            return later(rows) if isawaitable(rows) else note(rows)

        return read


class Client:
    """A Timeseries in either colour. Every verb returns its result; ``iterate`` returns an iterator."""

    def __init__(self, timeseries: Any, run: Callable[[Any], Any]) -> None:
        self.timeseries = timeseries
        self.closed = False
        self._run = run

    @property
    def backend(self) -> Backend:
        """The backend's own object."""
        found: Backend = self.timeseries.backend
        return found

    @property
    def capabilities(self) -> Capabilities:
        """What the backend declares."""
        found: Capabilities = self.timeseries.capabilities
        return found

    def insert(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.insert`."""
        return self._run(self.timeseries.insert(*args, **keywords))

    def bulk_insert(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.bulk_insert`."""
        return self._run(self.timeseries.bulk_insert(*args, **keywords))

    def get(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.get`."""
        return self._run(self.timeseries.get(*args, **keywords))

    def series(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.series`."""
        return self._run(self.timeseries.series(*args, **keywords))

    def iterate(self, *args: Any, **keywords: Any) -> Generator[Any, None, None]:
        """As `Timeseries.iterate`."""
        items = self.timeseries.iterate(*args, **keywords)
        if not hasattr(items, "__anext__"):
            yield from items
            return
        try:
            while (item := self._run(anext(items, _DONE))) is not _DONE:
                yield item
        finally:
            self._run(items.aclose())

    def list(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.list`."""
        return self._run(self.timeseries.list(*args, **keywords))

    def properties(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.properties`."""
        return self._run(self.timeseries.properties(*args, **keywords))

    def delete(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.delete`."""
        return self._run(self.timeseries.delete(*args, **keywords))

    def delete_all(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.delete_all`."""
        return self._run(self.timeseries.delete_all(*args, **keywords))

    def expire(self, *args: Any, **keywords: Any) -> Any:
        """As `Timeseries.expire`."""
        return self._run(self.timeseries.expire(*args, **keywords))

    def close(self) -> None:
        """As `Timeseries.close`."""
        self.closed = True
        self._run(self.timeseries.close())


class Store:
    """The store under test, in one colour, with a clock and a namespace of one test's own.

    ``open`` gives Timeseries on it. When the test ends, what it wrote is deleted, and nothing else, unless the
    harness does without.
    """

    def __init__(self, harness: Harness, colour: Colour) -> None:
        self.harness = harness
        self.colour = colour
        self.clock = Clock()
        self.namespace = f"conformance-{uuid4().hex[:12]}"
        self._stack = ExitStack()
        self._opened: dict[tuple[Any, ...], list[Client]] = {}

    def __enter__(self) -> Self:
        if self.colour is Colour.ASYNC:
            self._loop = self._stack.enter_context(asyncio.Runner()).get_loop()
        self.target = self._stack.enter_context(self.harness.target(self.colour, self.run))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for (_, prefix, *_), clients in self._opened.items():
                for number, client in enumerate(client for client in clients if not client.closed):
                    self._stack.callback(client.close)
                    if number == 0 and (self.harness.cleaning if prefix else self.harness.disposable):
                        self._stack.callback(client.delete_all)

    def run(self, result: Any) -> Any:
        """The value of what a call gave: as it is, or awaited on the loop of this test."""
        return self._loop.run_until_complete(awaited(result)) if isawaitable(result) else result

    def open(
        self,
        kind: str | None = "series",
        intervals: Mapping[str, Mapping[str, Any]] = MINUTE,
        *,
        prefix: str | None = None,
        clock: Callable[[], float] | None = None,
        value_type: Any = ...,
        **keywords: Any,
    ) -> Client:
        """A Timeseries on the store. Values are ints unless a test says otherwise, so that they read the same on
        every backend. ``kind=None`` leaves out the type, ``value_type=None`` is the backend's own default.
        """
        prefix = self.namespace if prefix is None else prefix
        given = self.keywords(kind, value_type) | keywords
        space = (kind, prefix.removesuffix(":"), given.get(self.capabilities.typed_container or ""))
        if space in self._opened and not self.shared:
            pytest.skip("every Timeseries on this target has a store of its own, and this test needs two on one")
        client = self._make(intervals=intervals, prefix=prefix, clock=clock or self.clock, **given)
        self._opened.setdefault(space, []).append(client)
        return client

    def keywords(self, kind: str | None, value_type: Any = ...) -> dict[str, Any]:
        """What the constructor is told of a kind and its type of values."""
        if value_type is ...:
            value_type = None if kind == "count" else "int"
        given = {**self.harness.options, "value_type": value_type}
        if kind is not None:
            given["type"] = kind
        container = self.capabilities.typed_container
        if container is not None and value_type is not None:
            named = value_type if isinstance(value_type, str) else getattr(value_type, "__name__", "")
            given[container] = f"kairos_{kind}_{named.lower() or 'other'}"
        return given

    def _make(self, **keywords: Any) -> Client:
        factory = kairos.Timeseries if self.colour is Colour.BLOCKING else kairos.AsyncTimeseries
        return Client(factory(self.target, **keywords), self.run)

    @property
    def capabilities(self) -> Capabilities:
        """What the backend declares, on the production object."""
        if self.harness.declared is None:
            client = self._make(intervals=MINUTE, **self.harness.options)
            self.harness.declared = client.capabilities
            client.close()
        return self.harness.declared

    @property
    def shared(self) -> bool:
        """Whether two Timeseries on the target see the same data."""
        if self.harness.shared is None:
            one, other = (
                self._make(type="count", intervals=MINUTE, prefix=f"{self.namespace}-probe", **self.harness.options)
                for _ in range(2)
            )
            one.insert("probe", timestamp=0)
            mine, its = (client.get("probe", "minute", timestamp=0) for client in (one, other))
            self.harness.shared = mine == its  # a store that loses everything is not private but broken
            one.delete_all()
            one.close()
            other.close()
        return self.harness.shared

    def can_narrow(self, kind: str) -> bool:
        """Whether a range of buckets of this kind can be deleted."""
        return KINDS[kind].shape in self.capabilities.narrow_delete

    def expires_natively(self, kind: str) -> bool:
        """Whether the server removes what is past of this kind."""
        return KINDS[kind].shape in self.capabilities.native_expiry

    @property
    def quiet_step(self) -> int:
        """A step of one to two hours in whose middle the clock stands now: no border of a bucket comes by while a
        test runs, on the clock of a server neither.
        """
        now = int(self.clock.now)
        return next(step for step in range(3600, 7200, 60) if step // 4 <= now % step <= step - step // 4)

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """Make calls on ``client.timeseries`` at the same time: in threads, or as tasks of one loop."""
        if self.colour is Colour.BLOCKING:
            with ThreadPoolExecutor(len(calls)) as pool:
                return [future.result() for future in [pool.submit(call) for call in calls]]

        async def gather() -> list[Any]:
            return await asyncio.gather(*(awaited(call()) for call in calls))

        found: list[Any] = self.run(gather())
        return found
