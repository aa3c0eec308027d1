"""`Timeseries` and `AsyncTimeseries`: the same verbs (`kairos.verbs`), run by blocking or by awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeAlias

from kairos.backend import Flow
from kairos.flows import arun, run
from kairos.planning import Reading
from kairos.plans import Written
from kairos.verbs import Verbs

__all__ = ["AsyncTimeseries", "Timeseries"]

Properties: TypeAlias = dict[str, dict[str, int]]


class Timeseries(Verbs[Written, dict[int, Any], list[str], Properties, int, None, Iterator[tuple[int, Any]]]):
    """A time series in a store, through a blocking client or a URL.

    ``Timeseries(client_or_url, type='count', intervals={'minute': {'step': 60, 'steps': 240}})``
    """

    _asynchronous = False

    def _run(self, flow: Flow[Any]) -> Any:
        return run(flow)

    def _execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        return run(verb(*args, **keywords))

    def _iterate(self, reading: Reading) -> Iterator[tuple[int, Any]]:
        for window in run(self._windows(reading)):
            rows = run(self._rows(window))
            yield from window.pipeline.items(rows, window.query.first, window.query.last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTimeseries(
    Verbs[
        Awaitable[Written],
        Awaitable[dict[int, Any]],
        Awaitable[list[str]],
        Awaitable[Properties],
        Awaitable[int],
        Awaitable[None],
        AsyncIterator[tuple[int, Any]],
    ]
):
    """A time series in a store, through an asynchronous client or a URL: every verb of `Timeseries`, to be awaited.

    ``iterate`` is an asynchronous iterator. A backend that only blocks is kept out of the event loop: its verbs run one
    after the other in a worker thread.
    """

    _asynchronous = True
    _worker: ThreadPoolExecutor | None = None

    def _run(self, flow: Flow[Any]) -> Any:
        return arun(flow)

    def _execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        if not self.backend.blocking:
            return arun(verb(*args, **keywords))
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kairos")
        return asyncio.get_running_loop().run_in_executor(self._worker, lambda: run(verb(*args, **keywords)))

    def _after_fork(self) -> None:
        self._worker = None  # its thread is the parent's
        super()._after_fork()

    def _close(self) -> Flow[None]:
        yield from super()._close()
        if self._worker is not None:
            self._worker.shutdown(wait=False)

    async def _iterate(self, reading: Reading) -> AsyncIterator[tuple[int, Any]]:
        for window in await arun(self._windows(reading)):
            rows = await arun(self._rows(window))
            for item in window.pipeline.items(rows, window.query.first, window.query.last):
                yield item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
