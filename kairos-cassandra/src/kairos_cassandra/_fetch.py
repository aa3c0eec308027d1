"""Reads of the user's own: what a custom fetch gets, and what becomes of what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from cassandra.cluster import Session

from kairos.backend import Shape
from kairos.errors import InvalidValue
from kairos_cassandra._rows import Cells, Decoder, part_of
from kairos_cassandra._schema import KEY_WHERE

__all__ = ["Connection", "called", "checked"]


@frozen
class Connection:
    """What a custom fetch gets: the session, whose methods it has, and the one partition that it is called for.

    ``where`` is the condition that finds the partition, ``partition`` its parameters, so that the built-in read of
    a count is::

        connection.execute(
            f"SELECT i_time, r_time, count FROM {table} WHERE {connection.where} AND i_time >= %s AND i_time <= %s",
            (*connection.partition, i_start, i_end),
        )
    """

    session: Session
    partition: tuple[str, str, str, int, int]
    where: str = KEY_WHERE

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def called(fetch: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    """What a custom fetch gives, and what it raised, if it did. The error is a result, since it passes through as it
    is: nobody on its way may take it for one of kairos's own requests.
    """
    try:
        given = fetch(*arguments)
    except Exception as error:  # noqa: BLE001 - the user's; it is raised by the caller
        return None, error
    if inspect.iscoroutine(given):
        given.close()
        return None, InvalidValue("fetch: Cassandra takes an ordinary function in both colours, not an async one")
    return given, None


def checked(given: Any, decoder: Decoder) -> Cells:
    """The answer of a custom fetch, with the values as a read gives them."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(cells, Mapping) for cells in given.values()):
        raise TypeError("a custom fetch returns {i_time: {r_time or None: data}}")
    return {
        bucket: {part_of(r_time): _data(data, decoder) for r_time, data in cells.items()}
        for bucket, cells in given.items()
    }


def _data(given: Any, decoder: Decoder) -> Any:
    """Bring the values in a cell into the type that a read gives; other data is the user's affair."""
    shape, value = decoder.shape, decoder.value
    if shape is Shape.REGISTER:
        return value(given)
    if shape is Shape.LIST and isinstance(given, list):
        return list(map(value, given))
    if shape is Shape.SET and isinstance(given, (set, frozenset)):
        return set(map(value, given))
    if shape is Shape.COUNTERS and isinstance(given, Mapping):
        return {value(key): number for key, number in given.items()}
    return given
