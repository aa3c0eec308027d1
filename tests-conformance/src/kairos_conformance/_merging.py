"""Semantics 4.4 and 4.6: data of several cells, intervals and names as one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from kairos import InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, T0, every_kind, holding
from kairos_conformance._store import Client, ReadLog, Store

__all__ = ["MergingTests"]


def two_names(store: Store, kind: str, **keywords: Any) -> Client:
    """Three minutes: "b" has 1 and 2 in the first and 3 in the second, "a" has 4 in the first and 5 in the third."""
    ts = store.open(kind, BOTH, **keywords)
    ts.bulk_insert([("b", [1, 2], T0), ("b", 3, T0 + 60), ("a", 4, T0), ("a", 5, T0 + 120)])
    return ts


class MergingTests(SuiteBase):
    """Condense, join and collapse."""

    @every_kind
    def test_condense(self, store: Store, kind: str) -> None:
        """Condensing makes one data of an interval: series concatenate in time order, histograms and counts add, a
        gauge takes the last value, sets unite (semantics 4.4).

        Look at: the order of the resolution buckets that `Backend.read` gives.
        """
        ts = store.open(kind, FINE)
        for value, offset in ((1, 600), (2, 0), (3, 3540), (1, 1200), (4, 3600)):
            ts.insert("a", value, timestamp=T0 + offset)
        data = holding(kind, 2, 1, 1, 3)
        assert ts.get("a", "hour", timestamp=T0, condense=True) == {T0: data}
        assert ts.series("a", "hour", start=T0, end=T0 + 3600, condense=True) == {T0: data, T0 + 3600: holding(kind, 4)}
        assert list(ts.iterate("a", "hour", condense=True)) == [(T0, data), (T0 + 3600, holding(kind, 4))]

    @every_kind
    def test_join(self, store: Store, kind: str) -> None:
        """A list of names reads as one series, joined in the order of the names, resolution bucket by resolution
        bucket (semantics 4.4, 4.6).

        Look at: how a read of several names tells their answers apart.
        """
        ts = two_names(store, kind)
        assert ts.get(["b", "a"], "minute", timestamp=T0) == {T0: holding(kind, 1, 2, 4)}
        assert ts.get(["a", "b"], "minute", timestamp=T0) == {T0: holding(kind, 4, 1, 2)}
        fine = {T0: holding(kind, 1, 2, 4), T0 + 60: holding(kind, 3), T0 + 120: holding(kind, 5)}
        assert ts.get(["b", "a"], "hour", timestamp=T0) == fine
        assert ts.series(["b", "a", "c"], "hour", start=T0, end=T0 + 3600) == {T0: fine, T0 + 3600: {}}
        assert list(ts.iterate(["b", "a"], "hour")) == list(fine.items())
        assert list(ts.iterate(["b", "a"], "minute")) == list(fine.items())
        assert ts.get(["c", "d"], "minute", timestamp=T0) == {T0: EMPTY[kind]}

    @every_kind
    def test_the_forms_of_a_list_of_names(self, store: Store, kind: str) -> None:
        """Names come in a list, a tuple or a set, which is sorted first; a name that is there twice counts once, and a
        list of one is joined too (semantics 4.6).

        Look at: the other failures first: it gets each name once.
        """
        ts = two_names(store, kind)
        joined = {T0: holding(kind, 4, 1, 2)}
        for names in (["a", "b"], ("a", "b"), {"b", "a"}, frozenset("ab"), ["a", "b", "a"], ("a", "b", "b", "a")):
            assert ts.get(names, "minute", timestamp=T0) == joined
        assert ts.get(["a"], "minute", timestamp=T0) == {T0: holding(kind, 4)}
        rows: list[Any] = []
        ts.get(["a"], "minute", timestamp=T0, join_rows=rows.append)
        assert rows == [[holding(kind, 4)]]

    def test_an_empty_list_of_names(self, store: Store) -> None:
        """An empty list of names is a ValueError (semantics 4.6).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        verbs: list[Callable[..., Any]] = [ts.get, ts.series, lambda *args: list(ts.iterate(*args))]
        empty: list[Any] = [[], (), set(), frozenset()]
        for names in empty:
            for verb in verbs:
                with pytest.raises(InvalidValue):
                    verb(names, "minute")

    @every_kind
    def test_condense_comes_before_join(self, store: Store, kind: str) -> None:
        """Each name is condensed by itself, then the results are joined (semantics 4.4).

        Look at: the other failures first, since this is the core's work.
        """
        ts = two_names(store, kind)
        b, a = (1, 2, 3), (4, 5)
        assert ts.get(["b", "a"], "hour", timestamp=T0, condense=True) == {T0: holding(kind, *b, *a)}
        condensed: list[Any] = []
        joined: list[Any] = []

        def condense(rows: dict[int, Any]) -> Any:
            condensed.append(rows)
            return len(rows)

        def join(rows: list[Any]) -> int:
            joined.extend(rows)
            return 9

        names = ["b", "c", "a"]
        assert ts.get(names, "hour", timestamp=T0, condense=condense, join_rows=join) == {T0: 9}
        assert condensed == [
            {T0: holding(kind, 1, 2), T0 + 60: holding(kind, 3)},
            {T0: holding(kind, 4), T0 + 120: holding(kind, 5)},
        ]
        assert joined == [2, EMPTY[kind], 2]

    @every_kind
    def test_a_custom_join_gets_one_entry_per_name(self, store: Store, kind: str) -> None:
        """``join_rows`` gets one data per name, in the order of the names, the empty value where a name has none
        (semantics 4.4).

        Look at: the other failures first, since this is the core's work.
        """
        ts = two_names(store, kind)
        nothing = EMPTY[kind]
        assert ts.series(["c", "b", "a"], "hour", start=T0, end=T0, join_rows=list) == {
            T0: {
                T0: [nothing, holding(kind, 1, 2), holding(kind, 4)],
                T0 + 60: [nothing, holding(kind, 3), nothing],
                T0 + 120: [nothing, nothing, holding(kind, 5)],
            }
        }
        assert ts.series(["b", "a"], "minute", start=T0 + 60, end=T0 + 60, join_rows=list) == {
            T0 + 60: [holding(kind, 3), nothing]
        }

    @every_kind
    def test_collapse(self, store: Store, kind: str) -> None:
        """``collapse=True`` makes one data of the whole range, under its first bucket; fine intervals are condensed
        first (semantics 4.4).

        Look at: the order of the buckets that `Backend.read` gives.
        """
        ts = store.open(kind, BOTH)
        for value, offset in ((1, 4000), (2, 0), (3, 3540), (1, 1200)):
            ts.insert("a", value, timestamp=T0 + offset)
        ts.insert("b", 7, timestamp=T0 + 60)
        span = {"start": T0 - 3600, "end": T0 + 7200}
        data = holding(kind, 2, 1, 3, 1)
        assert ts.series("a", "minute", **span, collapse=True) == {T0 - 3600: data}
        assert ts.series("a", "hour", **span, collapse=True) == {T0 - 3600: data}
        both = holding(kind, 2, 7, 1, 3, 1)
        assert ts.series(["a", "b"], "minute", **span, collapse=True) == {T0 - 3600: both}
        assert ts.series("c", "minute", **span, collapse=True) == {T0 - 3600: EMPTY[kind]}
        assert ts.series("a", "minute", start=T0 + 60, end=T0 + 120, collapse=True) == {T0 + 60: EMPTY[kind]}

    @every_kind
    def test_a_custom_condense_and_collapse(self, store: Store, kind: str) -> None:
        """A custom condense gets {resolution start: data}, a custom collapse {interval start: data}, of what there is;
        ``collapse=True`` uses a custom condense (semantics 4.4).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind, FINE)
        for value, offset in ((1, 0), (2, 60), (3, 7200)):
            ts.insert("a", value, timestamp=T0 + offset)
        span = {"start": T0, "end": T0 + 7200}
        first, last = {T0: holding(kind, 1), T0 + 60: holding(kind, 2)}, {T0 + 7200: holding(kind, 3)}

        def items(rows: dict[int, Any]) -> list[tuple[int, Any]]:
            return list(rows.items())

        def starts(rows: dict[int, Any]) -> list[int]:
            return list(rows)

        assert ts.series("a", "hour", **span, condense=items) == {
            T0: list(first.items()),
            T0 + 3600: EMPTY[kind],
            T0 + 7200: list(last.items()),
        }
        assert ts.series("a", "hour", **span, collapse=items) == {
            T0: [(T0, holding(kind, 1, 2)), (T0 + 7200, holding(kind, 3))]
        }
        assert ts.series("a", "hour", **span, condense=starts, collapse=items) == {
            T0: [(T0, [T0, T0 + 60]), (T0 + 7200, [T0 + 7200])]
        }
        assert ts.series("a", "hour", **span, condense=starts, collapse=True) == {T0: [T0, T0 + 7200]}

    @every_kind
    def test_nothing_is_never_condensed(self, store: Store, kind: str) -> None:
        """Over nothing, condense and collapse give the empty value, and a custom one is not called (semantics 4.4).

        Look at: an entry that `Backend.read` gives for a cell that is not there.
        """
        ts = store.open(kind, BOTH)
        ts.insert("a", 1, timestamp=T0)
        called: list[Any] = []
        keywords: dict[str, Any] = {"condense": called.append, "collapse": called.append}
        assert ts.series("a", "hour", start=T0 + 3600, end=T0 + 9999, **keywords) == {T0 + 3600: EMPTY[kind]}
        assert ts.series("a", "minute", start=T0 + 60, end=T0 + 120, collapse=called.append) == {T0 + 60: EMPTY[kind]}
        assert ts.series("b", "hour", start=T0, end=T0, condense=called.append) == {T0: EMPTY[kind]}
        assert ts.get(["b", "c"], "hour", timestamp=T0, condense=called.append) == {T0: EMPTY[kind]}
        assert called == []

    @every_kind
    def test_nothing_that_was_read_is_changed_in_place(self, store: Store, kind: str) -> None:
        """Condensing, joining, collapsing and transforming leave alone what they are given (semantics 4.4).

        Look at: the other failures first, since this is the core's work.
        """
        ts = two_names(store, kind)
        kept: list[Any] = []
        copies: list[Any] = []

        def keep(row: Any) -> Any:
            kept.append(row)
            copies.append(deepcopy(row))
            return row

        span = {"start": T0, "end": T0 + 3600}
        ts.series(["b", "a"], "hour", **span, condense=True, process_row=keep)
        ts.series(["b", "a"], "hour", **span, process_row=keep, transform=["mean", "sum", "rate"])
        ts.series(["a", "b"], "hour", **span, collapse=True, process_row=keep)
        ts.series(["a", "b"], "minute", **span, collapse=True, process_row=keep)
        assert len(kept) == 16
        assert kept == copies

    @every_kind
    def test_names_are_read_together(self, store: Store, kind: str) -> None:
        """Twenty names are one read, not twenty (semantics 4.6).

        Look at: the other failures first: it gets all names in one `Query`.
        """
        reads = ReadLog()
        ts = store.open(kind, BOTH, plugins=[reads])
        names = [f"n{number}" for number in range(20)]
        ts.bulk_insert([(name, 1, T0) for name in names])
        calls: list[Callable[[], Any]] = [
            lambda: ts.get(names, "minute", timestamp=T0),
            lambda: ts.series(names, "minute", start=T0, end=T0 + 3600),
            lambda: ts.series(names, "hour", start=T0, end=T0 + 3600, condense=True),
        ]
        for call in calls:
            reads.queries.clear()
            call()
            assert [query.names for query in reads.queries] == [tuple(names)]

    def test_very_many_names(self, store: Store) -> None:
        """Any number of names may be joined (semantics 4.6).

        Look at: limits of the driver, such as the number of parameters of a statement.
        """
        ts = store.open("count", BOTH)
        counts = range(min(1500, store.harness.many))
        names = [f"n{number}" for number in counts]
        ts.bulk_insert([(name, number, T0) for number, name in enumerate(names)])
        assert ts.get(names, "minute", timestamp=T0) == {T0: sum(counts)}
        assert ts.series(names, "hour", start=T0, end=T0, join_rows=list) == {T0: {T0: list(counts)}}
        assert list(ts.iterate(names, "minute")) == [(T0, sum(counts))]

    def test_joined_gauges_take_the_last_that_is_there(self, store: Store) -> None:
        """Of joined gauges the last name that has data counts; 0 is data (semantics 4.3, 4.4).

        Look at: a truth value where a comparison with None is meant.
        """
        ts = store.open("gauge", BOTH)
        ts.bulk_insert([("a", 0, T0), ("b", 5, T0 + 60), ("a", 7, T0 + 120)])
        for interval in BOTH:
            assert dict(ts.iterate(["b", "a", "c"], interval)) == {T0: 0, T0 + 60: 5, T0 + 120: 7}
        ts.insert("b", 6, timestamp=T0)
        assert ts.get(["b", "a"], "minute", timestamp=T0) == {T0: 0}
        assert ts.get(["a", "b"], "minute", timestamp=T0) == {T0: 6}
