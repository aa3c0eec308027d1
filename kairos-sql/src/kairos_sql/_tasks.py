"""What becomes of a verb whose task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import sqlalchemy as sa

__all__ = ["interruptible", "to_its_end"]

T = TypeVar("T")


async def interruptible(connection: Any, work: Callable[[sa.Connection], T]) -> T:
    """Do it on an AsyncConnection. If it is cancelled, psycopg may come out of it with another error, and with a
    connection that still has to get the answers of what it has sent: the next to use it would take them for its own.
    """
    try:
        found: T = await connection.run_sync(work)
    except Exception as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            await connection.invalidate()
            raise asyncio.CancelledError from error
        raise
    return found


async def to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await what cannot be interrupted: a cancellation waits for its end, as it would have to for the driver's thread.
    So a write is done or not done when the cancellation is raised, and no transaction is left open.
    """
    task = asyncio.ensure_future(call)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody else will ask for it
        raise cancelled
    return task.result()
