"""The one place where PyMongo's errors become kairos's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.errors import BSONError
from pymongo import errors as driver

from kairos.errors import BackendError, BackendUnavailable, ConfigurationError, CountOverflow, InvalidValue
from kairos.urls import redact

__all__ = ["DRIVER_ERRORS", "DUPLICATE", "TOO_LARGE", "is_foreign_loop", "translation"]

DUPLICATE = 11000
# The document would be too large and was not changed: by $push and $addToSet, by another update, by an upsert.
TOO_LARGE = frozenset({10334, 17419, 17420})
_BAD_VALUE = 2
_CONFLICTING_INDEX = frozenset({85, 86})
_UNAUTHENTICATED = frozenset({18, 8000})
# How the monitor of a client says it, which has no code: the server counts as away, since nobody gets in.
_REFUSED = "authentication failed"
# RuntimeError is here for `is_foreign_loop` alone; whoever catches these passes on the others.
DRIVER_ERRORS = (driver.PyMongoError, BSONError, RuntimeError)
# Raised before anything is sent. (Not so WaitQueueTimeoutError: it may be the driver's second attempt that waited.)
_UNSENT = (driver.ServerSelectionTimeoutError, driver.ConfigurationError)
# ExceededTimeLimit, ClientDisconnect, Interrupted, ClientMarkedKilled: a part of a batch may have been carried out.
_INTERRUPTED = frozenset({262, 279, 11601, 46841})
# PyMongo's `with_transaction` repeats a transaction for an error of PyMongo's class that has this label.
_TRANSIENT = "TransientTransactionError"


def is_foreign_loop(error: BaseException) -> bool:
    """Whether PyMongo says that its client belongs to another event loop. It has no class of its own for that."""
    return isinstance(error, RuntimeError) and "different event loop" in str(error)


class _Labelled(driver.PyMongoError):
    """Has the labels of the driver's error that it was raised from."""

    def has_error_label(self, label: str) -> bool:
        cause = self.__cause__
        return isinstance(cause, driver.PyMongoError) and cause.has_error_label(label)


class _Transient(BackendError, _Labelled):
    pass


class _TransientlyUnavailable(BackendUnavailable, _Labelled):
    pass


def translation(  # noqa: PLR0911 - one return for each family of errors
    error: Exception, where: str, *, writing: bool = False, sent: bool = False
) -> Exception:
    """The error to raise for one of `DRIVER_ERRORS`. ``writing`` says that the call writes, ``sent`` that an earlier
    one of the same verb did.
    """
    text = f"{where}: {redact(_message(error))}"
    if isinstance(error, RuntimeError):
        return BackendError(
            f"{where}: an asynchronous client serves the event loop in which it was first used; open an "
            "AsyncTimeseries in each asyncio.run",
            outcome_unknown=sent,
        )
    if writing and isinstance(error, (BSONError, driver.DocumentTooLarge)):
        return InvalidValue(text)
    if isinstance(error, driver.BulkWriteError):
        return _bulk(error.details, where, sent=sent)
    unknown = sent or (writing and _may_have_happened(error))
    if _REFUSED in text.lower() or (isinstance(error, driver.OperationFailure) and error.code in _UNAUTHENTICATED):
        return BackendError(f"{where}: the server refuses these credentials", outcome_unknown=unknown)
    transient = isinstance(error, driver.PyMongoError) and error.has_error_label(_TRANSIENT)
    if isinstance(error, driver.ConnectionFailure) or getattr(error, "timeout", False) or "DNS" in text:
        return (_TransientlyUnavailable if transient else BackendUnavailable)(text, outcome_unknown=unknown)
    if isinstance(error, driver.OperationFailure) and error.code in _CONFLICTING_INDEX:
        return ConfigurationError(f"collection: an index of {text} is in the way")
    return (_Transient if transient else BackendError)(text, outcome_unknown=unknown)


def _may_have_happened(error: Exception) -> bool:
    """Whether a write that failed so may still have been carried out: the connection or the time broke off, or the
    server did it and could not confirm it as the write concern asks.
    """
    if isinstance(error, _UNSENT):
        return False
    if isinstance(error, driver.OperationFailure) and error.code in _INTERRUPTED:
        return True
    timed_out = isinstance(error, driver.PyMongoError) and error.timeout
    return timed_out or isinstance(error, (driver.ConnectionFailure, driver.WriteConcernError, driver.ExecutionTimeout))


def _message(error: Exception) -> str:
    """The driver's text without what it appends: the whole reply, or all that it knows of the servers."""
    return str(error).partition(", full error: ")[0].partition(", Timeout: ")[0]


def _bulk(details: Mapping[str, Any], where: str, *, sent: bool) -> Exception:
    for one in details["writeErrors"]:
        text = f"{where}: error {one['code']}: {one['errmsg']}"
        if one["code"] == _BAD_VALUE and "$inc" in one["errmsg"]:
            text = f"{where}: a count would leave 64 bits; it is unchanged ({one['errmsg']})"
            return CountOverflow(text, outcome_unknown=sent)
        return BackendError(text, outcome_unknown=sent)
    concern = details["writeConcernErrors"][0]
    return BackendError(f"{where}: error {concern['code']}: {concern['errmsg']}", outcome_unknown=True)
