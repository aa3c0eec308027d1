"""The one place where the driver's errors become kairos's own."""

from __future__ import annotations

from collections.abc import Iterator

from cassandra import (
    AuthenticationFailed,
    CoordinationFailure,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    RequestValidationException,
    Timeout,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException, ProtocolError
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import ErrorMessage, IsBootstrappingErrorMessage, OverloadedErrorMessage

from kairos.errors import BackendError, BackendUnavailable
from kairos.urls import redact

__all__ = ["DRIVER_ERRORS", "translation"]

DRIVER_ERRORS = (
    DriverException,
    NoHostAvailable,
    ConnectionException,
    ConnectionBusy,
    ProtocolError,
    NoConnectionsAvailable,
    ErrorMessage,
)
_AWAY = (
    ConnectionBusy,
    ConnectionException,
    CoordinationFailure,
    IsBootstrappingErrorMessage,
    NoConnectionsAvailable,
    NoHostAvailable,
    OperationTimedOut,
    OverloadedErrorMessage,
    Timeout,
    Unavailable,
    UnresolvableContactPoints,
)
# Refused by the server, or never sent.
_UNDONE = (
    AuthenticationFailed,
    ConnectionBusy,
    IsBootstrappingErrorMessage,
    NoConnectionsAvailable,
    OverloadedErrorMessage,
    RequestValidationException,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and the errors of the hosts in it."""
    yield error
    if isinstance(error, NoHostAvailable):
        for inner in dict(error.errors or {}).values():
            if isinstance(inner, BaseException):
                yield from _causes(inner)


def translation(error: Exception, where: str, *, writing: bool = False, sent: bool = False) -> BackendError:
    """The error to raise for one of `DRIVER_ERRORS`. ``writing`` says that the request writes, ``sent`` that another
    one of the same verb was carried out.
    """
    causes = list(_causes(error))
    unknown = sent or (writing and any(_may_have_happened(cause) for cause in causes))
    text = f"{where}: {redact(_message(error))}"
    if unknown:
        text += "; whether this write was carried out, or which part of it, is not known"
    if any(isinstance(cause, AuthenticationFailed) for cause in causes):
        return BackendError(f"{where}: the server refuses these credentials", outcome_unknown=unknown)
    if any(isinstance(cause, Unauthorized) for cause in causes):
        return BackendError(text, outcome_unknown=unknown)
    refusal = next((cause for cause in causes if isinstance(cause, InvalidRequest)), None)
    if refusal is None and isinstance(error, _AWAY):
        return BackendUnavailable(text, outcome_unknown=unknown)
    if "maximum supported expiration date" in text:
        text += (
            "; such a server runs with storage_compatibility_mode CASSANDRA_4, in which nothing lives past 2038: set "
            "it to NONE, or give the interval fewer steps"
        )
    return BackendError(text, outcome_unknown=unknown)


def _message(error: Exception) -> str:
    if isinstance(error, NoHostAvailable):
        hosts = "; ".join(f"{host}: {inner}" for host, inner in dict(error.errors or {}).items())
        return f"no host of the cluster answers ({hosts or 'none is known to be up'})"
    return " ".join(str(error).split()) or type(error).__name__


def _may_have_happened(error: BaseException) -> bool:
    """Whether a write that failed so may have been carried out."""
    return not isinstance(error, (*_UNDONE, NoHostAvailable))
