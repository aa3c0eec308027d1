"""Reads of the user's own: calling a custom fetch, and bringing what it returns into the form of a read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from kairos.backend import Shape
from kairos.plans import Query, Rows
from kairos_sql._rows import part_of
from kairos_sql._schema import Layout

__all__ = ["called"]


def called(
    fetch: Callable[..., Any], connection: sa.Connection, layout: Layout, query: Query
) -> tuple[Rows, Exception | None]:
    """What a custom fetch gives for all names of a query, and what it raised, if it did. The error is a result, since
    it passes through as it is: nobody on its way may take it for one of the database.
    """
    end = None if query.single else query.last
    found: Rows = {}
    try:
        for name in query.names:
            given = fetch(connection, layout.table, name, query.interval.name, query.first, end)
            found[name] = _checked(given, layout)
    except Exception as error:  # noqa: BLE001 - the user's; it is raised by the caller
        return {}, error
    return found, None


def _checked(given: Any, layout: Layout) -> dict[int, dict[int | None, Any]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(cells, Mapping) for cells in given.values()):
        raise TypeError("a custom fetch returns {i_time: {r_time or None: data}}")
    cast = _data(layout)
    return {bucket: {part_of(r_time): cast(data) for r_time, data in cells.items()} for bucket, cells in given.items()}


def _data(layout: Layout) -> Callable[[Any], Any]:
    """What brings the values in a cell into the type that a read gives; other data is the user's affair."""
    cast = layout.stored.cast

    def data(given: Any) -> Any:
        if layout.shape is Shape.REGISTER:
            return cast(given)
        if layout.shape is Shape.LIST and isinstance(given, list):
            return [cast(value) for value in given]
        if layout.shape is Shape.SET and isinstance(given, (set, frozenset)):
            return {cast(value) for value in given}
        if layout.shape is Shape.COUNTERS and isinstance(given, Mapping):
            return {cast(value): n for value, n in given.items()}
        return given

    return data
