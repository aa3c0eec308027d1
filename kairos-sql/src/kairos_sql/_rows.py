"""From cells to the rows of a table, and back. Pure.

A row to write is a tuple in the order of the table's columns, without ``seq`` where the database finds it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count, groupby
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from attrs import define, field

from kairos.backend import Shape
from kairos.errors import BackendError, InvalidValue
from kairos.plans import Aggregate, Cell, Rows
from kairos.values import exact_sum, show
from kairos_sql._schema import DIGEST_BYTES, NO_RESOLUTION, Layout

__all__ = [
    "Decode",
    "Processor",
    "Stamps",
    "bind_processor",
    "decoder",
    "digest",
    "encoder",
    "part_of",
    "r_time_of",
    "result_processor",
]

Processor: TypeAlias = Callable[[Any], Any] | None
"""What SQLAlchemy does to a value on its way to the driver or back; None if nothing."""
Encode: TypeAlias = Callable[..., list[tuple[Any, ...]]]
Decode: TypeAlias = Callable[..., Rows]
_Gather: TypeAlias = Callable[[Iterable[Any], Processor], dict[int, Any]]

# A resolution bucket may be -1 too (the minute before 1970), which means that there is none. So that one is stored as
# the lowest integer, which is no bucket: whatever an interval is configured as, no cell is taken for another.
_BEFORE_1970 = -(2**63)
_PART_OF: Mapping[int, int | None] = {NO_RESOLUTION: None, _BEFORE_1970: -1}


_FLOAT8, _NUMERIC = 701, 1700


def bind_processor(column: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Processor:
    """What SQLAlchemy does to the values of a type on their way to the driver."""
    return column.dialect_impl(dialect).bind_processor(dialect)


def result_processor(column: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Processor:
    """What SQLAlchemy does to the values of a type on their way back."""
    found = column.dialect_impl(dialect)
    # On PostgreSQL it asks for the number of the type in a result, which is that of the column.
    return found.result_processor(dialect, _FLOAT8 if isinstance(found, sa.Float) else _NUMERIC)


def r_time_of(resolution: int | None) -> int:
    """A resolution bucket, or None, as it is stored."""
    if resolution is None:
        return NO_RESOLUTION
    return resolution if resolution != NO_RESOLUTION else _BEFORE_1970


def part_of(r_time: Any) -> Any:
    """The resolution bucket, or None, that a stored r_time stands for."""
    return _PART_OF.get(r_time, r_time)


def digest(value: str | bytes) -> bytes:
    """The key of a value that is not one by itself."""
    found = value.encode() if isinstance(value, str) else value
    return blake2b(found, digest_size=DIGEST_BYTES).digest()


# --- Writing --------------------------------------------------------------------------------------------------------


@define(eq=False)
class Stamps:
    """Numbers for the rows of lists, which rise with time: microseconds, and 10 bits by chance.

    All rows of a batch get them from one look at the clock, so that several intervals show batches that were written at
    the same time in the same order; a sequence of the database's would mix them. Two processes will hardly ever give
    rows of one cell the same number. If they do the key refuses it, and the batch gets new ones.
    """

    _numbers: Iterator[int] = field(init=False, factory=count)

    def batch(self) -> Iterator[int]:
        """The numbers for a batch."""
        now = time.time_ns() // 1_000 << 10 | random.getrandbits(10)
        self._numbers = count(max(now, next(self._numbers)))  # the clock may have been set back
        return self._numbers


def encoder(layout: Layout, prefix: str, dialect: sa.Dialect) -> Encode:
    """The function that turns cells into the rows to be written, those of a cell in the order of the key. ``numbers``
    are for the rows of a list, if they have any.
    """
    bind = bind_processor(layout.stored.column, dialect)
    bind_name = bind_processor(layout.table.c.name.type, dialect) or _same
    columns = _columns(layout, bind)
    ordered = layout.shape in {Shape.COUNTERS, Shape.SET}

    bound_prefix = bind_name(prefix)

    def encode(cells: Iterable[Cell], numbers: Iterator[int] | None = None) -> list[tuple[Any, ...]]:
        bound = _Bound(bind_name)
        rows: list[tuple[Any, ...]] = []
        for name, interval, bucket, resolution, payload, expires_at in cells:
            cell = (bound_prefix, bound[name], bound[interval], bucket, r_time_of(resolution))
            tail = (expires_at,)
            found = columns(payload)
            if numbers is not None:
                found = [(number, *middle) for middle, number in zip(found, numbers, strict=False)]
            rows += [cell + middle + tail for middle in (sorted(found, key=_first) if ordered else found)]
        return rows

    return encode


def _same(value: Any) -> Any:
    return value


class _Bound(dict[str, Any]):
    """Names and intervals as the driver gets them: in a batch they come again and again."""

    def __init__(self, bind: Callable[[Any], Any]) -> None:
        super().__init__()
        self._bind = bind

    def __missing__(self, name: str) -> Any:
        found = self[name] = self._bind(name)
        return found


def _columns(layout: Layout, bind: Processor) -> Callable[[Any], Iterable[tuple[Any, ...]]]:
    """What turns a payload into the columns between r_time and expires_at, one tuple for each row."""
    if layout.shape is Shape.COUNTER:
        return lambda total: [(0, total) if isinstance(total, float) else (total, 0.0)]
    value_of = _value(layout, bind)
    if layout.shape is Shape.REGISTER:
        return lambda value: [value_of(value)]
    as_it_is = bind is None and not layout.digested
    if layout.shape is Shape.COUNTERS:
        return dict.items if as_it_is else lambda counts: [(*value_of(value), n) for value, n in counts.items()]
    return zip if as_it_is else lambda values: map(value_of, values)


def _value(layout: Layout, bind: Processor) -> Callable[[Any], tuple[Any, ...]]:
    """What turns a value into its column, behind its digest if it has one."""

    def bound(value: Any) -> Any:
        try:
            return value if bind is None else bind(value)
        except Exception as error:
            raise InvalidValue(f"{show(value)} cannot be stored as {layout.stored.column!r}: {error}") from error

    def digested(value: Any) -> tuple[Any, ...]:
        stored = bound(value)
        # Of what is neither text nor bytes, the form that the driver gets tells equal values from others.
        return (digest(value if isinstance(value, (str, bytes)) else repr(stored)), stored)

    return digested if layout.digested else lambda value: (bound(value),)


# --- Reading --------------------------------------------------------------------------------------------------------
# A cell is found by the columns in front of its data: one loop per shape gathers the rows of one key, and keys are
# taken apart from the outside: the name if there are several, the bucket, and in a fine interval the resolution bucket.

_first = itemgetter(0)
_rest = itemgetter(slice(1, None))


def decoder(layout: Layout, dialect: sa.Dialect, *, halves: bool) -> Decode:
    """The function that turns rows, in the order of the key, into what a read gives: of the given names, from a coarse
    interval or not, the data or aggregates. A row is ([name if there are several], i_time, [r_time if it is fine], the
    columns of data). ``halves`` tells whether a sum of ints has two columns.
    """
    load = None if layout.shape is Shape.COUNTER else result_processor(layout.stored.column, dialect)
    load_name = result_processor(layout.table.c.name.type, dialect) or _same

    def buckets(records: Iterable[Any], gather: _Gather, *, coarse: bool) -> dict[int, dict[int | None, Any]]:
        if coarse:
            return {bucket: {None: data} for bucket, data in gather(records, load).items()}
        return {bucket: _ascending(gather(map(_rest, group), load)) for bucket, group in groupby(records, key=_first)}

    def decode(
        records: Iterable[Any], names: Sequence[str], *, coarse: bool, aggregates: Sequence[Aggregate] = ()
    ) -> Rows:
        gather = _aggregates(layout.shape, aggregates, halves=halves) if aggregates else _GATHER[layout.shape]
        try:
            if len(names) == 1:
                return {names[0]: buckets(records, gather, coarse=coarse)}
            return {
                load_name(name): buckets(map(_rest, group), gather, coarse=coarse)
                for name, group in groupby(records, key=_first)
            }
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise BackendError(f"{layout.table.fullname} holds what kairos did not write: {error}") from error

    return decode


def _ascending(cells: dict[int, Any]) -> dict[int | None, Any]:
    found: dict[int | None, Any] = {part_of(r_time): data for r_time, data in cells.items()}
    if -1 in found:  # stored where it does not sort
        found = dict(sorted(found.items(), key=_first))
    return found


def _lists(records: Iterable[Any], load: Processor) -> dict[int, Any]:
    found: dict[int, list[Any]] = {}
    last = None
    values: list[Any] = []
    for key, value in records:
        if key != last:
            found[key] = values = []
            last = key
        values.append(value)
    return found if load is None else {key: list(map(load, values)) for key, values in found.items()}


def _counters(records: Iterable[Any], load: Processor) -> dict[int, Any]:
    found: dict[int, dict[Any, int]] = {}
    last = None
    counts: dict[Any, int] = {}
    for key, value, n in records:
        if key != last:
            found[key] = counts = {}
            last = key
        counts[value] = n
    if load is None:
        return found
    return {key: {load(value): n for value, n in counts.items()} for key, counts in found.items()}


def _counts(records: Iterable[Any], _: Processor) -> dict[int, Any]:
    return {key: exact_sum(n, f) if f else n for key, n, f in records}


def _registers(records: Iterable[Any], load: Processor) -> dict[int, Any]:
    return dict(records) if load is None else {key: load(value) for key, value in records}


def _sets(records: Iterable[Any], load: Processor) -> dict[int, Any]:
    return {key: set(values) for key, values in _lists(records, load).items()}


def _aggregates(shape: Shape, aggregates: Sequence[Aggregate], *, halves: bool) -> _Gather:
    """What gathers rows of aggregates, column by column."""
    sums = {Aggregate.SUM, Aggregate.COUNT} if shape is Shape.COUNTERS else {Aggregate.SUM}

    def gather(records: Iterable[Any], load: Processor) -> dict[int, Any]:
        rows = list(records)
        if not rows:
            return {}
        keys, *given = zip(*rows, strict=True)
        columns = iter(given)
        found: list[Iterable[Any]] = []
        for aggregate in aggregates:
            column = next(columns)
            if aggregate in {Aggregate.MIN, Aggregate.MAX}:
                found.append(column if load is None else map(load, column))
            elif aggregate in sums and halves:
                found.append(map(_whole, column, next(columns)))
            else:
                found.append(map(int, column))
        return dict(zip(keys, zip(*found, strict=True), strict=True))

    return gather


def _whole(high: int, low: int) -> int:
    return (high << 32) + low


_GATHER: Mapping[Shape, _Gather] = {
    Shape.LIST: _lists,
    Shape.COUNTERS: _counters,
    Shape.COUNTER: _counts,
    Shape.REGISTER: _registers,
    Shape.SET: _sets,
}
