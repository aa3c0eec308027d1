"""One implementation for both colours: a flow is a generator that yields what driver calls return.

A blocking call has already happened when its result is yielded, and the value goes straight back. An asynchronous call
yields an awaitable, which is awaited first. Errors are raised inside the flow, at the ``yield``, in both colours; so
``try``, retries and paging loops are ordinary code, written once. A bare ``yield`` gives the event loop a turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeVar

__all__ = ["arun", "run"]

T = TypeVar("T")


def run(flow: Any) -> Any:
    """Carry out a flow whose calls block, and return its value. What is not a flow is a value already."""
    if not isinstance(flow, Generator):
        return flow
    reply = None
    try:
        while True:
            reply = flow.send(reply)
    except StopIteration as stop:
        return stop.value


async def arun(flow: Any) -> Any:
    """Carry out a flow whose calls may be awaitable, and return its value. What is not a flow is a value already, or
    an awaitable of one. A cancellation is raised inside the flow like any error, so that it can clean up.
    """
    if not isinstance(flow, Generator):
        return await flow if isawaitable(flow) else flow
    resume: Any = flow.send
    argument: Any = None
    try:
        while True:
            step = resume(argument)
            try:
                if step is None:
                    step = asyncio.sleep(0)
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
