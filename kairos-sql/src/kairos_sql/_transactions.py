"""How the statements of a verb become transactions, in as few round trips as can be.

The engine that kairos opens for a server commits each statement by itself, so that a verb of one statement is one round
trip; several are put between BEGIN and COMMIT. An engine of the user's has transactions, and stays as it is: only where
the driver need not tell the server, a single statement is sent without one.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from attrs import Factory, field, frozen

from kairos_sql._dialects import Dialect
from kairos_sql._errors import UnknownOutcome

__all__ = ["Transactions"]

T = TypeVar("T")

# Windows has none, but there select takes sockets of any number.
_poll: Any = getattr(select, "poll", None)


@frozen
class Transactions:
    """On one engine. ``explicit`` tells whether it commits each statement by itself; ``where`` is its URL;
    ``committing`` is entered around what commits.
    """

    own: Dialect
    explicit: bool
    where: str
    committing: UnknownOutcome = field(
        init=False, default=Factory(lambda self: UnknownOutcome(self.where), takes_self=True)
    )

    @contextmanager
    def begin(self, connection: sa.Connection) -> Iterator[None]:
        """Several statements: all of them are carried out at the end, or none if it ends by an error."""
        if self.explicit:
            connection.exec_driver_sql("BEGIN")
        try:
            yield
            with self.committing:
                if self.explicit:
                    connection.exec_driver_sql("COMMIT")
                else:
                    connection.commit()
        except BaseException:
            self._roll_back(connection)
            raise

    @contextmanager
    def trial(self, connection: sa.Connection) -> Iterator[None]:
        """Statements of the user's, none of which is carried out."""
        if self.explicit:
            connection.exec_driver_sql("BEGIN")
            # For SQLAlchemy alone, which tells the server nothing on such an engine: the user may begin one as usual.
            connection.rollback()
        try:
            yield
        finally:
            if self.explicit and connection.closed:  # given back as it was: no other verb may get it
                connection.engine.dispose()
            elif self.explicit:
                self._roll_back(connection)
            elif not connection.closed:
                connection.connection.rollback()  # of what was done past SQLAlchemy too

    def _roll_back(self, connection: sa.Connection) -> None:
        """A connection that is lost or given up needs none, and one of the user's gets it when it is given back."""
        if self.explicit and not connection.invalidated:
            try:
                connection.exec_driver_sql("ROLLBACK")
            except Exception:  # noqa: BLE001 - whatever it is, the connection is of no use any more
                connection.invalidate()

    def reading(self, work: Callable[[sa.Connection], T]) -> Callable[[sa.Connection], T]:
        """A function that only reads, without a transaction where that saves round trips."""
        if self.explicit or not self.own.switches:
            return work
        return lambda connection: work(_autocommit(connection))

    def single(self, connection: sa.Connection) -> sa.Connection | None:
        """The connection on which one statement that writes commits by itself; None if it needs a transaction. It does
        if the server may be gone: its BEGIN finds that out, while the outcome of the statement would be unknown.
        """
        if not (self.explicit or self.own.switches) or not _untouched(connection):
            return None
        return connection if self.explicit else _autocommit(connection)


def _autocommit(connection: sa.Connection) -> sa.Connection:
    """The same connection, on which each statement commits by itself until it is given back."""
    return connection.execution_options(isolation_level="AUTOCOMMIT")


def _untouched(connection: sa.Connection) -> bool:
    """Whether the connection is there, and nothing has come from the server since it was used last, as far as this can
    be told without asking: what comes to an idle connection is its end, of which no driver knows before it is used.
    """
    driver: Any = connection.connection.driver_connection
    stream: Any = getattr(driver, "_sock", driver)  # PyMySQL's; those of libpq have a fileno of their own
    if (transport := getattr(driver, "_transport", None)) is not None:  # asyncpg, asyncmy
        stream = None if transport.is_closing() else transport.get_extra_info("socket")
    if not hasattr(stream, "fileno") or getattr(stream, "closed", False):
        return False
    if _poll is None:
        return not select.select([stream], [], [], 0)[0]
    waiting = _poll()
    waiting.register(stream, select.POLLIN)
    return not waiting.poll(0)
