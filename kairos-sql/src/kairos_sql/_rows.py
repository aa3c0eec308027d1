"""From cells to the rows of a table, and back. Pure.

A row to write is a tuple in the order of the table's columns without ``seq``; a row that was read is (name, i_time,
r_time, then the columns that hold data).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

from kairos.backend import Shape
from kairos.errors import InvalidValue
from kairos.plans import Cell, Rows
from kairos.values import show
from kairos_sql._schema import DIGEST_BYTES, NO_RESOLUTION, Layout

__all__ = ["Decode", "Processor", "decoder", "digest", "encoder", "part_of", "r_time_of"]

Processor: TypeAlias = Callable[[Any], Any] | None
"""What SQLAlchemy does to a value on its way to the driver or back; None if nothing."""
Encode: TypeAlias = Callable[[Iterable[Cell]], list[tuple[Any, ...]]]
Decode: TypeAlias = Callable[[Iterable[Any]], Rows]

# A resolution bucket may be -1 too (the minute before 1970), which means that there is none. So that one is stored as
# the lowest integer, which is no bucket: whatever an interval is configured as, no cell is taken for another.
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


def digest(value: Any) -> bytes:
    """The key of a value that is not one by itself; of the form that the driver gets, where equal values are alike."""
    if isinstance(value, str):
        value = value.encode()
    elif not isinstance(value, bytes):
        value = repr(value).encode()
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


# --- Writing --------------------------------------------------------------------------------------------------------


def encoder(layout: Layout, prefix: str, bind: Processor) -> Encode:
    """The function that turns cells into the rows to be written."""
    columns = _columns(layout, bind)

    def encode(cells: Iterable[Cell]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for name, interval, bucket, resolution, payload, expires_at in cells:
            cell = (prefix, name, interval, bucket, r_time_of(resolution))
            tail = (expires_at,)
            rows += [cell + middle + tail for middle in columns(payload)]
        return rows

    return encode


def _columns(layout: Layout, bind: Processor) -> Callable[[Any], Iterable[tuple[Any, ...]]]:
    """What turns a payload into the columns between r_time and expires_at, one tuple for each row."""
    if layout.shape is Shape.COUNTER:
        return lambda total: [(0, total) if isinstance(total, float) else (total, 0.0)]
    bound = _identity if bind is None else _checked(bind, layout)
    if layout.shape is Shape.REGISTER:
        return lambda value: [(bound(value),)]
    if layout.shape is Shape.LIST:
        return zip if bind is None else lambda values: [(bound(value),) for value in values]

    def keyed(value: Any) -> tuple[Any, ...]:
        stored = bound(value)
        return (digest(stored), stored)

    if layout.shape is Shape.SET:
        if not layout.digested:
            return lambda members: [(bound(value),) for value in members]
        return lambda members: [keyed(value) for value in members]
    if bind is None and not layout.digested:
        return lambda counts: counts.items()
    if not layout.digested:
        return lambda counts: [(bound(value), n) for value, n in counts.items()]
    return lambda counts: [(*keyed(value), n) for value, n in counts.items()]


def _identity(value: Any) -> Any:
    return value


def _checked(bind: Callable[[Any], Any], layout: Layout) -> Callable[[Any], Any]:
    def bound(value: Any) -> Any:
        try:
            return bind(value)
        except Exception as error:
            raise InvalidValue(f"{show(value)} cannot be stored as {layout.stored.column!r}: {error}") from error

    return bound


# --- Reading --------------------------------------------------------------------------------------------------------


def decoder(layout: Layout, load: Processor) -> Decode:
    """The function that turns rows, in order of their cells, into what a read gives."""
    into = _INTO[layout.shape]

    def decode(records: Iterable[Any]) -> Rows:
        found: Rows = {}
        into(found, records if load is None else _loaded(records, load))
        for buckets in found.values():
            for bucket, cells in buckets.items():
                if -1 in cells:  # stored where it does not sort
                    buckets[bucket] = dict(sorted(cells.items(), key=lambda cell: (cell[0] is not None, cell[0])))
        return found

    return decode


def _loaded(records: Iterable[Any], load: Callable[[Any], Any]) -> Iterator[tuple[Any, ...]]:
    for name, bucket, r_time, value, *rest in records:
        yield name, bucket, r_time, load(value), *rest


def _lists(found: Rows, records: Iterable[Any]) -> None:
    last = None
    append: Callable[[Any], None]
    for name, bucket, r_time, value in records:
        if (cell := (name, bucket, r_time)) != last:
            last = cell
            values: list[Any] = []
            found.setdefault(name, {}).setdefault(bucket, {})[part_of(r_time)] = values
            append = values.append
        append(value)


def _counters(found: Rows, records: Iterable[Any]) -> None:
    last = None
    counts: dict[Any, int] = {}
    for name, bucket, r_time, value, n in records:
        if (cell := (name, bucket, r_time)) != last:
            last = cell
            found.setdefault(name, {}).setdefault(bucket, {})[part_of(r_time)] = counts = {}
        counts[value] = n


def _sets(found: Rows, records: Iterable[Any]) -> None:
    last = None
    members: set[Any] = set()
    for name, bucket, r_time, value in records:
        if (cell := (name, bucket, r_time)) != last:
            last = cell
            found.setdefault(name, {}).setdefault(bucket, {})[part_of(r_time)] = members = set()
        members.add(value)


def _counts(found: Rows, records: Iterable[Any]) -> None:
    for name, bucket, r_time, n, f in records:
        # Exact as long as both parts are whole; a float would lose the low digits of n.
        total = n + int(f) if f.is_integer() else n + f
        found.setdefault(name, {}).setdefault(bucket, {})[part_of(r_time)] = total


def _registers(found: Rows, records: Iterable[Any]) -> None:
    for name, bucket, r_time, value in records:
        found.setdefault(name, {}).setdefault(bucket, {})[part_of(r_time)] = value


_INTO: Mapping[Shape, Callable[[Rows, Iterable[Any]], None]] = {
    Shape.LIST: _lists,
    Shape.COUNTERS: _counters,
    Shape.COUNTER: _counts,
    Shape.REGISTER: _registers,
    Shape.SET: _sets,
}
