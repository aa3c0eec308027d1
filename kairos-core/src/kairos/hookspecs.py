"""The six hooks through which a plugin takes part in reading.

Each hook is asked once per query, never per row. It *returns the callable to use* for its stage, or None for "not
mine": the next plugin is asked then, and last the built-in stage. Authority: a keyword of the call goes before every
plugin, a plugin before the built-in. A wrapper (``@hookimpl(wrapper=True)``) receives the callable that was chosen and
may return another around it.

::

    from kairos import hookimpl


    class Percentiles:
        @hookimpl
        def transform(self, context):
            if context.name == "p95" and context.kind == "series":
                return lambda data: sorted(data)[int(len(data) * 0.95)] if data else None

Install it for everybody by an entry point in the group ``kairos.plugins``, or for one Timeseries by ``plugins=[…]``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pluggy
from attrs import field, frozen

from kairos.plans import Query, Rows

__all__ = [
    "HookContext",
    "collapse",
    "condense",
    "fetch",
    "hookimpl",
    "join_rows",
    "process_row",
    "transform",
]

hookspec = pluggy.HookspecMarker("kairos")
hookimpl = pluggy.HookimplMarker("kairos")
"""Marks a function of a plugin as an implementation of the hook with its name."""


@frozen(kw_only=True)
class HookContext:
    """What a hook knows when it is asked.

    ``query`` is what the call asks for, before its range is clipped to what is visible (under `Timeseries.iterate`,
    whose range is not known yet, the bucket of now). ``kind`` is the name of the type. ``scheme`` is the URL scheme, or
    the package of the client, by which the backend was found. ``default`` is the callable that is used if no plugin has
    another: the keyword's (then ``by_keyword`` is True, and no plugin goes before it), else the built-in one; None if
    there is none.
    ``name`` is the name that `transform` is asked to resolve, None for a callable and in all other hooks. ``adapt``
    turns a fetch in the form of the backend (semantics 4.9) into one in the form of the hook.
    """

    query: Query
    kind: str
    scheme: str
    asynchronous: bool
    default: Callable[..., Any] | None
    adapt: Callable[[Callable[..., Any]], Callable[[Query], Any]]
    name: str | None = None
    by_keyword: bool = False
    built_in: list[Any] = field(factory=list, init=False, repr=False, eq=False)
    """Not empty once it has come to the built-in stage, wrapped or not: for the core's own use."""


@hookspec(firstresult=True)
def fetch(context: HookContext) -> Callable[[Query], Rows] | None:
    """Asked before anything is read.

    The callable gets a clipped `Query` and returns `Rows`; under AsyncTimeseries it may return an awaitable of them,
    and ``context.default`` does. It is not called if nothing of the range is visible; `Timeseries.iterate` calls it
    once per window.
    """


@hookspec(firstresult=True)
def process_row(context: HookContext) -> Callable[[Any], Any] | None:
    """Asked for the callable that turns the decoded data of one cell into what the reader sees.

    It replaces the canonical form and ``read_func``. It is never called without data.
    """


@hookspec(firstresult=True)
def condense(context: HookContext) -> Callable[[dict[int, Any]], Any] | None:
    """Asked if the call condenses or collapses; on a coarse interval it serves ``collapse=True`` alone.

    The callable gets ``{resolution timestamp: data}`` of one name and one interval, never empty, and returns one data.
    """


@hookspec(firstresult=True)
def join_rows(context: HookContext) -> Callable[[list[Any]], Any] | None:
    """Asked if the call names a list of series.

    The callable gets one data per name, in the order of the names, the empty value where a name has none.
    """


@hookspec(firstresult=True)
def collapse(context: HookContext) -> Callable[[dict[int, Any]], Any] | None:
    """Asked if the call collapses.

    The callable gets ``{interval timestamp: data}`` of the intervals that have data, never empty, and returns one data.
    """


@hookspec(firstresult=True)
def transform(context: HookContext) -> Callable[..., Any] | None:
    """Asked once for each transform of the call, with its name in ``context.name``.

    The callable gets the data or, if it has two required arguments, the data and the seconds that it covers.
    """
