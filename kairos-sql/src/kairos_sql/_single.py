"""Statements that are transactions by themselves, where that saves the round trips of BEGIN and COMMIT."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from kairos_sql._dialects import Dialect

__all__ = ["autocommit", "reading", "untouched"]

T = TypeVar("T")


def autocommit(connection: sa.Connection) -> sa.Connection:
    """The same connection, on which each statement commits by itself until it goes back to the pool."""
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def reading(own: Dialect, work: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
    """A function that only reads, without a transaction where that saves round trips."""
    return (lambda connection: work(autocommit(connection))) if own.single else work


def untouched(connection: sa.Connection) -> bool:
    """Whether nothing came from the server since the connection was used last, as far as this can be told without
    asking. What comes to an idle connection is its end, of which the driver does not know before it sends something:
    and a statement that commits by itself, sent to nobody, would have to be reported as one of unknown outcome.
    """
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "is_closed"):  # asyncpg: the event loop reads what comes
        return not driver.is_closed()
    if getattr(driver, "closed", True) or not hasattr(driver, "fileno"):
        return False
    if not hasattr(select, "poll"):  # Windows, where numbers of sockets may be of any size
        return not select.select([driver], [], [], 0)[0]
    waiting = select.poll()
    waiting.register(driver, select.POLLIN)
    return not waiting.poll(0)
