"""The one place where the driver's exceptions become kairos's own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from attrs import field, frozen

from kairos.errors import BackendError, BackendUnavailable, CountOverflow
from kairos.urls import redact

__all__ = ["Errors"]

# Replies of a server that is there and cannot serve now: it is loading, busy with a script, or no longer the primary.
_ABSENT = ("BUSY ", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN")
# What the drivers say when they have no connection, so that nothing can have been sent.
_UNCONNECTED = ("connecting to", "max number of clients", "No connection available")


@frozen
class Errors:
    """The exceptions of a driver, by the name of its package. valkey-py names two of them otherwise than redis-py."""

    package: str
    named: Any = field(init=False)
    """The driver's module of exceptions."""
    every: tuple[type[Exception], ...] = field(init=False)
    """Whatever a call of the driver raises when something fails; a reply may not be text, although it should be."""

    @named.default
    def _named(self) -> Any:
        return import_module(f"{self.package}.exceptions")

    @every.default
    def _every(self) -> tuple[type[Exception], ...]:
        driver = self.package.title()
        base, cluster = getattr(self.named, f"{driver}Error"), getattr(self.named, f"{driver}ClusterException")
        return base, cluster, OSError, UnicodeDecodeError

    def replied(self, error: BaseException) -> bool:
        """Whether the server has answered, with an error: it did not carry out the command."""
        return isinstance(error, (self.named.ResponseError, self.named.BusyLoadingError, self.named.ClusterError))

    def unconnected(self, error: BaseException) -> bool:
        """Whether there was no connection to send anything through."""
        return (
            isinstance(error, self.named.AuthenticationError)
            or type(error).__name__ in {"MasterNotFoundError", "MaxConnectionsError", "SlotNotCoveredError"}
            or any(text in str(error) for text in _UNCONNECTED)
        )

    def translated(self, error: BaseException, *, unknown: bool, key: object = None) -> BackendError:
        """A `BackendError` for an exception. ``unknown``: something may have been written. ``key``: which it was."""
        text = redact(str(error)) or type(error).__name__
        if self.replied(error):
            if isinstance(key, bytes):
                text = f"{text} [key {key.decode()}]"
            return self._of_a_reply(error, text, unknown=unknown)
        if isinstance(error, self.named.AuthenticationError):
            return BackendError(f"the server does not let us in: {text}", outcome_unknown=unknown)
        if unknown:
            text = f"{text}; it is not known whether the write was carried out, so it was not repeated"
        if isinstance(error, (self.named.ConnectionError, self.named.TimeoutError, OSError, self.every[1])):
            return BackendUnavailable(text, outcome_unknown=unknown)
        return BackendError(text, outcome_unknown=unknown)

    def _of_a_reply(self, error: BaseException, text: str, *, unknown: bool) -> BackendError:
        named = self.named
        if isinstance(error, named.TryAgainError) or type(error) is named.ClusterError:  # the client has tried again
            return BackendUnavailable(f"a hash slot moves to another node: {text}", outcome_unknown=unknown)
        absent = (named.BusyLoadingError, named.ClusterDownError, named.ReadOnlyError)
        if isinstance(error, absent) or text.startswith(_ABSENT):
            return BackendUnavailable(text, outcome_unknown=unknown)
        if "would overflow" in text:
            return CountOverflow(text, outcome_unknown=unknown)
        if isinstance(error, named.OutOfMemoryError):
            text = f"the server is out of memory and took no more: {text}"
        return BackendError(text, outcome_unknown=unknown)
