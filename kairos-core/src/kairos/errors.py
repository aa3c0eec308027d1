"""The errors of kairos, one tree.

::

    KairosError
    ├── ConfigurationError   (ValueError)           a constructor's argument; names the path of the bad key
    ├── InvalidValue         (ValueError)           an argument or a value that cannot be stored; names it
    ├── UnknownInterval      (LookupError)          an interval that the configuration does not name
    ├── UnsupportedOperation (NotImplementedError)  the backend cannot do this, and says what it can do
    ├── BackendNotFound      (ImportError)          no installed plugin answers to a URL scheme or a client
    ├── PluginError          (RuntimeError)         a plugin with read hooks that cannot be used; names it
    └── BackendError                                the store failed; the driver's error is its ``__cause__``
        ├── BackendUnavailable (ConnectionError)    the store cannot be reached
        └── CountOverflow      (OverflowError)      a count would leave 64 bits

Every class also inherits the builtin that fits, so that code which does not know kairos can catch it. What a user's own
callable raises is never wrapped (semantics 2.5).
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "BackendNotFound",
    "BackendUnavailable",
    "ConfigurationError",
    "CountOverflow",
    "InvalidValue",
    "KairosError",
    "PluginError",
    "UnknownInterval",
    "UnsupportedOperation",
]


class KairosError(Exception):
    """The root of all errors that kairos raises."""


class ConfigurationError(KairosError, ValueError):
    """An argument of a constructor is wrong; the message starts with its path (``intervals['minute'].step: …``)."""


class InvalidValue(KairosError, ValueError):
    """An argument of a verb, or a value to be stored, is wrong; nothing was written."""


class UnknownInterval(KairosError, LookupError):
    """The configuration has no interval of this name."""


class UnsupportedOperation(KairosError, NotImplementedError):
    """The backend does not do this, by its nature; its ``capabilities`` say so beforehand."""


class BackendNotFound(KairosError, ImportError):
    """No installed backend serves this URL scheme or this client; the message says what to install."""


class PluginError(KairosError, RuntimeError):
    """A plugin cannot be loaded or used; the message names its distribution or its object."""


class BackendError(KairosError):
    """The store failed while it carried out a verb.

    ``outcome_unknown`` is True unless it is certain that nothing was written: if the connection broke after a write was
    sent, and if a batch that is not atomic failed in the middle. kairos never repeats such a write, since that could
    count double (semantics 3.7).
    """

    def __init__(self, *args: object, outcome_unknown: bool = False) -> None:
        super().__init__(*args)
        self.outcome_unknown = outcome_unknown


class BackendUnavailable(BackendError, ConnectionError):
    """The store cannot be reached, or does not answer in time."""


class CountOverflow(BackendError, OverflowError):
    """An addition would take a count out of 64 bits; that count is unchanged (semantics 3.5)."""
