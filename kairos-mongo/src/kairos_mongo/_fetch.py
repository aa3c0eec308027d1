"""Reads of the user's own: what a custom fetch is told, and what becomes of its answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from attrs import frozen

from kairos.backend import Flow, Shape
from kairos.errors import InvalidValue
from kairos.plans import Query, Rows
from kairos_mongo._errors import DRIVER_ERRORS
from kairos_mongo._reads import Cells, Decoder, wanted
from kairos_mongo._schema import CELL

__all__ = ["Fetching"]

_SINGLE = frozenset({Shape.COUNTER, Shape.REGISTER})


@frozen(kw_only=True)
class Fetching:
    """Reads by ``fetch(handle=collection, spec=filter, sort=[(field, 1)…], method='find' or 'find_one')``.

    ``find`` should give documents ``{i_time, r_time, value}`` (a cursor, or any iterable), ``find_one`` one of them or
    None; ``value`` is in the form that is stored. It is called once per name. What the function itself raises passes
    through; ``fail`` makes ours of what the driver raises while it executes what the function left to be done: a
    coroutine of the driver's or a cursor.
    """

    fetch: Callable[..., Any]
    handle: Callable[[], Any]
    decoder: Decoder
    asynchronous: bool
    fail: Callable[[Exception], NoReturn]

    def read(self, query: Query) -> Flow[Rows]:
        """The rows of a query."""
        # A bucket of the other shapes may be several documents.
        one = query.single and query.interval.resolution is None and self.decoder.shape in _SINGLE
        rows: Rows = {}
        for name in query.names:
            answer = self.fetch(
                handle=self.handle(),
                spec=wanted(query, [name]),
                sort=list(CELL[2:]),
                method="find_one" if one else "find",
            )
            if inspect.isawaitable(answer):
                answer = yield from self._awaited(answer)
            if _is_drivers(answer) and hasattr(answer, "to_list"):
                answer = yield from self._executed(answer.to_list)
            rows[name] = self._cells(_documents(answer), query)
        return rows

    def _awaited(self, answer: Any) -> Flow[Any]:
        if not self.asynchronous:
            if inspect.iscoroutine(answer):
                answer.close()
            raise InvalidValue("fetch: an async function needs AsyncTimeseries")
        if not _is_drivers(answer):
            return (yield answer)
        return (yield from self._executed(lambda: answer))

    def _executed(self, command: Callable[[], Any]) -> Flow[Any]:
        try:
            return (yield command())
        except DRIVER_ERRORS as error:
            self.fail(error)

    def _cells(self, documents: Iterable[Any], query: Query) -> Cells:
        cells: Cells = {}
        for document in documents:
            value = _field(document, "value")
            if value is None or (isinstance(value, (list, dict, set)) and not value):
                continue
            bucket = document.get("i_time", query.first) if query.single else _field(document, "i_time")
            part = None if query.interval.resolution is None else _field(document, "r_time")
            if query.interval.resolution is None and document.get("r_time") is not None:
                continue  # of an earlier configuration
            self.decoder.add(cells, int(bucket), None if part is None else int(part), value)
        return {bucket: dict(sorted(cells[bucket].items(), key=_order)) for bucket in sorted(cells)}


def _order(item: tuple[int | None, Any]) -> tuple[bool, int]:
    part, _ = item
    return part is not None, part or 0


def _documents(answer: Any) -> Iterable[Any]:
    if answer is None:
        return ()
    if isinstance(answer, Mapping):
        return (answer,)
    if isinstance(answer, Iterable) and not isinstance(answer, (str, bytes)):
        return answer
    raise TypeError(f"a custom fetch returns a document or an iterable of documents, not {type(answer).__name__}")


def _field(document: Any, name: str) -> Any:
    if not isinstance(document, Mapping) or name not in document:
        raise TypeError(f"a custom fetch returns documents with {name!r}")
    return document[name]


def _is_drivers(answer: Any) -> bool:
    """Whether an answer is a coroutine or a cursor of PyMongo's own."""
    if inspect.iscoroutine(answer):
        frame = answer.cr_frame
        module = "" if frame is None else frame.f_globals.get("__name__", "")
    else:
        module = type(answer).__module__
    return module.partition(".")[0] == "pymongo"
