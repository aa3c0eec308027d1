"""The SQL of the verbs, compiled once for the database that is used.

A statement that is written and read all day is compiled here and then sent as text with plain tuples: SQLAlchemy's own
work on the parameters and the rows of each execution would cost as much as the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from attrs import define, field, frozen

from kairos.backend import Shape
from kairos_sql._dialects import Dialect
from kairos_sql._schema import CELL, NO_RESOLUTION, Layout

__all__ = ["Prepared", "Statements"]


@frozen
class Prepared:
    """A compiled statement: its text, and the names of its parameters in the order of their places."""

    sql: str
    names: tuple[str, ...]
    positional: bool

    def one(self, values: Mapping[str, Any]) -> Any:
        """The parameters of one execution."""
        return tuple(values[name] for name in self.names) if self.positional else values

    def many(self, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
        """The parameters of many executions, from tuples in the order of ``columns``."""
        if not self.positional:
            return [dict(zip(columns, row, strict=True)) for row in rows]
        if self.names == columns:
            return rows
        return list(map(itemgetter(*map(columns.index, self.names)), rows))


@define(eq=False)
class Statements:
    """The statements on one table. Parameters are called after their columns unless said otherwise."""

    layout: Layout
    own: Dialect
    dialect: sa.Dialect
    written: tuple[str, ...] = field(init=False)
    write: Prepared = field(init=False)
    remove: Prepared = field(init=False)
    remove_past: Prepared = field(init=False)
    read: Callable[[int, bool], Prepared] = field(init=False)
    bounds: Callable[[int, tuple[bool, ...]], Prepared] = field(init=False)
    names: Callable[[tuple[bool, ...]], Prepared] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.written = (*(name for name in (*self.layout.key, *self.layout.data) if name != "seq"), "expires_at")
        self.write = self._prepare(self._write(), self.written)
        cell = [self.layout.table.c[name] == sa.bindparam(name) for name in CELL]
        removed = sa.delete(self.layout.table).where(*cell)
        self.remove = self._prepare(removed)
        self.remove_past = self._prepare(removed.where(self.layout.table.c.expires_at <= sa.bindparam("now")))
        # By number of names, and by which of the intervals have a cutoff.
        self.read = lru_cache(maxsize=64)(lambda n, coarse: self._prepare(self._read(n, coarse=coarse)))
        self.bounds = lru_cache(maxsize=64)(lambda n, cut: self._prepare(self._bounds(n, cut)))
        self.names = lru_cache(maxsize=64)(lambda cut: self._prepare(self._names(cut)))

    def _prepare(self, statement: Any, columns: Sequence[str] | None = None) -> Prepared:
        compiled = statement.compile(dialect=self.dialect, column_keys=columns)
        names = tuple(compiled.positiontup or compiled.params)
        return Prepared(str(compiled), names, bool(compiled.positional))

    def _write(self) -> Any:
        table, shape = self.layout.table, self.layout.shape
        values = {name: sa.bindparam(name) for name in self.written}
        if shape is Shape.LIST:
            if self.own.sequence is not None:
                values["seq"] = self.own.sequence(table)
            return sa.insert(table).values(values).inline()  # nobody asks for the seq
        added = [name for name in ("n", "f") if name in self.layout.data]
        replaced = [name for name in (*self.layout.data, "expires_at") if name not in (*added, "value")]
        if shape is Shape.REGISTER:
            replaced.append("value")

        def updates(new: Any) -> dict[str, Any]:
            return {name: table.c[name] + new[name] for name in added} | {name: new[name] for name in replaced}

        return self.own.upsert(table, updates).values(values)

    def _cells(self, *conditions: Any) -> list[Any]:
        return [self.layout.table.c.prefix == sa.bindparam("prefix"), *conditions]

    def _read(self, names: int, *, coarse: bool) -> Any:
        """Parameters: prefix, name_0 …, interval, first, last. What an interval holds from the time when it was fine,
        or coarse, is passed over.
        """
        c = self.layout.table.c
        order = [c[name] for name in self.layout.key[1:] if name not in ("interval", "value", "digest")]
        data = ["value"] if "value" in self.layout.key else []
        none = sa.literal_column(str(NO_RESOLUTION))
        one_of = [sa.bindparam(f"name_{index}") for index in range(names)]
        return (
            sa.select(c.name, c.i_time, c.r_time, *(c[name] for name in (*data, *self.layout.data)))
            .where(
                *self._cells(
                    c.name.in_(one_of) if names > 1 else c.name == one_of[0],
                    c.interval == sa.bindparam("interval"),
                    c.i_time.between(sa.bindparam("first"), sa.bindparam("last")),
                    c.r_time == none if coarse else c.r_time != none,
                )
            )
            .order_by(*order)
        )

    def _interval(self, name: Any, index: int, *, cut: bool) -> list[Any]:
        """The visible rows of a name in the interval_<index>, from cutoff_<index> on if there is one."""
        c = self.layout.table.c
        found = self._cells(c.name == name, c.interval == sa.bindparam(f"interval_{index}"))
        return [*found, c.i_time >= sa.bindparam(f"cutoff_{index}")] if cut else found

    def _names(self, cut: tuple[bool, ...]) -> Any:
        """The visible names: from each name to the next by one look into the index, however many rows it has."""
        c = self.layout.table.c
        first = sa.select(sa.func.min(c.name)).where(*self._cells())
        found = sa.select(first.scalar_subquery().label("name")).cte("names", recursive=True)
        following = sa.select(sa.func.min(c.name)).where(*self._cells(c.name > found.c.name)).correlate(found)
        found = found.union_all(sa.select(following.scalar_subquery()).where(found.c.name.is_not(None)))
        visible = [
            sa.exists().where(*self._interval(found.c.name, index, cut=one)).correlate(found)
            for index, one in enumerate(cut)
        ]
        return sa.select(found.c.name).where(found.c.name.is_not(None), *([sa.or_(*visible)] if visible else []))

    def _bounds(self, names: int, cut: tuple[bool, ...]) -> Any:
        """A row for each of name_0 …: the first and the last visible bucket of each interval, each by one look."""
        i_time = self.layout.table.c.i_time

        def look(end: Any, name: Any, index: int) -> Any:
            return sa.select(end(i_time)).where(*self._interval(name, index, cut=cut[index])).scalar_subquery()

        rows = []
        for position in range(names):
            name = sa.bindparam(f"name_{position}")
            ends = [look(end, name, index) for index in range(len(cut)) for end in (sa.func.min, sa.func.max)]
            rows.append(sa.select(name, *(end.label(f"end_{k}") for k, end in enumerate(ends))))
        return sa.union_all(*rows) if names > 1 else rows[0]

    # --- For verbs that are called now and then: SQLAlchemy compiles and keeps these --------------------------------

    def cells(self, *conditions: Any) -> Any:
        """Each cell with such a row, once, in order: (name, interval, i_time, r_time)."""
        c = self.layout.table.c
        cell = [c[name] for name in CELL[1:]]
        return sa.select(*cell).where(*conditions).group_by(*cell)

    def count(self, conditions: Iterable[Any]) -> Any:
        """The number of cells with such a row."""
        return sa.select(sa.func.count()).select_from(self.cells(*conditions).subquery())
