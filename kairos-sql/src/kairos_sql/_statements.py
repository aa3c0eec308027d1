"""The SQL of the verbs, compiled once for the database that is used.

A statement that is written and read all day is compiled here and then sent as text with plain tuples: SQLAlchemy's own
work on the parameters and the rows of each execution would cost as much as the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from attrs import define, field, frozen

from kairos.backend import Shape
from kairos.plans import Aggregate
from kairos_sql._dialects import Dialect
from kairos_sql._rows import bind_processor, result_processor
from kairos_sql._schema import CELL, NO_RESOLUTION, Layout

__all__ = ["Prepared", "Statements"]

# How many rows one INSERT holds if there are many, a power of two: measured, more gain nothing on any database. They
# keep within 999 parameters. So few rows as one point has in its intervals are one statement, whatever their number.
_WIDE = 64
_FEW = 8


@frozen
class Prepared:
    """A compiled statement: its text, and the names of its parameters in the order of their places. ``given`` are the
    names in the order in which `many` gets them. ``processors`` are what SQLAlchemy's types do to some of them.
    """

    sql: str
    names: tuple[str, ...]
    positional: bool
    given: tuple[str, ...] = ()
    processors: Mapping[str, Callable[[Any], Any]] = MappingProxyType({})
    _as_given: bool = field(init=False, repr=False)

    @_as_given.default
    def _is_as_given(self) -> bool:
        return self.positional and self.names == self.given

    def one(self, values: Mapping[str, Any]) -> Any:
        """The parameters of one execution."""
        if self.processors:
            values = {**values, **{name: bind(values[name]) for name, bind in self.processors.items()}}
        return tuple(values[name] for name in self.names) if self.positional else dict(values)

    def many(self, rows: list[tuple[Any, ...]]) -> Any:
        """The parameters of many executions, whose values are processed already."""
        if self._as_given:
            return rows
        if not self.positional:
            named = [dict(zip(self.given, row, strict=True)) for row in rows]
            if len(self.names) == len(self.given):
                return named
            return [{name: row[name] for name in self.names} for row in named]
        return list(map(itemgetter(*map(self.given.index, self.names)), rows))


@define(eq=False)
class Statements:
    """The statements on one table."""

    layout: Layout
    own: Dialect
    dialect: sa.Dialect
    stamped: bool = field(init=False)
    """Whether the rows come with all their columns: those of a list may be numbered where they are written."""
    _compiled: dict[Any, Prepared] = field(init=False, factory=dict)

    @stamped.default
    def _is_stamped(self) -> bool:
        own = self.own
        return self.layout.shape is not Shape.LIST or (own.sequence is None and own.upsert is not None)

    def load_name(self, found: Any) -> str:
        """A name as the driver gives it, as text."""
        load = result_processor(self.layout.table.c.name.type, self.dialect)
        name: str = found if load is None else load(found)
        return name

    def _once(self, key: Any, make: Callable[[], Any], given: Callable[[], tuple[str, ...]] = tuple) -> Prepared:
        found = self._compiled.get(key)
        if found is None:
            compiled = make().compile(dialect=self.dialect)
            names = tuple(compiled.positiontup or compiled.params)
            binds = {name: bind_processor(bind.type, self.dialect) for name, bind in compiled.binds.items()}
            found = self._compiled[key] = Prepared(
                str(compiled),
                names,
                bool(compiled.positional),
                given(),
                {name: bind for name, bind in binds.items() if bind is not None},
            )
        return found

    # --- Writing ----------------------------------------------------------------------------------------------------

    def write(self, rows: list[tuple[Any, ...]]) -> list[tuple[str, Any]]:
        """What writes these rows, in order, as text with parameters: many rows at a time, then what is left by halves,
        so that few forms of the statement have to be compiled, and prepared by the database.
        """
        found: list[tuple[str, Any]] = []
        width = _WIDE if self.stamped else 1
        while rows:
            if self.stamped and len(rows) <= _FEW:
                width = len(rows)
            if whole := len(rows) - len(rows) % width:
                groups = [tuple(chain.from_iterable(rows[at : at + width])) for at in range(0, whole, width)]
                found.append(self._written(width, groups))
                rows = rows[whole:]
            width //= 2
        return found

    def _written(self, width: int, rows: list[tuple[Any, ...]]) -> tuple[str, Any]:
        prepared = self._once(
            ("write", width),
            lambda: self._write(width),
            lambda: tuple(f"{name}_{row}" for row in range(width) for name in self._columns()),
        )
        return prepared.sql, prepared.many(rows)

    def _columns(self) -> list[str]:
        """The columns of a row to write, in order."""
        return [name for name in (*self.layout.key, *self.layout.data, "expires_at") if name != "seq" or self.stamped]

    def _write(self, width: int) -> Any:
        table, layout, columns = self.layout.table, self.layout, self._columns()
        values: list[dict[str, Any]] = [
            {name: sa.bindparam(f"{name}_{row}") for name in columns} for row in range(width)
        ]
        if layout.shape is Shape.LIST:
            if self.own.sequence is not None:
                values = [{**row, "seq": self.own.sequence(table, row)} for row in values]
            return sa.insert(table).values(values)
        assert self.own.upsert is not None
        return self.own.upsert(table, self._updates).values(values)

    def _updates(self, new: Mapping[str, Any]) -> dict[str, Any]:
        """What a row that is there is set to, given the columns of the new one."""
        layout, c = self.layout, self.layout.table.c
        added = [name for name in ("n", "f") if name in layout.data]
        replaced = ["expires_at", *(["value"] if layout.shape is Shape.REGISTER else [])]
        return {name: c[name] + new[name] for name in added} | {name: new[name] for name in replaced}

    # What writes without an upsert; the parameters of the first two are rows, as those of `write`.

    def update(self) -> Prepared:
        """Add to the row with this key, if there is one."""

        def make() -> Any:
            table = self.layout.table
            new: dict[str, Any] = {name: sa.bindparam(f"{name}_0") for name in self._columns()}
            key = [table.c[name] == new[name] for name in self.layout.key]
            return sa.update(table).where(*key).values(self._updates(new))

        return self._once("update", make, lambda: tuple(f"{name}_0" for name in self._columns()))

    def insert(self) -> Prepared:
        """Insert a row; of a list the seq comes last."""
        columns = [*self._columns(), *(["seq"] if self.layout.shape is Shape.LIST else [])]
        names = tuple(f"{name}_0" for name in columns)

        def make() -> Any:
            new: dict[str, Any] = dict(zip(columns, map(sa.bindparam, names), strict=True))
            return sa.insert(self.layout.table).values(new).inline()

        return self._once("insert", make, lambda: names)

    def last(self) -> Prepared:
        """The highest seq of a cell, or NULL. Parameters: the cell."""

        def make() -> Any:
            c = self.layout.table.c
            return sa.select(sa.func.max(c.seq)).where(*(c[name] == sa.bindparam(f"{name}_0") for name in CELL))

        return self._once("last", make, lambda: tuple(f"{name}_0" for name in CELL))

    # --- Reading ----------------------------------------------------------------------------------------------------

    def _mine(self, *conditions: Any) -> list[Any]:
        return [self.layout.table.c.prefix == sa.bindparam("prefix"), *conditions]

    def read(self, names: int, *, coarse: bool, aggregates: tuple[Aggregate, ...] = ()) -> Prepared:
        """Parameters: prefix, name_0 …, interval, first, last. What an interval holds from the time when it was fine,
        or coarse, is passed over. The columns are ([name if there are several], i_time, [r_time if it is fine], data).
        With aggregates there is one row for a cell, and these are its data.
        """
        return self._once(("read", names, coarse, aggregates), lambda: self._read(names, aggregates, coarse=coarse))

    def _read(self, names: int, aggregates: tuple[Aggregate, ...], *, coarse: bool) -> Any:
        c, layout = self.layout.table.c, self.layout
        cell = [*(["name"] if names > 1 else []), "i_time", *([] if coarse else ["r_time"])]
        # The order of the key, so that nothing need be sorted. For that SQLite may not see that r_time is constant.
        order = [c[name] for name in layout.key if name in {*cell, "r_time", "seq"}]
        data = [c[name] for name in (*(["value"] if "value" in layout.key else []), *layout.data)]
        if aggregates:
            order = [column for column in order if column.name != "seq"]
            data = [column for aggregate in aggregates for column in self._aggregate(aggregate)]
        one_of: list[Any] = [sa.bindparam(f"name_{index}") for index in range(names)]
        none: Any = sa.literal_column(str(NO_RESOLUTION))
        found = (
            sa.select(*(c[name] for name in cell), *data)
            .where(
                *self._mine(
                    c.name.in_(one_of) if names > 1 else c.name == one_of[0],
                    c.interval == sa.bindparam("interval"),
                    c.i_time.between(sa.bindparam("first"), sa.bindparam("last")),
                    c.r_time.between(none, none) if coarse else c.r_time != none,
                )
            )
            .order_by(*order)
        )
        return found.group_by(*order) if aggregates else found

    @property
    def aggregates(self) -> frozenset[Aggregate]:
        """What can be had instead of the data."""
        found = {Aggregate.MIN, Aggregate.MAX}
        counters = self.layout.shape is Shape.COUNTERS
        if self.own.sums is not None or not counters:
            found.add(Aggregate.COUNT)
        if self.own.sums == "numeric" or (self.own.sums == "halves" and not counters):
            found.add(Aggregate.SUM)  # of products of 64 bits, halves would not be enough
        return frozenset(found)

    def _aggregate(self, aggregate: Aggregate) -> list[Any]:
        """The columns of an aggregate over the rows of a cell; a sum of ints has two of them if it is in halves."""
        c, counters = self.layout.table.c, self.layout.shape is Shape.COUNTERS
        match aggregate:
            case Aggregate.MIN:
                return [sa.func.min(c.value)]
            case Aggregate.MAX:
                return [sa.func.max(c.value)]
            case Aggregate.COUNT:
                return self._sum(c.n) if counters else [sa.func.count()]
            case Aggregate.SUM:
                return self._sum(sa.cast(c.value, sa.Numeric(20)) * c.n if counters else c.value)

    def _sum(self, ints: Any) -> list[Any]:
        if self.own.sums == "numeric":
            return [sa.func.sum(ints)]
        high, low = (ints.op(operator)(sa.literal_column(by)) for operator, by in ((">>", "32"), ("&", "4294967295")))
        return [sa.func.sum(high), sa.func.sum(low)]

    def _visible(self, name: Any, index: int, *, cut: bool) -> list[Any]:
        """The visible rows of a name in the interval_<index>, from cutoff_<index> on if there is one."""
        c = self.layout.table.c
        found = self._mine(c.name == name, c.interval == sa.bindparam(f"interval_{index}"))
        return [*found, c.i_time >= sa.bindparam(f"cutoff_{index}")] if cut else found

    def names(self, cut: tuple[bool, ...], limit: int) -> Prepared:
        """Names in order, and of each whether it is visible: from each name to the next by one look into the index,
        however many rows it has. No more than ``limit`` where this is a recursion, which databases bound.

        Parameters: prefix, after, interval_0 …, and cutoff_<index> for each interval that has one, as ``cut`` says.
        """
        return self._once(("names", cut, limit), lambda: self._names(cut, limit))

    def _names(self, cut: tuple[bool, ...], limit: int) -> Any:
        one: Any = sa.literal_column("1")
        found = self._grouped_names() if self.own.skips else self._recursive_names(limit)
        visible = [
            sa.exists().where(*self._visible(found.c.name, index, cut=one)).correlate(found)
            for index, one in enumerate(cut)
        ]
        shown = sa.case((sa.or_(sa.false(), *visible), one), else_=sa.literal_column("0"))
        every = sa.select(found.c.name, shown).where(found.c.name.is_not(None))
        return every.order_by(found.c.name) if self.own.skips else every  # a recursion gives them in order

    def _later_names(self) -> list[Any]:
        return self._mine(self.layout.table.c.name > sa.bindparam("after"))

    def _recursive_names(self, limit: int) -> Any:
        c = self.layout.table.c
        one: Any = sa.literal_column("1")
        first = sa.select(sa.func.min(c.name)).where(*self._later_names())
        found = sa.select(first.scalar_subquery().label("name"), one.label("n")).cte("names", recursive=True)
        following = sa.select(sa.func.min(c.name)).where(*self._mine(c.name > found.c.name)).correlate(found)
        more = sa.and_(found.c.name.is_not(None), found.c.n < sa.literal_column(str(limit)))
        return found.union_all(sa.select(following.scalar_subquery(), found.c.n + one).where(more))

    def _grouped_names(self) -> Any:
        """Both columns, as the key begins: else MySQL and MariaDB read every row."""
        c = self.layout.table.c
        return sa.select(c.name).where(*self._later_names()).group_by(c.prefix, c.name).subquery("names")

    def bounds(self, names: int, cut: tuple[bool, ...]) -> Prepared:
        """A row for each of name_0 …: the name, and of each interval the first and the last visible bucket, each by
        one look into the index. Other parameters as of `names`.
        """
        return self._once(("bounds", names, cut), lambda: self._bounds(names, cut))

    def _bounds(self, names: int, cut: tuple[bool, ...]) -> Any:
        i_time = self.layout.table.c.i_time
        rows = []
        for position in range(names):
            name: Any = sa.bindparam(f"name_{position}", type_=self.layout.table.c.name.type)
            looks = [
                sa.select(end(i_time)).where(*self._visible(name, index, cut=cut[index])).scalar_subquery()
                for index in range(len(cut))
                for end in (sa.func.min, sa.func.max)
            ]
            rows.append(sa.select(name, *(look.label(f"end_{index}") for index, look in enumerate(looks))))
        return sa.union_all(*rows) if names > 1 else rows[0]

    # --- Deleting ---------------------------------------------------------------------------------------------------

    def remove(self) -> Prepared:
        """Remove one cell if it is past by its own expires_at. Parameters: the cell, now."""

        def make() -> Any:
            c = self.layout.table.c
            cell = [c[name] == sa.bindparam(name) for name in CELL]
            return sa.delete(self.layout.table).where(*cell, c.expires_at <= sa.bindparam("now"))

        return self._once("remove", make)

    def _up_to(self) -> list[Any]:
        """The rows of neighbouring cells. Parameters: prefix, name, interval, first: an i_time, and last: a cell."""
        c = self.layout.table.c
        last: tuple[Any, Any] = (sa.bindparam("i_time"), sa.bindparam("r_time"))
        return [
            *self._mine(c.name == sa.bindparam("name"), c.interval == sa.bindparam("interval")),
            c.i_time.between(sa.bindparam("first"), last[0]),
            sa.or_(c.i_time < last[0], c.r_time <= last[1]),
        ]

    def count_up_to(self) -> Prepared:
        """How many cells `remove_up_to` will remove; until then nobody else can."""

        def make() -> Any:
            c = self.layout.table.c
            rows = sa.select(c.i_time, c.r_time).where(*self._up_to())
            if self.own.locks_rows:
                rows = rows.with_for_update()
            cells = sa.select(*rows.subquery("past").c).distinct()
            return sa.select(sa.func.count()).select_from(cells.subquery("cells"))

        return self._once("count_up_to", make)

    def remove_up_to(self) -> Prepared:
        """Remove neighbouring cells. Parameters: prefix, name, interval, first, i_time and r_time of the last."""
        return self._once("remove_up_to", lambda: sa.delete(self.layout.table).where(*self._up_to()))

    # SQLAlchemy itself compiles and keeps these, which are not called all day.

    def cells(self, *conditions: Any) -> Any:
        """Each cell with such a row, once, in order: (name, interval, i_time, r_time)."""
        c = self.layout.table.c
        cell = [c[name] for name in CELL[1:]]
        return sa.select(*cell).where(*conditions).group_by(*cell)

    def count(self, conditions: Iterable[Any]) -> Any:
        """The number of cells with such a row."""
        return sa.select(sa.func.count()).select_from(self.cells(*conditions).subquery())
