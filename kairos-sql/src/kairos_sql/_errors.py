"""The one place where the errors of SQLAlchemy and of the drivers become kairos's own."""

from __future__ import annotations

import random
import time
from typing import Any

import sqlalchemy as sa
from attrs import define, field, frozen
from sqlalchemy import exc

from kairos.errors import BackendError, BackendUnavailable, CountOverflow, InvalidValue, KairosError
from kairos_sql._dialects import Dialect
from kairos_sql._verdicts import Verdict

__all__ = ["Attempts", "Refusing", "Translated", "UnknownOutcome"]

# How often a transaction is begun, and for how many seconds, as long as others are in its way.
_ATTEMPTS = 20
_PATIENCE = 30.0


@define(eq=False)
class Attempts:
    """Whether a transaction that failed is begun again.

    It is if the server has rolled it back because of another one, and once if its connection is lost, for instance
    since the server was restarted while the connection lay in the pool. In both cases nothing of it was committed; a
    COMMIT whose outcome is unknown does not get here (`UnknownOutcome`).
    """

    _own: Dialect
    _begun: float = field(init=False, factory=time.monotonic)
    _failed: int = field(init=False, default=0)
    _lost: bool = field(init=False, default=False)

    def pause(self, error: exc.DBAPIError) -> float | None:
        """How many seconds to wait before the next attempt; None if there is none."""
        if error.connection_invalidated:
            again, self._lost = not self._lost, True
            return 0.0 if again else None
        self._failed += 1
        again = error.orig is not None and self._own.judge(error.orig) is Verdict.AGAIN
        if not again or self._failed >= _ATTEMPTS or time.monotonic() - self._begun > _PATIENCE:
            return None
        # Those that were in each other's way shall not meet again.
        return random.uniform(0, min(0.5, 0.005 * 2**self._failed))  # noqa: S311 - no secret


# Those that follow are entered by each verb or write: as generators they would take several times as long.


@frozen
class Translated:
    """Around a verb: raise a `BackendError` for what SQLAlchemy raises, with the driver's words and without the
    parameters; and for the errors of the driver itself, by which rows are fetched and some of them connect. ``counts``
    tells whether the table holds counts, which may overflow.
    """

    _own: Dialect
    _dialect: sa.Dialect
    _where: str
    _counts: bool

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (found := self._translation(error)) is not None:
            raise found from error

    def _translation(self, error: BaseException) -> KairosError | None:
        match error:
            case KairosError():
                return None
            case exc.DBAPIError():
                return self._of_driver(error.orig or error, lost=error.connection_invalidated)
            case exc.TimeoutError():
                return BackendUnavailable(f"{self._where}: {error}")
            case exc.SQLAlchemyError():
                return BackendError(f"{self._where}: {error.args[0] if error.args else error!r}")
        return self._of_driver(error, lost=False) if isinstance(error, _drivers_own(self._dialect)) else None

    def _of_driver(self, cause: BaseException, *, lost: bool) -> KairosError:
        verdict = Verdict.UNAVAILABLE if lost else self._own.judge(cause)
        if verdict is Verdict.OVERFLOW and self._counts:
            return CountOverflow("a count would leave 64 bits; nothing of this batch was added")
        if verdict in {Verdict.OVERFLOW, Verdict.REFUSED}:
            return InvalidValue(f"{self._where}: the database refuses a value: {cause}")
        return (BackendUnavailable if verdict is Verdict.UNAVAILABLE else BackendError)(f"{self._where}: {cause}")


def _drivers_own(dialect: sa.Dialect) -> tuple[type[Exception], ...]:
    """What a driver raises where SQLAlchemy does not look: asyncpg is behind an adapter with errors of its own, and
    lets out those of the socket.
    """
    module: Any = dialect.loaded_dbapi
    asyncpg = getattr(module, "asyncpg", None)
    return (OSError, module.Error, *(() if asyncpg is None else (asyncpg.PostgresError, asyncpg.InterfaceError)))


@frozen
class UnknownOutcome:
    """Around what commits: if the connection breaks now, the database may have carried it out."""

    _where: str

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        lost = isinstance(error, OSError) or (isinstance(error, exc.DBAPIError) and error.connection_invalidated)
        if lost:
            raise BackendUnavailable(
                f"{self._where}: the connection broke while a write was committed, which may have been carried out or"
                f" not: {getattr(error, 'orig', error)}",
                outcome_unknown=True,
            ) from error


class Refusing:
    """Around the sending of values: what is wrong with a value, and not with the database, is an `InvalidValue`."""

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        plain = isinstance(error, (TypeError, ValueError, OverflowError))
        if plain or (isinstance(error, exc.DBAPIError) and _about_a_value(error)):
            raise InvalidValue(f"the driver refuses a value: {getattr(error, 'orig', error)}") from error


def _about_a_value(error: exc.DBAPIError) -> bool:
    """Whether the driver has refused a value before it sent anything: such an error has no code of the server's."""
    orig: Any = error.orig
    if any(getattr(orig, code, None) for code in ("sqlstate", "pgcode", "sqlite_errorcode")):
        return False
    words = ("binding parameter", "can't adapt", "cannot adapt", "invalid input for query argument")
    return isinstance(error, exc.DataError) or any(word in str(orig) for word in words)
