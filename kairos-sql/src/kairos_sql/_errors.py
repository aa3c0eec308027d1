"""The one place where the errors of SQLAlchemy and of the drivers become kairos's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from kairos.errors import BackendError, BackendUnavailable, CountOverflow, InvalidValue
from kairos_sql._dialects import Dialect

__all__ = ["refusing", "translated", "unknown_outcome"]


@contextmanager
def translated(own: Dialect, driver_error: type[Exception], where: str) -> Iterator[None]:
    """Raise a `BackendError` for what SQLAlchemy raises, with the driver's words and without the parameters; and for
    the errors of the driver itself, from which rows are fetched.
    """
    try:
        yield
    except exc.DBAPIError as error:
        raise _translation(own, error.orig or error, where, lost=error.connection_invalidated) from error
    except driver_error as error:
        raise _translation(own, error, where, lost=False) from error
    except exc.TimeoutError as error:
        raise BackendUnavailable(f"{where}: {error}") from error
    except exc.SQLAlchemyError as error:
        raise BackendError(f"{where}: {error.args[0] if error.args else error!r}") from error


def _translation(own: Dialect, cause: BaseException, where: str, *, lost: bool) -> BackendError:
    if own.overflow(cause):
        return CountOverflow("a count would leave 64 bits; nothing of this batch was added")
    return (BackendUnavailable if lost or own.unavailable(cause) else BackendError)(f"{where}: {cause}")


@contextmanager
def unknown_outcome(where: str) -> Iterator[None]:
    """Around a COMMIT: if the connection breaks now, the database may have carried it out."""
    try:
        yield
    except exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise BackendUnavailable(
            f"{where}: the connection broke in COMMIT, so it may have been carried out or not: {error.orig}",
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
