"""The public verbs and what they promise; `kairos.operations` does them, `kairos.timeseries` runs them."""

from __future__ import annotations

import os
import time
import warnings
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from kairos.backend import Backend, Capabilities, Flow
from kairos.config import SeriesConfig
from kairos.errors import InvalidValue
from kairos.grouping import points_of
from kairos.opening import open_planner
from kairos.operations import Operations
from kairos.planning import Reading

__all__ = ["KindName", "Names", "Stage", "Time", "Transforms", "Verbs"]

WrittenT = TypeVar("WrittenT")
RowsT = TypeVar("RowsT")
NamesT = TypeVar("NamesT")
PropertiesT = TypeVar("PropertiesT")
NumberT = TypeVar("NumberT")
NoneT = TypeVar("NoneT")
ItemsT = TypeVar("ItemsT")

KindName: TypeAlias = Literal["series", "histogram", "count", "gauge", "set"]
Time: TypeAlias = float | datetime
"""Unix seconds (int or float), or an aware datetime."""
Names: TypeAlias = str | list[str] | tuple[str, ...] | AbstractSet[str]
"""One name, or several to be joined."""
Stage: TypeAlias = Callable[..., Any]
Transforms: TypeAlias = str | Stage | list[Any] | tuple[Any, ...] | AbstractSet[Any] | Mapping[Any, Any]
"""A transform (a name or a callable), or several."""


class _One:
    """What a count takes where no value is given; None would hide a caller's mistake."""

    def __repr__(self) -> str:
        return "<1 for a count>"


_ONE = _One()
_open: weakref.WeakSet[Verbs[Any, Any, Any, Any, Any, Any, Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for timeseries in list(_open):
        timeseries._operations.after_fork()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)


class Verbs(ABC, Generic[WrittenT, RowsT, NamesT, PropertiesT, NumberT, NoneT, ItemsT]):
    """A time series of one type in a store. The type parameters are what the verbs return in either colour."""

    _asynchronous: ClassVar[bool]

    def __init__(
        self,
        client: Any,
        *,
        type: KindName = "series",
        intervals: Mapping[str, Mapping[str, Any]],
        read_func: Callable[[Any], Any] | None = None,
        write_func: Callable[[Any], Any] | None = None,
        prefix: str = "",
        value_type: Any = None,
        clock: Callable[[], float] = time.time,
        max_buckets: int = 1_000_000,
        plugins: Iterable[object] = (),
        client_config: Mapping[str, Any] | None = None,
        create: bool = True,
        **options: Any,
    ) -> None:
        """Describe a time series; nothing is connected or made before the first verb.

        - ``client``: a URL (``sqlite:///data.db``), then closed by `close`; or a client of yours, which stays open.
        - ``type``: ``series``, ``histogram``, ``count``, ``gauge`` or ``set``.
        - ``intervals``: ``{name: {"step": …, "steps": …, "resolution": …}}``. ``step``: seconds,
          ``"<n>s|min|h|d|w|m|y"`` or ``"daily"``, ``"weekly"``, ``"monthly"``, ``"yearly"``. ``steps``: how many of the
          newest are visible, None for all. ``resolution``: a step within the step, for cells of their own.
        - ``read_func``, ``write_func``: applied to each value when it is read, and before all else when it is written.
        - ``prefix``: keeps this series apart from others in the same store; 'a' and 'a:' are the same.
        - ``value_type``: the type of values, a name (``"int"``) or a Python type; default: the backend's.
        - ``clock``: gives the Unix time. ``max_buckets``: the most that one `series` may cover.
        - ``plugins``: objects with read hooks, for this instance alone (`kairos.hookspecs`).
        - ``client_config``: keywords for the driver's constructor, with a URL.
        - ``create``: False, if no table, collection, keyspace or index may be made.
        - ``options``: what the backend documents, such as ``table_name``.

        Raises ConfigurationError (a ValueError) that names the key, BackendNotFound (an ImportError) if no backend is
        installed for the client, and PluginError.
        """
        config = SeriesConfig.make(
            type=type,
            intervals=intervals,
            read_func=read_func,
            write_func=write_func,
            prefix=prefix,
            clock=clock,
            max_buckets=max_buckets,
        )
        plan = open_planner(
            client,
            config,
            asynchronous=self._asynchronous,
            plugins=plugins,
            value_type=value_type,
            client_config=client_config,
            create=create,
            options=options,
        )
        self._operations = Operations(plan)
        _open.add(self)

    @property
    def backend(self) -> Backend:
        """The backend that holds the data."""
        return self._operations.plan.backend

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self.backend.capabilities

    def __repr__(self) -> str:
        config = self._operations.plan.config
        intervals, backend = ", ".join(config.intervals), type(self.backend).__name__
        return f"<{type(self).__name__} type={config.kind.name} intervals={intervals} backend={backend}>"

    def __del__(self) -> None:
        if hasattr(self, "_operations") and not self._operations.closed and self.backend.owns_client:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    @abstractmethod
    def _run(self, flow: Flow[Any]) -> Any:
        """Carry out a flow."""

    @abstractmethod
    def _iterate(self, reading: Reading) -> Any:
        """Read one window after the other and give its items."""

    def insert(
        self, name: str, value: Any = _ONE, timestamp: Time | None = None, intervals: int = 0, **options: Any
    ) -> WrittenT:
        """Add a value, or the members of a list, to the bucket of ``timestamp`` (default: now) in every interval.

        ``value`` may be left out for a count, which then grows by 1. ``intervals=n`` also writes to the n following
        intervals (negative: preceding). Returns `Written`. Raises InvalidValue (a ValueError) for a bad name, value or
        timestamp before anything is written, and BackendError if the store fails.
        """
        self._operations.check_open()
        if value is _ONE:
            kind = self._operations.plan.config.kind.name
            if kind != "count":
                raise InvalidValue(f"{kind} {name!r}: a value is required")
            value = 1
        return self._run(self._operations.insert("insert", [(name, value, timestamp)], intervals, options))

    def bulk_insert(
        self,
        inserts: Mapping[Any, Mapping[str, Any]] | Iterable[tuple[str, Any, Any]],
        intervals: int = 0,
        **options: Any,
    ) -> WrittenT:
        """Add many points as one batch: ``{timestamp or None: {name: [values]}}`` or (name, value, timestamp)s.

        The order of the batch is the order of a series. Points are grouped first, so a bucket is written once however
        many points fall into it. Returns `Written`; raises as `insert`.
        """
        return self._run(self._operations.insert("bulk_insert", points_of(inserts), intervals, options))

    def get(
        self,
        name: Names,
        interval: str,
        timestamp: Time | None = None,
        *,
        fetch: Stage | None = None,
        process_row: Stage | None = None,
        condense: bool | Stage | None = False,
        join_rows: Stage | None = None,
        transform: Transforms | None = None,
        condensed: bool | None = None,
        **options: Any,
    ) -> RowsT:
        """The data of one bucket, that of ``timestamp`` (default: now), as ``{timestamp: data}``.

        Coarse or with ``condense``: one entry, with the empty value where there is no data. Else one entry per
        resolution bucket that holds data. ``name`` may be a list, tuple or set of names, which are joined.

        ``fetch`` reads instead of the backend, in the form that it documents. ``process_row(data)`` replaces the casts
        and ``read_func``. ``condense({timestamp: data})`` makes one data of the resolution buckets, True as the type
        does. ``join_rows([data, …])`` makes one data of the names'. ``transform``: ``mean``, ``count``, ``min``,
        ``max``, ``sum``, ``rate`` (per second), a name that a plugin knows, a callable of the data, or of the data and
        its seconds; or a list, tuple or set of these, or ``{key: one of these}``, for a dict of results.
        """
        stages = {
            "fetch": fetch,
            "process_row": process_row,
            "condense": _condense(condense, condensed),
            "join_rows": join_rows,
            "transform": transform,
        }
        return self._run(self._operations.get(name, interval, timestamp, stages, options))

    def series(
        self,
        name: Names,
        interval: str,
        start: Time | None = None,
        end: Time | None = None,
        steps: int | None = None,
        *,
        fetch: Stage | None = None,
        process_row: Stage | None = None,
        condense: bool | Stage | None = False,
        join_rows: Stage | None = None,
        collapse: bool | Stage | None = False,
        transform: Transforms | None = None,
        condensed: bool | None = None,
        **options: Any,
    ) -> RowsT:
        """The data of a range of buckets, as ``{interval timestamp: data}``, ascending, empty buckets included.

        With ``start`` and ``end``: the buckets from the one that holds ``start`` to the one that holds ``end``. With
        one of them, or none (then up to now): ``steps`` buckets, by default as many as the configuration has, else 1.
        In a fine interval that is not condensed, data is ``{resolution timestamp: data}`` of what is there.
        ``collapse({timestamp: data})``, or True, makes one entry of the whole range. The other keywords are those of
        `get`. More than ``max_buckets`` buckets are an InvalidValue.
        """
        stages = {
            "fetch": fetch,
            "process_row": process_row,
            "condense": _condense(condense, condensed),
            "join_rows": join_rows,
            "collapse": collapse,
            "transform": transform,
        }
        return self._run(self._operations.series(name, interval, (start, end, steps), stages, options))

    def iterate(
        self,
        name: Names,
        interval: str,
        *,
        fetch: Stage | None = None,
        process_row: Stage | None = None,
        condense: bool | Stage | None = False,
        join_rows: Stage | None = None,
        transform: Transforms | None = None,
        condensed: bool | None = None,
        **options: Any,
    ) -> ItemsT:
        """The items of `get` for every bucket from the first to the last with visible data, as (timestamp, data).

        Reads in windows: neither one request per bucket nor everything in memory, and no connection is held between two
        items. What is visible is decided when it starts. There is no limit to the number of buckets. The keywords are
        those of `get`.
        """
        stages = {
            "fetch": fetch,
            "process_row": process_row,
            "condense": _condense(condense, condensed),
            "join_rows": join_rows,
            "transform": transform,
        }
        iterated: ItemsT = self._iterate(self._operations.iteration(name, interval, stages, options))
        return iterated

    def list(self, **options: Any) -> NamesT:
        """The names with visible data in a configured interval, sorted."""
        return self._run(self._operations.names(options))

    def properties(self, name: str, **options: Any) -> PropertiesT:
        """``{interval: {'first': timestamp, 'last': timestamp}}``: the starts of the first and the last bucket with
        visible data, without intervals that have none.
        """
        return self._run(self._operations.properties(name, options))

    def delete(
        self,
        name: str,
        *,
        interval: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **options: Any,
    ) -> NumberT:
        """Remove a name, or only its buckets in ``interval`` and from that of ``start`` to that of ``end``.

        Returns how many cells of the configured intervals were visible when it began. A narrowed delete raises
        UnsupportedOperation where the backend cannot do it.
        """
        return self._run(self._operations.delete(name, interval, start, end, options))

    def delete_all(self, **options: Any) -> NoneT:
        """Remove everything of this prefix and type, in all intervals."""
        return self._run(self._operations.delete_all(options))

    def expire(self, name: str | None = None, *, limit: int | None = None, **options: Any) -> NumberT:
        """Reclaim what is past, of one name or of all; at most ``limit`` cells. Returns how many cells it removed.

        For stores that do not expire by themselves; where the server does, UnsupportedOperation.
        """
        return self._run(self._operations.expire(name, limit, options))

    def close(self) -> NoneT:
        """Close what was opened from a URL; a client of yours stays open. More than once is no error."""
        _open.discard(self)
        return self._run(self._operations.close())


def _condense(condense: Any, condensed: Any) -> Any:
    if condensed is None:
        return condense
    warnings.warn("condensed= is deprecated, use condense=", DeprecationWarning, stacklevel=3)
    return condensed
