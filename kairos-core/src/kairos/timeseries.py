"""`Timeseries` and `AsyncTimeseries`: the same verbs (`kairos.verbs`), run by blocking or by awaiting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from kairos.backend import Flow
from kairos.flows import arun, run
from kairos.planning import Reading
from kairos.plans import Written
from kairos.verbs import Verbs

__all__ = ["AsyncTimeseries", "Timeseries"]

T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]
Item: TypeAlias = tuple[int, Any]
Properties: TypeAlias = dict[str, dict[str, int]]
# After how many items of `iterate` the event loop gets a turn.
_TURN = 1_000


class Timeseries(Verbs[Written, dict[int, Any], list[str], Properties, int, None, Generator[Item, None, None]]):
    """A time series in a store, through a blocking client or a URL.

    ``Timeseries(client_or_url, type='count', intervals={'minute': {'step': 60, 'steps': 240}})``
    """

    _asynchronous = False

    def _run(self, flow: Flow[Any]) -> Any:
        return run(flow)

    def _iterate(self, reading: Reading) -> Generator[Item, None, None]:
        scan = run(self._operations.scan(reading))
        while not scan.done:
            yield from run(self._operations.advance(scan))

    def __enter__(self) -> Self:
        self._operations.check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTimeseries(
    Verbs[
        Awaited[Written],
        Awaited[dict[int, Any]],
        Awaited[list[str]],
        Awaited[Properties],
        Awaited[int],
        Awaited[None],
        AsyncGenerator[Item, None],
    ]
):
    """A time series in a store, through an asynchronous client or a URL: every verb of `Timeseries`, to be awaited.

    ``iterate`` is an asynchronous generator. A backend that only blocks is kept out of the event loop: its verbs run
    one after the other in a worker thread.
    """

    _asynchronous = True

    def _run(self, flow: Flow[Any]) -> Any:
        return arun(flow)

    async def _iterate(self, reading: Reading) -> AsyncGenerator[Item, None]:
        from asyncio import sleep  # noqa: PLC0415 - asyncio is half of the time of `import kairos`, and not for all

        scan = await arun(self._operations.scan(reading))
        while not scan.done:
            for turn, item in enumerate(await arun(self._operations.advance(scan)), 1):
                yield item
                if turn % _TURN == 0:
                    await sleep(0)

    async def __aenter__(self) -> Self:
        self._operations.check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
