"""kairos: time series in the database that you already run."""

from kairos._legacy import refuse_old_kairos
from kairos.errors import (
    BackendError,
    BackendNotFound,
    BackendUnavailable,
    ConfigurationError,
    CountOverflow,
    InvalidValue,
    KairosError,
    PluginError,
    UnknownInterval,
    UnsupportedOperation,
)
from kairos.hookspecs import HookContext, hookimpl
from kairos.plans import Written
from kairos.timeseries import AsyncTimeseries, Timeseries

__all__ = [
    "AsyncTimeseries",
    "BackendError",
    "BackendNotFound",
    "BackendUnavailable",
    "ConfigurationError",
    "CountOverflow",
    "HookContext",
    "InvalidValue",
    "KairosError",
    "PluginError",
    "Timeseries",
    "UnknownInterval",
    "UnsupportedOperation",
    "Written",
    "hookimpl",
]

refuse_old_kairos()
