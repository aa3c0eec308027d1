"""The one place where the driver's exceptions become kairos's own."""

from __future__ import annotations

from typing import Any

from kairos.errors import BackendError, BackendUnavailable, CountOverflow
from kairos.urls import redact

__all__ = ["translated"]

# Replies of a server that is there and cannot serve now: it is loading, or no longer the primary.
_ABSENT = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS")


def translated(error: BaseException, exceptions: Any, *, unknown: bool) -> BackendError:
    """A `BackendError` for an exception of the driver. ``unknown``: something may have been written."""
    text = redact(str(error)) or type(error).__name__
    if isinstance(error, exceptions.AuthenticationError):
        return BackendError(f"the server does not let us in: {text}")
    if isinstance(error, (exceptions.ConnectionError, exceptions.TimeoutError, OSError)):
        sent = unknown and not _connecting(error)
        return BackendUnavailable(_unknown(text) if sent else text, outcome_unknown=sent)
    if isinstance(error, exceptions.ResponseError):
        if "would overflow" in text:
            return CountOverflow(text, outcome_unknown=unknown)
        if text.startswith(_ABSENT) or isinstance(error, (exceptions.ReadOnlyError, exceptions.ClusterDownError)):
            return BackendUnavailable(text, outcome_unknown=unknown)
        if isinstance(error, exceptions.OutOfMemoryError):
            text = f"the server is out of memory and took no more: {text}"
    return BackendError(text, outcome_unknown=unknown)


def _connecting(error: BaseException) -> bool:
    """Whether it was while a connection was made, so that nothing can have been sent."""
    return "connecting to" in str(error) or type(error).__name__ in {"MasterNotFoundError", "SlotNotCoveredError"}


def _unknown(text: str) -> str:
    return f"{text}; it is not known whether the write was carried out, so it was not repeated"
