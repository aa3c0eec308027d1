"""One implementation for both colours: a flow is a generator that yields what driver calls return.

A blocking call has already happened when its result is yielded, and the value goes straight back. An asynchronous call
yields an awaitable, which is awaited first. Errors are raised inside the flow, at the ``yield``, in both colours; so
``try``, retries and paging loops are ordinary code, written once. A bare ``yield`` gives the event loop a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from inspect import isawaitable
from types import GeneratorType
from typing import Any, ClassVar, Protocol

from attrs import define

__all__ = ["Awaiting", "Blocking", "Colour", "arun", "run"]


def run(flow: Any) -> Any:
    """Carry out a flow whose calls block, and return its value. What is not a flow is a value already."""
    if not isinstance(flow, GeneratorType):
        return flow
    reply = None
    try:
        while True:
            reply = flow.send(reply)
    except StopIteration as stop:
        return stop.value
    except RuntimeError as error:
        if isinstance(error.__cause__, StopIteration):  # a user's callable raised it; a generator may not let it out
            raise error.__cause__ from None
        raise


async def _turn() -> None:
    from asyncio import sleep  # noqa: PLC0415 - asyncio is half of the time of `import kairos`, and not for all

    await sleep(0)


async def arun(flow: Any) -> Any:
    """Carry out a flow whose calls may be awaitable, and return its value. What is not a flow is a value already, or
    an awaitable of one. A cancellation is raised inside the flow like any error, so that it can clean up.
    """
    if not isinstance(flow, GeneratorType):
        return await flow if isawaitable(flow) else flow
    resume: Any = flow.send
    argument: Any = None
    try:
        while True:
            step = resume(argument)
            try:
                if step is None:
                    step = _turn()
                resume, argument = flow.send, (await step if isawaitable(step) else step)
            except GeneratorExit:
                # Nobody awaits this coroutine any more: the flow can still clean up, but not by awaiting.
                with suppress(RuntimeError):
                    flow.close()
                raise
            except BaseException as error:  # noqa: BLE001 - the flow decides; what it does not catch comes out of throw()
                resume, argument = flow.throw, error
    except StopIteration as stop:
        return stop.value


class Colour(Protocol):
    """How a Timeseries calls its backend."""

    asynchronous: ClassVar[bool]

    def execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Carry out a verb of the backend: its value, or an awaitable of it."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent."""

    def close(self) -> None:
        """Give back what was needed to call the backend."""


class Blocking:
    """Every call blocks."""

    asynchronous: ClassVar[bool] = False

    def execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        return run(verb(*args, **keywords))

    def after_fork(self) -> None:
        return None

    def close(self) -> None:
        return None


@define(eq=False)
class Awaiting:
    """Every call is awaited; a backend that only blocks does so in one worker thread."""

    asynchronous: ClassVar[bool] = True
    in_thread: bool
    _worker: Any = None

    def execute(self, verb: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        if not self.in_thread:
            return arun(verb(*args, **keywords))
        from asyncio import get_running_loop  # noqa: PLC0415 - as above
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kairos")
        call = copy_context().run
        return get_running_loop().run_in_executor(self._worker, call, lambda: run(verb(*args, **keywords)))

    def after_fork(self) -> None:
        self._worker = None  # its thread is the parent's

    def close(self) -> None:
        if self._worker is not None:
            self._worker.shutdown(wait=False)
