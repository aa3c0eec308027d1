"""How long each stage of reading takes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from inspect import isawaitable
from typing import Any

from attrs import define, field

from kairos import hookimpl

__all__ = ["Timing", "Timings"]


@define
class Timing:
    """What a stage has cost so far: how often it was called, and the seconds of all calls."""

    calls: int = 0
    seconds: float = 0.0

    def add(self, started: float) -> None:
        """Count one more call, which began at a reading of `time.perf_counter`."""
        self.calls += 1
        self.seconds += time.perf_counter() - started


@define(eq=False)
class Timings:
    """A plugin that measures: ``timings.stages["fetch"].seconds``. It wraps whatever was chosen, and changes nothing.

    Stages that a query does not have are not there. While it is in place the store computes no transforms, since
    everything has to come by.
    """

    stages: dict[str, Timing] = field(factory=dict)

    def _timed(self, stage: str, chosen: Callable[..., Any] | None) -> Callable[..., Any] | None:
        if chosen is None:
            return None
        timing = self.stages.setdefault(stage, Timing())

        async def finished(result: Awaitable[Any], started: float) -> Any:
            try:
                return await result
            finally:
                timing.add(started)

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = chosen(*arguments)
            if isawaitable(result):  # a fetch under AsyncTimeseries
                return finished(result, started)
            timing.add(started)
            return result

        # kairos looks at a transform's parameters to see whether it wants the seconds.
        timed.__wrapped__ = chosen  # type: ignore[attr-defined]
        return timed

    @hookimpl(wrapper=True)
    def fetch(self) -> Generator[None, Any, Any]:
        """Measure the reading from the store."""
        return self._timed("fetch", (yield))

    @hookimpl(wrapper=True)
    def process_row(self) -> Generator[None, Any, Any]:
        """Measure what is done with each cell."""
        return self._timed("process_row", (yield))

    @hookimpl(wrapper=True)
    def condense(self) -> Generator[None, Any, Any]:
        """Measure making one of the parts of a bucket."""
        return self._timed("condense", (yield))

    @hookimpl(wrapper=True)
    def join_rows(self) -> Generator[None, Any, Any]:
        """Measure making one of several names."""
        return self._timed("join_rows", (yield))

    @hookimpl(wrapper=True)
    def collapse(self) -> Generator[None, Any, Any]:
        """Measure making one of a range."""
        return self._timed("collapse", (yield))

    @hookimpl(wrapper=True)
    def transform(self) -> Generator[None, Any, Any]:
        """Measure each transform, all of them together."""
        return self._timed("transform", (yield))
