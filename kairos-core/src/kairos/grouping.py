"""From points to cells: everything that is decided about a write before anything is sent. Pure.

All points of one call are grouped by (name, interval, bucket, resolution bucket) and reduced by the kind, so that ten
thousand points that fall into five hundred buckets are five hundred cells in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from math import gcd
from typing import Any, TypeAlias

from attrs import field, frozen

from kairos.errors import ConfigurationError, InvalidValue
from kairos.flows import run
from kairos.kinds import Count, Kind, count_increment
from kairos.plans import Cell, Interval, Written
from kairos.steps import DAY, FixedStep
from kairos.timestamps import MAX_TIME, MIN_TIME, to_seconds
from kairos.values import ATOMS, ValueType, canonical_key, check_name, expand, plain, show

__all__ = ["Grouping", "Point", "acceptor", "points_of"]

# After how many points the event loop gets a turn: a few milliseconds.
_TURN = 2_000

Point: TypeAlias = tuple[Any, Any, Any]
"""(name, value or collection of values, timestamp or None), as given by the user."""


def points_of(batch: object) -> Iterator[Point]:
    """The points of a bulk insert, in order: of ``{timestamp: {name: values}}`` or of (name, value, timestamp)s."""
    if isinstance(batch, Mapping):
        for timestamp, names in batch.items():
            if not isinstance(names, Mapping):
                raise InvalidValue(f"bulk_insert: {show(timestamp)} maps to {show(names)}, not to {{name: values}}")
            for name, values in names.items():
                yield name, values, timestamp
        return
    if isinstance(batch, (str, bytes)) or not isinstance(batch, Iterable):
        raise InvalidValue(f"bulk_insert: expected a mapping or an iterable of points, not {show(batch)}")
    for point in batch:
        if not isinstance(point, (tuple, list)) or len(point) != 3:
            raise InvalidValue(f"bulk_insert: {show(point)} is not a point (name, value, timestamp)")
        yield point[0], point[1], point[2]


def acceptor(kind: Kind, stored: ValueType, given: object, *, float_counts: bool) -> Callable[[Any], Any]:
    """The function that brings one value into the form that is stored, or raises `InvalidValue`.

    ``stored`` is the type of values of the backend, ``given`` what the user asked for, None for the default.
    """
    if isinstance(kind, Count):
        if given is not None and stored.name not in {"any", "int", "float"}:
            raise ConfigurationError(f"value_type: a count holds int or float, not {stored.name}")
        floats = float_counts and (given is None or stored.name != "int")
        return lambda value: count_increment(plain(value), floats=floats)
    accept = stored.accept
    # float and int bring equal numbers into one form themselves
    keyed = kind.keyed and stored.name not in {"float", "int"}
    if keyed and stored.name == "any":
        accept = lambda value: value  # noqa: E731 - a key is hashable, and a copy of it could be another key

    def accept_value(value: Any) -> Any:
        if type(value) not in ATOMS:
            if value is None:
                raise InvalidValue("None is not a value")
            value = plain(value)
        return accept(canonical_key(value) if keyed else value)

    return accept_value


@frozen(kw_only=True)
class Grouping:
    """How one Timeseries groups what is written to it."""

    kind: Kind
    intervals: Mapping[str, Interval]
    accept: Callable[[Any], Any]
    write_func: Callable[[Any], Any] | None
    max_name_bytes: int | None
    max_life: int | None = None
    _grain: int = field(init=False, repr=False)

    @_grain.default
    def _finest(self) -> int:
        """Seconds within which all points fall into the same cells: every boundary is a multiple of it."""
        cuts = [cut for one in self.intervals.values() for cut in (one.step, one.resolution) if cut is not None]
        return gcd(*(cut.length if isinstance(cut, FixedStep) else DAY for cut in cuts))

    def group(self, points: Iterable[Point], *, now: int, extra: int = 0) -> tuple[list[Cell], Written]:
        """The cells to send and the account of them. ``extra`` further intervals are written after each point, or
        before it if negative (semantics 3.1). Anything wrong is an `InvalidValue` that names it.
        """
        result: tuple[list[Cell], Written] = run(self.flow(points, now=now, extra=extra))
        return result

    def flow(
        self, points: Iterable[Point], *, now: int, extra: int = 0
    ) -> Generator[None, None, tuple[list[Cell], Written]]:
        """`group`, giving the event loop a turn now and then."""
        gathered: dict[tuple[str, str, int, int | None], list[Any]] = {}
        accept, plainly, grain = self.accept, self.write_func is None, self._grain
        count, last = 0, None
        targets: list[tuple[str, int, int | None]] = []
        cells_of: dict[str, list[list[Any]]] = {}  # of the current grain: for each name the cells that it adds to
        for turn, (name, given, timestamp) in enumerate(points):
            if turn % _TURN == _TURN - 1:
                yield
            seconds = now if timestamp is None else to_seconds(timestamp)
            if seconds // grain != last:
                targets, last, cells_of = self._targets(seconds, extra), seconds // grain, {}
                self._check_life(targets, seconds, now)
            if type(name) is not str or name not in cells_of:
                name = check_name(name, "name", self.max_name_bytes)  # noqa: PLW2901 - a subclass of str becomes a str
            values: Sequence[Any]
            if plainly and type(given) in ATOMS:
                try:
                    values = (accept(given),)
                except InvalidValue as error:
                    raise self._named(name, error) from None
            else:
                values = self._values(name, given)
                if not values:
                    continue
            if (cells := cells_of.get(name)) is None:
                cells = cells_of[name] = [gathered.setdefault((name, *target), []) for target in targets]
            for cell in cells:
                cell.extend(values)
            count += len(values)
        sent = yield from self._cells(gathered, now)
        return sent, Written(count, len(sent), len(gathered) - len(sent))

    def _values(self, name: str, given: Any) -> list[Any]:
        """The values of one point, each through write_func and then in the form that is stored."""
        values = [given] if type(given) in ATOMS else self._expand(name, given)
        if self.write_func is not None:
            values = [self.write_func(value) for value in values]
        accept = self.accept
        try:
            return [accept(value) for value in values]
        except InvalidValue as error:
            raise self._named(name, error) from None

    def _expand(self, name: str, given: object) -> list[Any]:
        try:
            values = expand(given, ordered=self.kind.ordered)
        except InvalidValue as error:
            raise self._named(name, error) from None
        if any(value is None for value in values):
            raise self._named(name, InvalidValue("None is not a value"))
        return values

    def _named(self, name: str, error: InvalidValue) -> InvalidValue:
        return InvalidValue(f"{self.kind.name} {show(name)}: {error}")

    def _targets(self, seconds: int, extra: int) -> list[tuple[str, int, int | None]]:
        """(interval, bucket, resolution bucket) of every cell that a point at this second adds to."""
        found: list[tuple[str, int, int | None]] = []
        for name, interval in self.intervals.items():
            step, fine = interval.step, interval.resolution
            bucket = step.bucket(seconds)
            found.append((name, bucket, None if fine is None else fine.bucket(seconds)))
            for by in range(1, extra + 1) if extra > 0 else range(-1, extra - 1, -1):
                further = step.shift(bucket, by)
                if not MIN_TIME <= step.start(further) <= MAX_TIME:
                    raise InvalidValue(f"intervals: {extra} intervals of {show(name)} leave the years 1 to 9999")
                found.append((name, further, None if fine is None else fine.bucket(step.start(further))))
        return found

    def _check_life(self, targets: Iterable[tuple[str, int, int | None]], seconds: int, now: int) -> None:
        """Refuse a point that would have to be kept for longer than the backend can."""
        if (longest := self.max_life) is None:
            return
        for name, bucket, _ in targets:
            interval = self.intervals[name]
            end = interval.expires_at(bucket)
            if interval.steps is not None and (end is None or end - now > longest):
                raise InvalidValue(
                    f"timestamp {seconds}: what it adds to interval {show(name)} would be kept for longer than the "
                    f"{longest} seconds for which this backend can keep what expires"
                )

    def _cells(
        self, gathered: Mapping[tuple[str, str, int, int | None], list[Any]], now: int
    ) -> Generator[None, None, list[Cell]]:
        """The cells that are not past."""
        # Of an interval that expires: the first bucket that has not, and of each when it will, once for all its cells.
        expiring: dict[str, tuple[int | None, dict[int, int | None]]] = {
            name: (interval.cutoff(now), {}) for name, interval in self.intervals.items() if interval.steps is not None
        }
        reduce = self.kind.reduce
        sent: list[Cell] = []
        for turn, ((name, interval, bucket, resolution), values) in enumerate(gathered.items()):
            if turn % _TURN == _TURN - 1:
                yield
            expires_at = None
            if interval in expiring:
                cutoff, ends = expiring[interval]
                if cutoff is not None and bucket < cutoff:
                    continue
                if bucket not in ends:
                    ends[bucket] = self.intervals[interval].expires_at(bucket)
                expires_at = ends[bucket]
            try:
                payload = reduce(values)
            except InvalidValue as error:
                raise self._named(name, InvalidValue(f"in interval {show(interval)} {error}")) from None
            sent.append(Cell(name, interval, bucket, resolution, payload, expires_at))
        return sent
