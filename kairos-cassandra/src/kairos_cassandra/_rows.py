"""From cells to the arguments of statements, and from rows back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from kairos.backend import Shape
from kairos.errors import BackendError
from kairos.plans import Cell
from kairos_cassandra._clock import CLOCK

__all__ = ["NO_RESOLUTION", "Cells", "Decoder", "arguments", "ascending", "part_of", "r_time_of"]

Cells: TypeAlias = dict[int, dict[int | None, Any]]
"""What a name has in an interval: {bucket: {resolution bucket or None: data}}."""

NO_RESOLUTION = -1
# A resolution bucket may be -1 too (the minute before 1970), which stands for none: that one is stored as the lowest
# integer, which is no bucket.
_BEFORE_1970 = -(2**63)
_PART_OF: Mapping[int, int | None] = {NO_RESOLUTION: None, _BEFORE_1970: -1}


def r_time_of(resolution: int | None) -> int:
    """A resolution bucket, or None, as it is stored."""
    if resolution is None:
        return NO_RESOLUTION
    return resolution if resolution != NO_RESOLUTION else _BEFORE_1970


def part_of(r_time: Any) -> Any:
    """The resolution bucket, or None, that a stored r_time stands for."""
    return _PART_OF.get(r_time, r_time)


def arguments(
    shape: Shape, key: tuple[Any, ...], cells: Iterable[Cell], ttl: Callable[[int | None], int], timestamp: int
) -> Iterator[tuple[Any, ...]]:
    """The arguments of the ``add`` statement for each row of cells that lie in one partition."""
    for _, _, bucket, resolution, payload, expires_at in cells:
        row = (*key, bucket, r_time_of(resolution))
        if shape is Shape.COUNTER:
            yield (payload, *row)
        elif shape is Shape.COUNTERS:
            for value, number in payload.items():
                yield (number, *row, value)
        else:
            tail = (ttl(expires_at), timestamp)
            if shape is Shape.REGISTER:
                yield (*row, payload, *tail)
            elif shape is Shape.SET:
                for value in payload:
                    yield (*row, value, *tail)
            else:
                for id, value in zip(CLOCK.ids(len(payload)), payload, strict=True):  # noqa: A001 - the column
                    yield (*row, id, value, *tail)


@frozen
class Decoder:
    """Gathers the rows of partitions into cells. A row is (i_time, r_time, its data), and one of several versions of a
    cell ends with what orders them.
    """

    shape: Shape
    decode: Callable[[Any], Any] | None

    def add(self, cells: Cells, rows: Iterable[Any], *, fine: bool) -> None:
        """Add the rows of a partition that belong to a fine interval, or to a coarse one."""
        wanted = [row for row in rows if (row[1] != NO_RESOLUTION) is fine]
        try:
            if self.decode is not None and self.shape is not Shape.COUNTER:
                wanted = [(row[0], row[1], self.decode(row[2]), *row[3:]) for row in wanted]
            _PUT[self.shape](cells, wanted)
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise BackendError(f"a row is not what kairos wrote: {error}") from error

    def value(self, stored: Any) -> Any:
        """One value as it was written."""
        return stored if self.decode is None else self.decode(stored)

    def versions(self, rows: Iterable[Any]) -> list[Any]:
        """The rows of several partitions in the order in which they were written, cell by cell."""
        ordered = sorted(rows, key=lambda row: (row[0], row[1], *_version(self.shape, row)))
        return [row[:-1] for row in ordered] if self.shape in {Shape.LIST, Shape.REGISTER} else ordered


def _version(shape: Shape, row: Any) -> tuple[Any, ...]:
    if shape is Shape.LIST:
        return row[3].time, row[3].bytes
    return (row[3],) if shape is Shape.REGISTER else ()


def ascending(cells: Cells) -> Cells:
    """Cells in ascending order: the minute before 1970 is stored where it does not sort."""
    return {
        bucket: dict(sorted(parts.items())) if -1 in parts and len(parts) > 1 else parts
        for bucket, parts in sorted(cells.items())
    }


# One loop for each shape: what is done per row is done half a million times for a year of minutes.


def _put_list(cells: Cells, rows: Iterable[Any]) -> None:
    for bucket, r_time, value in rows:
        cells.setdefault(bucket, {}).setdefault(_PART_OF.get(r_time, r_time), []).append(value)


def _put_register(cells: Cells, rows: Iterable[Any]) -> None:
    for bucket, r_time, value in rows:
        cells.setdefault(bucket, {})[_PART_OF.get(r_time, r_time)] = value


def _put_set(cells: Cells, rows: Iterable[Any]) -> None:
    for bucket, r_time, value in rows:
        cells.setdefault(bucket, {}).setdefault(_PART_OF.get(r_time, r_time), set()).add(value)


def _put_counter(cells: Cells, rows: Iterable[Any]) -> None:
    for bucket, r_time, number in rows:
        cell, part = cells.setdefault(bucket, {}), _PART_OF.get(r_time, r_time)
        cell[part] = cell.get(part, 0) + number


def _put_counters(cells: Cells, rows: Iterable[Any]) -> None:
    for bucket, r_time, key, number in rows:
        counts = cells.setdefault(bucket, {}).setdefault(_PART_OF.get(r_time, r_time), {})
        counts[key] = counts.get(key, 0) + number


_PUT: Mapping[Shape, Callable[[Cells, Iterable[Any]], None]] = {
    Shape.LIST: _put_list,
    Shape.REGISTER: _put_register,
    Shape.SET: _put_set,
    Shape.COUNTER: _put_counter,
    Shape.COUNTERS: _put_counters,
}
