"""The one place where the errors of SQLAlchemy and of the drivers become kairos's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from kairos.errors import BackendError, BackendUnavailable, CountOverflow, InvalidValue
from kairos_sql._dialects import Dialect

__all__ = ["refusing", "translated", "unknown_outcome"]


@contextmanager
def translated(own: Dialect, where: str) -> Iterator[None]:
    """Raise a `BackendError` for what SQLAlchemy raises, with the driver's words and without the parameters."""
    try:
        yield
    except exc.DBAPIError as error:
        cause = error.orig
        assert cause is not None
        if own.overflow(cause):
            raise CountOverflow("a count would leave 64 bits; nothing of this batch was added") from error
        unavailable = error.connection_invalidated or own.unavailable(cause)
        raise (BackendUnavailable if unavailable else BackendError)(f"{where}: {cause}") from error
    except exc.TimeoutError as error:
        raise BackendUnavailable(f"{where}: {error}") from error
    except exc.SQLAlchemyError as error:
        raise BackendError(f"{where}: {error}") from error


@contextmanager
def unknown_outcome(where: str) -> Iterator[None]:
    """Around a COMMIT: if the connection breaks now, the database may have carried it out."""
    try:
        yield
    except exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise BackendUnavailable(
            f"{where}: the connection broke while the batch was committed, so it may or may not be written: {error.orig}",
            outcome_unknown=True,
        ) from error


@contextmanager
def refusing() -> Iterator[None]:
    """Around the sending of values: what is wrong with a value, and not with the database, is an `InvalidValue`."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValue(f"the driver refuses a value: {error}") from error
    except (exc.ProgrammingError, exc.InterfaceError) as error:
        if "binding parameter" not in str(error.orig):
            raise
        raise InvalidValue(f"the driver refuses a value: {error.orig}") from error
